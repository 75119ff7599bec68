/* server/policy/policies.c */
#include "server/policy/policies.h"
#include "conf/load.h"
#include "server/auth/rules.h"
#include "server/policy/compress.h"
#include "server/policy/cors.h"
#include "server/policy/headers.h"
#include "server/policy/limit.h"
#include "server/policy/rate_limit.h"
#include "server/policy/redirect_https.h"
#include "server/policy/request_id.h"
#include "server/request.h"
#include <stdio.h>

#define AT(id) offsetof(struct policy_nodes, of[id])
const struct setting policy_keys[] = {
	{ "allow", SETTING_NODE, AT(POLICY_ALLOW),
	  .help = "Who may come in, all others being refused with 403: a list of addresses, "
		  "networks (10.0.0.0/8) and unix." },
	{ "deny", SETTING_NODE, AT(POLICY_DENY),
	  .help = "Who may not come in; beside allow, the longest network that fits decides, and "
		  "deny where both are as long." },
	{ "cors", SETTING_NODE, AT(POLICY_CORS),
	  .help = "Which pages from elsewhere may call: {origins: [https://app.example.org]}.",
	  .keys = cors_keys },
	{ "limit", SETTING_NODE, AT(POLICY_LIMIT),
	  .help = "How many requests may be in work at once: {concurrent: 100, queue: 50, wait: "
		  "1s}, or 100.",
	  .keys = limit_keys },
	{ "rate_limit", SETTING_NODE, AT(POLICY_RATE_LIMIT),
	  .help = "How many requests a client may make in a time: {rate: 10/s, burst: 20, key: "
		  "ip}, "
		  "or 10/s.",
	  .keys = rate_limit_keys },
	{ "redirect_https", SETTING_NODE, AT(POLICY_REDIRECT_HTTPS),
	  .help = "Sends what does not come over TLS to the same path of https: true, or {port: "
		  "8443}.",
	  .keys = redirect_https_keys },
	{ "request_id", SETTING_NODE, AT(POLICY_REQUEST_ID),
	  .help = "Tells the client the id of its request: true, or {header: X-Request-Id, trust: "
		  "false}.",
	  .keys = request_id_keys },
	{ "auth", SETTING_NODE, AT(POLICY_AUTH),
	  .help = "Who may come in: basic, api_key, jwt; any of those that are written will do.",
	  .keys = auth_keys },
	{ "compress", SETTING_NODE, AT(POLICY_COMPRESS),
	  .help = "Compresses answers for clients that take it: true, or {codings, types, min, "
		  "level}.",
	  .keys = compress_keys },
	{ "server_timing", SETTING_NODE, AT(POLICY_SERVER_TIMING),
	  .help = "Whether answers say how long they and their tasks have taken (Server-Timing): "
		  "true." },
	{ "headers", SETTING_NODE, AT(POLICY_HEADERS),
	  .help = "Fields of every answer: {set: {…}, add: {…}, remove: […]}; the places merge, by "
		  "name.",
	  .keys = headers_keys },
	SETTINGS_END
};
#undef AT

const struct policy_kind *const policy_kinds[N_POLICIES] = {
	[POLICY_ALLOW] = &policy_allow,
	[POLICY_DENY] = &policy_deny,
	[POLICY_AUTH] = &policy_auth,
	[POLICY_CORS] = &policy_cors,
	[POLICY_LIMIT] = &policy_limit,
	[POLICY_RATE_LIMIT] = &policy_rate_limit,
	[POLICY_REDIRECT_HTTPS] = &policy_redirect_https,
	[POLICY_REQUEST_ID] = &policy_request_id,
	[POLICY_COMPRESS] = &policy_compress,
	[POLICY_SERVER_TIMING] = &policy_server_timing,
	[POLICY_HEADERS] = &policy_headers,
};

/* ------------------------------------------------------------ all of a generation */

void policy_list_init(struct policy_list *list)
{
	*list = (struct policy_list){ 0 };
	map_init(&list->by_text);
}

void policy_list_fini(struct policy_list *list)
{
	for (struct policy *policy = list->first; policy; policy = policy->next)
		if (policy->kind->destroy)
			policy->kind->destroy(policy);
	map_fini(&list->by_text);
}

static struct str policy_text(const struct policies *place, const struct policy_kind *kind,
			      const struct node *node, struct arena *arena)
{
	struct buf text;

	buf_init_arena(&text, arena);
	buf_printf(&text, "%d %zu:%.*s %s ", (int)place->level, place->name.len,
		   STR_ARG(place->name), kind->name);
	node_write_text(node, &text);
	return buf_str(&text);
}

/* ------------------------------------------------------------ one place */

