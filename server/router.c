/* server/router.c: building; look-ups are in router_find.c.
 *
 * Why a look-up is bounded: it walks a tree and comes to a node on one way only, so it visits
 * each node at most once. But patterns like /a/b, /a/{y}, /{x}/b, /{x}/{y} give one path 2^depth
 * ways, so each node knows the most visits that any path can cause at and below it: one, those
 * of its costliest literal child (a segment is one literal at most), and those of its parameter
 * child. A pattern that lifts this above VISITS_MAX at a root is refused, at load; so no request
 * can cost more, and the usual one visits a node or two a segment. */
#include "server/router.h"
#include "core/base/check.h"
#include "server/router_tree.h"

enum { VISITS_MAX = 4096, SLOTS_MIN = 64 };

static void *router_alloc(struct router *router, size_t size)
{
	void *ptr = arena_zalloc(router->arena, size);

	check(ptr); /* a router is built at load, from an arena that is required */
	return ptr;
}

struct router *router_create(struct arena *arena)
{
	struct router *router = arena_zalloc(arena, sizeof(*router));

	check(router);
	router->arena = arena;
	return router;
}

static void router_put(struct router *router, struct router_node *node)
{
	uint64_t hash = router_edge_hash(node->parent, node->segment);
	struct router_slot *slot = router_slot_find(router, node->parent, node->segment, hash);

	*slot = (struct router_slot){ hash, node };
}

/* The old slots stay in the arena: all of them together are as large as the new ones. */
static void router_grow(struct router *router)
{
	struct router_slot *old = router->slots;
	size_t n_old = router->n_slots;

	router->n_slots = n_old ? n_old * 2 : SLOTS_MIN;
	router->slots = router_alloc(router, router->n_slots * sizeof(*router->slots));
	for (size_t i = 0; i < n_old; i++)
		if (old[i].node)
			router_put(router, old[i].node);
}

static struct router_node *router_node_create(struct router *router, struct router_node *parent,
					      struct str segment)
{
	struct router_node *node = router_alloc(router, sizeof(*node));

	node->parent = parent;
	node->segment = arena_str(router->arena, segment);
	node->visits = 1;
	return node;
}

/* The node that a literal leads to; made when it is not there. */
static struct router_node *router_literal(struct router *router, struct router_node *parent,
					  struct str segment)
{
	struct router_node *node;

	if ((router->n_nodes + 1) * 2 > router->n_slots)
		router_grow(router);
	node = router_slot_find(router, parent, segment, router_edge_hash(parent, segment))->node;
	if (node)
		return node;
	node = router_node_create(router, parent, segment);
	router_put(router, node);
	router->n_nodes++;
	if (parent)
		parent->n_literals++;
	return node;
}

static struct router_node *router_root(struct router *router, struct str host)
{
	if (host.len > 0) {
		router->has_hosts = true;
		router->has_wildcards |= host.ptr[0] == '*';
		return router_literal(router, NULL, host);
	}
	if (!router->any_host)
		router->any_host = router_node_create(router, NULL, STR(""));
	return router->any_host;
}

static bool router_is_param(struct str segment)
{
	return segment.len > 0 && segment.ptr[0] == '{';
}

/* The node at which the pattern ends: with {rest...} the one before it. */
static struct router_node *router_walk(struct router *router, const struct route_pattern *pattern)
{
	struct router_node *node = router_root(router, pattern->host);
	struct str rest = str_skip(pattern->path, 1), segment;

	while (str_next_part(&rest, '/', &segment)) {
		if (!router_is_param(segment)) {
			node = router_literal(router, node, segment);
			continue;
		}
		if (!rest.ptr && pattern->has_rest)
			break;
		if (!node->param)
			node->param = router_node_create(router, node, STR(""));
		node = node->param;
	}
	return node;
}

/* From a node whose children may have changed up to its root; the visits of the root. */
static size_t router_count_visits(struct router_node *node)
{
	for (;;) {
		struct router_node *parent = node->parent;

		node->visits = 1 + node->literal_visits + (node->param ? node->param->visits : 0);
		if (!parent)
			return node->visits;
		if (parent->param != node)
			parent->literal_visits = MAX(parent->literal_visits, node->visits);
		node = parent;
	}
}

static void router_refuse(struct diag *diag, struct place place,
			  const struct route_pattern *pattern, const struct router_entry *other)
{
	const struct place *at = &other->place;

	if (at->source)
		diag_error(diag, place,
			   "\"%.*s\" matches the same requests as \"%.*s\" at %s:%u:%u; remove one",
			   STR_ARG(pattern->text), STR_ARG(other->text), at->source->name, at->line,
			   at->col);
	else
		diag_error(diag, place,
			   "\"%.*s\" matches the same requests as \"%.*s\"; remove one",
			   STR_ARG(pattern->text), STR_ARG(other->text));
}

bool router_has(struct router *router, const struct route_pattern *pattern)
{
	const struct router_node *node = router_walk(router, pattern);
	const struct router_entry *other = pattern->has_rest ? node->rest : node->entries;

	while (other && other->method.len > 0 && !str_eq(other->method, pattern->method))
		other = other->next;
	return other != NULL;
}

bool router_add(struct router *router, const struct route_pattern *pattern, struct place place,
		void *route, struct diag *diag)
{
	struct router_node *node = router_walk(router, pattern);
	struct router_entry **at = pattern->has_rest ? &node->rest : &node->entries, *entry;

	check(route);
	for (struct router_entry *other = *at; other; other = other->next) {
		if (str_eq(other->method, pattern->method)) {
			router_refuse(diag, place, pattern, other);
			return false;
		}
	}
	entry = router_alloc(router, sizeof(*entry));
	*entry = (struct router_entry){
		.method_id = http_method_find(pattern->method),
		.method = arena_str(router->arena, pattern->method),
		.route = route,
		.text = arena_str(router->arena, pattern->text),
		.place = place,
	};
	while (*at && pattern->method.len == 0)
		at = &(*at)->next;
	entry->next = *at;
	*at = entry;
	if (router_count_visits(node) <= VISITS_MAX)
		return true;
	diag_error(diag, place,
		   "\"%.*s\" overlaps with too many other patterns; a path may be tried in %d ways",
		   STR_ARG(pattern->text), VISITS_MAX);
	return false;
}
