/* server/router_find.c: look-ups.
 *
 * Down the tree, at each node the literal first, then {param}, then {rest...}, and back when a
 * way ends without a route for the method. What has been tried is on a stack of fixed depth, as
 * a path has a most of segments. router.c says why this is bounded. */
#include "core/base/check.h"
#include "server/router_tree.h"

enum { HOST_MAX = 253 };

/* What a node tries next. */
enum try { TRY_LITERAL, TRY_PARAM, TRY_REST, TRY_NOTHING };

struct router_step {
	const struct router_node *node;
	enum try next;
	bool by_param; /* how the node was reached */
};

/* A request, while it is looked up. */
struct router_search {
	const struct router *router;
	enum http_method method;
	struct str method_name;
	const struct http_path *path;
	struct router_match *match;
};

static bool router_entry_is(const struct router_entry *entry, const struct router_search *search)
{
	if (entry->method.len == 0)
		return true;
	return entry->method_id == search->method &&
	       (search->method != HTTP_OTHER || str_eq(entry->method, search->method_name));
}

/* The entry for the method; else NULL, and what there is adds to the methods that are allowed. */
static const struct router_entry *router_pick(const struct router_entry *entries,
					      const struct router_search *search)
{
	const struct router_entry *get = NULL;

	for (const struct router_entry *entry = entries; entry; entry = entry->next) {
		if (get && entry->method.len == 0)
			break; /* GET for a HEAD is before what is for any method */
		if (router_entry_is(entry, search))
			return entry;
		if (entry->method_id == HTTP_GET && search->method == HTTP_HEAD)
			get = entry;
		search->match->allowed |= 1u << entry->method_id | 1u << HTTP_OPTIONS;
		if (entry->method_id == HTTP_GET)
			search->match->allowed |= 1u << HTTP_HEAD;
	}
	return get;
}

static const struct router_node *router_child(const struct router *router,
					      const struct router_node *node, struct str segment)
{
	if (node->n_literals == 0)
		return NULL;
	return router_slot_find(router, node, segment, router_edge_hash(node, segment))->node;
}

/* The values are the segments that parameters led over; `depth` steps led to the route. */
static void router_accept(const struct router_search *search, const struct router_entry *entry,
			  const struct router_step *steps, size_t depth, bool is_rest)
{
	struct router_match *match = search->match;

	match->route = entry->route;
	match->allowed = 0;
	match->n_params = 0;
	for (size_t i = 1; i <= depth; i++)
		if (steps[i].by_param)
			match->params[match->n_params++] = search->path->segments[i - 1];
	if (is_rest) {
		match->params[match->n_params++] = STR("");
		match->rest_from = depth;
	}
}

/* The child that the step tries now; moves the step on. */
static const struct router_node *router_try(const struct router_search *search,
					    struct router_step *step, struct str segment)
{
	const struct router_node *child = NULL;

	if (step->next == TRY_LITERAL) {
		step->next = TRY_PARAM;
		child = router_child(search->router, step->node, segment);
	}
	if (!child && step->next == TRY_PARAM) {
		step->next = TRY_REST;
		child = segment.len > 0 ? step->node->param : NULL; /* no parameter is empty */
	}
	return child;
}

static bool router_search_tree(const struct router_search *search, const struct router_node *root)
{
	const struct http_path *path = search->path;
	struct router_step steps[HTTP_SEGMENTS_MAX + 1];
	const struct router_entry *entry;
	size_t depth = 0;

	steps[0] = (struct router_step){ root, TRY_LITERAL, false };
	for (;;) {
		struct router_step *step = &steps[depth];
		const struct router_node *child = NULL;

		if (depth == path->n_segments) {
			entry = router_pick(step->node->entries, search);
			step->next = TRY_NOTHING;
		} else {
			child = router_try(search, step, path->segments[depth]);
			entry = child ? NULL : router_pick(step->node->rest, search);
		}
		if (entry) {
			router_accept(search, entry, steps, depth, step->next == TRY_REST);
			return true;
		}
		if (child)
			steps[++depth] = (struct router_step){ child, TRY_LITERAL,
							       child == step->node->param };
		else if (depth-- == 0)
			return false;
	}
}

static bool router_search_host(const struct router_search *search, struct str host)
{
	uint64_t hash = router_edge_hash(NULL, host);
	const struct router_node *root = router_slot_find(search->router, NULL, host, hash)->node;

	return root && router_search_tree(search, root);
}

/* The host itself, then "*." before ever fewer of its labels. */
static bool router_search_hosts(const struct router_search *search, struct str host)
{
	char lower[HOST_MAX];

	if (host.len > 0 && host.ptr[host.len - 1] == '.')
		host.len--;
	if (host.len == 0 || host.len > sizeof(lower))
		return false;
	for (size_t i = 0; i < host.len; i++)
		lower[i] = char_lower(host.ptr[i]);
	if (router_search_host(search, (struct str){ lower, host.len }))
		return true;
	for (size_t i = 1; search->router->has_wildcards && i + 1 < host.len; i++) {
		if (lower[i] != '.')
			continue;
		lower[i - 1] = '*';
		if (router_search_host(search, (struct str){ lower + i - 1, host.len - i + 1 }))
			return true;
	}
	return false;
}

void router_find(const struct router *router, enum http_method method, struct str method_name,
		 struct str host, const struct http_path *path, struct router_match *ret_match)
{
	const struct router_search search = { router, method, method_name, path, ret_match };

	ret_match->route = NULL;
	ret_match->allowed = 0;
	ret_match->n_params = 0;
	ret_match->rest_from = SIZE_MAX;
	if (router->has_hosts && router_search_hosts(&search, host))
		return;
	if (router->any_host)
		router_search_tree(&search, router->any_host);
}