#define POLICY_ROOTS                                                                               \
	(ROOT_BIT(ROOT_QUERY) | ROOT_BIT(ROOT_QUERY_ALL) | ROOT_BIT(ROOT_HEADERS) |                \
	 ROOT_BIT(ROOT_COOKIES) | ROOT_BIT(ROOT_REQUEST) | ROOT_BIT(ROOT_AUTH) |                   \
	 ROOT_BIT(ROOT_TLS) | ROOT_BIT(ROOT_CLIENT) | ROOT_BIT(ROOT_ENV) | ROOT_BIT(ROOT_SECRET))

void policy_compiler_init(struct policy_compiler *compiler, struct conf *conf, struct diag *diag,
			  struct policy_list *list)
{
	*compiler = (struct policy_compiler){
		.arena = &conf->arena,
		.diag = diag,
		.conf = conf,
		.names = &compiler->outer_names,
		.outer_names = { .roots = POLICY_ROOTS },
		.list = list,
	};
}

static bool policy_is_off(const struct node *node)
{
	return node->kind == NODE_TEXT && node->plain && str_eq(node->text, STR("off"));
}

static const struct policy *policy_compile_one(struct policy_compiler *compiler,
					       const struct policy_kind *kind,
					       const struct node *node)
{
	const struct policy_list *before = compiler->before;
	struct policy_list *list = compiler->list;
	struct str text;
	struct policy *policy;

	if (policy_is_off(node))
		return &policy_off;
	text = policy_text(compiler->place, kind, node, compiler->arena);
	policy = kind->compile(compiler, node, before ? map_find(&before->by_text, text) : NULL);
	if (!policy)
		return NULL;
	policy->kind = kind;
	policy->place = compiler->place;
	policy->key_place = node->place;
	policy->next = list->first;
	list->first = policy;
	map_set(&list->by_text, text, policy);
	return policy;
}

struct policies *policies_compile(struct policy_compiler *compiler, enum policies_level level,
				  struct str name, const struct policy_nodes *nodes, bool *ret_ok)
{
	struct policies *place = arena_zalloc(compiler->arena, sizeof(*place));
	bool any = false;

	*ret_ok = true;
	place->level = level;
	place->name = name;
	compiler->place = place;
	for (unsigned id = 0; id < N_POLICIES; id++) {
		if (!nodes->of[id])
			continue;
		place->of[id] = policy_compile_one(compiler, policy_kinds[id], nodes->of[id]);
		any |= place->of[id] != NULL;
		*ret_ok &= place->of[id] != NULL;
	}
	return any ? place : NULL;
}

/* ------------------------------------------------------------ prefixes */

static void policies_add_pattern(struct policy_compiler *compiler, const struct node_entry *entry,
				 struct str text, struct policies *place)
{
	struct route_pattern pattern;

	if (route_pattern_read(text, entry->key_place, compiler->arena, compiler->diag, &pattern))
		router_add(compiler->list->router, &pattern, entry->key_place, place,
			   compiler->diag);
}

/* "/api/" is "/api"; the text of "/" is empty. */
static struct str policies_prefix_text(struct str key)
{
	return key.ptr[key.len - 1] == '/' ? str_first(key, key.len - 1) : key;
}

static void policies_compile_prefix(struct policy_compiler *compiler,
				    const struct node_entry *entry)
{
	struct policy_list *list = compiler->list;
	struct policy_nodes nodes = { 0 };
	const struct settings_part part = { policy_keys, &nodes };
	struct str text = policies_prefix_text(entry->key);
	struct policies *place;
	bool ok;

	if (str_has(entry->key, '{')) {
		diag_error(compiler->diag, entry->key_place,
			   "a prefix of defaults has no parameters; write the part before the {");
		return;
	}
	if (settings_read(&part, 1, entry->value, "the defaults of a prefix", compiler->arena,
			  compiler->diag) > 0)
		return;
	place = policies_compile(compiler, POLICIES_PREFIX, text.len ? text : STR("/"), &nodes,
				 &ok);
	if (!place)
		return;
	if (!list->router)
		list->router = router_create(compiler->arena);
	list->prefixes[list->n_prefixes++] = place;
	if (text.len)
		policies_add_pattern(compiler, entry, text, place);
	policies_add_pattern(compiler, entry,
			     arena_printf(compiler->arena, "%.*s/{rest...}", STR_ARG(text)), place);
}

void policies_compile_prefixes(struct policy_compiler *compiler, const struct node *defaults)
{
	size_t n_entries = defaults ? defaults->n_entries : 0;

	compiler->list->prefixes =
		arena_alloc_array(compiler->arena, n_entries + 1, sizeof(struct policies *));
	for (size_t i = 0; i < n_entries; i++) {
		const struct node_entry *entry = &defaults->entries[i];

		if (str_eq(entry->key, STR("task")))
			continue;
		if (str_starts_with(entry->key, STR("/")))
			policies_compile_prefix(compiler, entry);
		else
			diag_error(compiler->diag, entry->key_place,
				   "unknown key \"%.*s\" in defaults; it takes task, and prefixes "
				   "of paths such as /api",
				   STR_ARG(str_first(entry->key, 80)));
	}
}

static const struct policies *policies_of_path(const struct policy_list *list,
					       const struct http_path *path)
{
	struct router_match match = { 0 };

	if (!list->router)
		return NULL;
	router_find(list->router, HTTP_GET, STR("GET"), STR_NONE, path, &match);
	return match.route;
}

enum beneath { BENEATH_NO, BENEATH_PERHAPS, BENEATH_ALWAYS };

/* Whether the paths of a pattern are beneath a prefix. Segments are compared as they are
 * written; both are. */
static enum beneath policies_is_beneath(struct str pattern, struct str prefix)
{
	struct str wanted, have, pattern_rest = str_skip(pattern, 1),
				 prefix_rest = str_skip(prefix, 1);
	enum beneath beneath = BENEATH_ALWAYS;

	if (prefix.len == 1)
		return BENEATH_ALWAYS;
	while (str_next_part(&prefix_rest, '/', &wanted)) {
		if (!str_next_part(&pattern_rest, '/', &have))
			return BENEATH_NO;
		if (str_starts_with(have, STR("{")) && str_ends_with(have, STR("...}")))
			return BENEATH_PERHAPS;
		if (str_starts_with(have, STR("{")))
			beneath = BENEATH_PERHAPS;
		else if (!str_eq(have, wanted))
			return BENEATH_NO;
	}
	return beneath;
}

const struct policies *policies_of_pattern(const struct policy_list *list,
					   const struct route_pattern *pattern, bool *ret_by_path)
{
	const struct policies *longest = NULL;

	*ret_by_path = false;
	for (size_t i = 0; i < list->n_prefixes; i++) {
		const struct policies *prefix = list->prefixes[i];

		switch (policies_is_beneath(pattern->path, prefix->name)) {
		case BENEATH_NO:
			break;
		case BENEATH_PERHAPS:
			*ret_by_path = true;
			break;
		case BENEATH_ALWAYS:
			if (!longest || prefix->name.len > longest->name.len)
				longest = prefix;
			break;
		}
	}
	return longest;
}

/* ------------------------------------------------------------ one request */

/* Whether there is a place to be looked for: most routes have none. */
static bool policies_may_hold(const struct policy_way *way)
{
	const struct route *route = way->route;

	return route->policies || route->prefix || route->by_path ||
	       (way->listen && way->listen->policies);
}

unsigned policies_places(const struct policy_way *way, const struct policies *places[3])
{
	const struct route *route = way->route;
	const struct policies *all[] = {
		route->policies,
		route->by_path ? policies_of_path(way->list, way->path) : route->prefix,
		way->listen ? way->listen->policies : NULL,
	};
	unsigned n_places = 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i])
			places[n_places++] = all[i];
	return n_places;
}

const struct policy *policies_innermost(const struct policies *const places[], unsigned n_places,
					unsigned id)
{
	const struct policy *policy = NULL;

	for (unsigned i = 0; i < n_places && !policy; i++)
		policy = places[i]->of[id];
	return policy == &policy_off ? NULL : policy;
}

const struct policy *policies_find(const struct policy_way *way, enum policy_id id)
{
	const struct policies *places[3] = { NULL };

	return policies_innermost(places, policies_places(way, places), id);
}

bool policies_hold(const struct policy_way *way)
{
	const struct policies *places[3] = { NULL };

	return policies_places(way, places) > 0;
}

bool policies_begin(struct request *request)
{
	const struct policy_way way = { &request->generation->policies, request->listen,
					request->route, &request->path };
	const struct policies *places[3] = { NULL };
	struct policy_run *run;
	unsigned n_places;

	if (!policies_may_hold(&way))
		return true;
	n_places = policies_places(&way, places);
	if (n_places == 0)
		return true;
	run = arena_zalloc(&request->arena, sizeof(*run));
	if (!run)
		return false;
	run->request = request;
	run->arena = &request->arena;
	run->n_places = n_places;
	memcpy(run->places, places, n_places * sizeof(*places));
	for (unsigned id = 0; id < N_POLICIES; id++)
		run->of[id] = policies_innermost(places, n_places, id);
	request->policies = run;
	for (unsigned id = 0; id < N_POLICIES; id++)
		if (run->of[id] && run->of[id]->kind->begin)
			run->of[id]->kind->begin(run, run->of[id]);
	return true;
}

const struct reply *policies_bake(const struct route *route, const struct reply *reply,
				  struct arena *arena)
{
	const struct policy_way way = { .route = route };
	const struct policies *places[3] = { NULL };
	unsigned n_places;

	if (!route->policies && !route->prefix && !route->by_path)
		return reply;
	if (route->by_path)
		return NULL;
	n_places = policies_places(&way, places);
	for (unsigned id = 0; id < N_POLICIES; id++)
		if (id != POLICY_HEADERS && policies_innermost(places, n_places, id))
			return NULL;
	return headers_are_constant(places, n_places)
		       ? policy_finish_constant(places, n_places, reply, arena)
		       : NULL;
}
