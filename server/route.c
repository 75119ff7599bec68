/* server/route.c */
#include "server/route.h"
#include "server/async/async.h"
#include "server/cache/cache.h"
#include "server/files/files.h"
#include "server/live/events.h"
#include "server/live/websocket.h"
#include "server/policy/policies.h"
#include "server/precondition.h"
#include "server/proxy/proxy.h"

#define ROUTE_ROOTS                                                                                \
	(ROOT_BIT(ROOT_PATH) | ROOT_BIT(ROOT_QUERY) | ROOT_BIT(ROOT_QUERY_ALL) |                   \
	 ROOT_BIT(ROOT_HEADERS) | ROOT_BIT(ROOT_COOKIES) | ROOT_BIT(ROOT_FORM) |                   \
	 ROOT_BIT(ROOT_FORM_ALL) | ROOT_BIT(ROOT_BODY) | ROOT_BIT(ROOT_REQUEST) |                  \
	 ROOT_BIT(ROOT_AUTH) | ROOT_BIT(ROOT_TLS) | ROOT_BIT(ROOT_CLIENT) | ROOT_BIT(ROOT_ENV) |   \
	 ROOT_BIT(ROOT_SECRET))

/* Before the body has come. */
#define EARLY_ROOTS                                                                                \
	(ROUTE_ROOTS & ~(ROOT_BIT(ROOT_BODY) | ROOT_BIT(ROOT_FORM) | ROOT_BIT(ROOT_FORM_ALL)))

#define BODY_ROOTS                                                                                 \
	(ROOT_BIT(ROOT_BODY) | ROOT_BIT(ROOT_FORM) | ROOT_BIT(ROOT_FORM_ALL) |                     \
	 ROOT_BIT(ROOT_REQUEST))

struct route_config {
	const struct node *async, *cache, *body, *tasks, *reply, *redirect, *files, *proxy,
		*websocket, *events, *on_error;
	uint64_t timeout_ms;
	int on_disconnect;
	bool log;
	bool timeout_said;
	bool doubtful; /* it has a wrong key: what is missing may only be misspelt */
};

static const char *const disconnect_choices[] = { "auto", "cancel", "finish", NULL };
#define AT(field) offsetof(struct route_config, field)
const struct setting route_keys[] = {
	{ "tasks", SETTING_MAP, AT(tasks),
	  .help = "What to do, by name; the order follows from the references." },
	{ "reply", SETTING_NODE, AT(reply),
	  .help = "The answer: a text, or status, headers and a body.", .keys = reply_keys },
	{ "redirect", SETTING_NODE, AT(redirect),
	  .help = "Answers with a redirect: a URL, or to and status." },
	{ "files", SETTING_NODE, AT(files), .help = "Answers with files: a folder, or a map.",
	  .keys = files_keys },
	{ "proxy", SETTING_NODE, AT(proxy),
	  .help = "Passes the request on to an upstream: its name, a URL, or a map.",
	  .keys = proxy_keys },
	{ "websocket", SETTING_MAP, AT(websocket),
	  .help = "Speaks WebSocket: on_open, on_message, on_close, and what may come.",
	  .keys = websocket_keys },
	{ "events", SETTING_NODE, AT(events),
	  .help = "Sends server-sent events: what is published to a topic, a list of them, or a "
		  "map.",
	  .keys = events_keys },
	{ "on_error", SETTING_MAP, AT(on_error),
	  .help = "Answers for failures: an error code, or any, to a reply that may read "
		  "${error.…}." },
	{ "cache", SETTING_NODE, AT(cache),
	  .help = "Keeps the answer and gives it again: a duration, or key, ttl, stale, max; "
		  "without a key by host, path and query.",
	  .keys = cache_keys },
	{ "timeout", SETTING_DURATION, AT(timeout_ms),
	  .help = "The deadline of all tasks; timeouts.route when not said.", .min = 1,
	  .max = INT64_C(86400000) },
	{ "body", SETTING_MAP, AT(body), .help = "What the request's body may be.",
	  .keys = body_keys },
	{ "on_disconnect", SETTING_CHOICE, AT(on_disconnect), "auto",
	  "What the client's leaving does to the tasks; auto: cancel for GET, HEAD, OPTIONS and "
	  "any method, else finish.",
	  .choices = disconnect_choices },
	{ "async", SETTING_NODE, AT(async),
	  .help = "Keeps each request in the store, answers 202 at once, and runs it then: true, "
		  "or "
		  "a map. Its run is told of at the Location of the answer.",
	  .keys = async_keys },
	{ "log", SETTING_BOOL, AT(log), "true", "Whether its requests are in the access log." },
	SETTINGS_END
};
#undef AT

static bool route_method_is(const struct route *route, struct str method)
{
	return str_eq(route->pattern.method, method);
}

/* DECISIONS 8 */
static bool route_finishes(const struct route *route, int on_disconnect)
{
	if (on_disconnect != 0)
		return on_disconnect == 2;
	return route->pattern.method.len && !route_method_is(route, STR("GET")) &&
	       !route_method_is(route, STR("HEAD")) && !route_method_is(route, STR("OPTIONS"));
}

static bool route_compile_rule(struct flow_compiler *compiler, struct expr_compiler *expr,
			       const struct node_entry *entry, struct route_error_rule *rule)
{
	if (str_eq(entry->key, STR("any"))) {
		rule->code = ERROR_NONE;
	} else if (!error_code_find(entry->key, &rule->code)) {
		const char *nearest = diag_nearest(entry->key, error_code_names);

		/* a code of the user's own, by `fail:`; but a near miss is a slip */
		if (nearest) {
			diag_error(compiler->diag, entry->key_place,
				   "unknown error code \"%s\"; did you mean \"%s\"?",
				   entry->key.ptr, nearest);
			return false;
		}
		rule->code = ERROR_CUSTOM;
		rule->custom = entry->key;
	}
	rule->reply = reply_compile(expr, entry->value);
	return rule->reply != NULL;
}

static bool route_compile_errors(struct flow_compiler *compiler, struct expr_compiler *expr,
				 const struct node *node, struct route *route)
{
	struct expr_names names = *expr->names;
	struct expr_compiler inner = *expr;
	bool ok = true;

	if (!node)
		return true;
	names.roots |= ROOT_BIT(ROOT_ERROR);
	inner.names = &names;
	route->error_rules =
		arena_alloc_array(compiler->arena, node->n_entries, sizeof(*route->error_rules));
	for (size_t i = 0; i < node->n_entries; i++) {
		struct route_error_rule *rule = &route->error_rules[route->n_error_rules++];

		*rule = (struct route_error_rule){ 0 };
		ok &= route_compile_rule(compiler, &inner, &node->entries[i], rule);
	}
	return ok;
}

static bool route_compile_ending(struct flow_compiler *compiler, struct expr_compiler *expr,
				 const struct route_config *config, const struct node_entry *entry,
				 struct route *route)
{
	if (config->reply && config->redirect) {
		diag_error(compiler->diag, config->redirect->place,
			   "a route ends in one way; keep one of reply and redirect");
		return false;
	}
	if (!config->reply && !config->redirect) {
		if (config->tasks || config->doubtful)
			return true;
		diag_error(compiler->diag, entry->key_place,
			   "this route has neither tasks nor an answer; add reply: or redirect:");
		return false;
	}
	expr->may_stream = !route->async;
	route->reply = config->reply ? reply_compile(expr, config->reply)
				     : reply_compile_redirect(expr, config->redirect);
	expr->may_stream = false;
	return route->reply != NULL;
}

static const char *const *route_path_names(const struct route *route, struct arena *arena)
{
	size_t n_params = route->pattern.n_params;
	const char **names = arena_alloc_array(arena, n_params + 1, sizeof(*names));

	for (size_t i = 0; i < n_params; i++)
		names[i] = arena_str(arena, route->pattern.params[i]).ptr;
	names[n_params] = NULL;
	return names;
}

/* Files are served without tasks, and without an answer of another kind. */
static bool route_compile_files(struct flow_compiler *compiler, const struct route_config *config,
				struct route *route)
{
	if (config->reply || config->redirect || config->proxy || config->tasks ||
	    config->websocket || config->events || config->on_error || config->cache) {
		diag_error(compiler->diag, config->files->place,
			   "a route with files has no tasks, reply, redirect, proxy, on_error or "
			   "cache; "
			   "keep one");
		return false;
	}
	route->files = files_compile(compiler->arena, compiler->diag, config->files,
				     route->pattern.has_rest);
	return route->files != NULL;
}

/* The body goes on as it comes: nothing can be demanded of it but its size. */
static bool route_compile_proxy_body(struct flow_compiler *compiler, const struct node *body,
				     struct route *route)
{
	bool has_max = false, ok = true;

	for (size_t i = 0; body && i < body->n_entries; i++) {
		const struct node_entry *entry = &body->entries[i];

		if (str_eq(entry->key, STR("max"))) {
			has_max = true;
			continue;
		}
		diag_error(compiler->diag, entry->key_place,
			   "proxy: passes the body on while it comes, so it cannot be checked "
			   "first; remove %s",
			   entry->key.ptr);
		ok = false;
	}
	if (!has_max)
		route->body.max = UINT64_MAX;
	return ok;
}

static bool route_compile_proxy(struct flow_compiler *compiler, struct expr_compiler *expr,
				const struct route_config *config, const struct node_entry *entry,
				struct route *route)
{
	const struct proxy_place place = { .has_rest = route->pattern.has_rest,
					   .name = route->pattern.text,
					   .definition = entry->value,
					   .timeout_ms = config->timeout_said ? config->timeout_ms
									      : 0 };

	if (config->reply || config->redirect || config->tasks) {
		diag_error(compiler->diag, config->proxy->place,
			   "a route with proxy has no tasks, reply or redirect; keep one");
		return false;
	}
	route->proxy = proxy_compile(compiler, expr, config->proxy, &place);
	return route_compile_proxy_body(compiler, config->body, route) & (route->proxy != NULL);
}

static bool route_compile_live(struct flow_compiler *compiler, struct expr_compiler *expr,
			       const struct route_config *config, struct route *route)
{
	const struct live_place place = { route->pattern.text, EARLY_ROOTS, config->timeout_ms };
	const struct node *node = config->websocket ? config->websocket : config->events;

	if (config->reply || config->redirect || config->tasks || config->proxy ||
	    config->on_error || config->body || config->cache ||
	    (config->websocket && config->events)) {
		diag_error(compiler->diag, node->place,
			   "a route with websocket or events has no tasks, reply, redirect, proxy, "
			   "body, on_error or cache; keep one");
		return false;
	}
	if (config->websocket && route->pattern.method.len && !route_method_is(route, STR("GET"))) {
		diag_error(compiler->diag, node->place, "a WebSocket is opened by GET, not by %.*s",
			   STR_ARG(route->pattern.method));
		return false;
	}
	if (config->websocket)
		route->websocket = websocket_compile(compiler, expr, node, &place);
	else
		route->events = events_compile(compiler, expr, node, &place);
	return route_is_live(route);
}

/* ------------------------------------------------------------ cache: */

/* What differs from one request to another, but for what the key of a route has by itself. */
#define VARYING (ROUTE_ROOTS & ~(ROOT_BIT(ROOT_ENV) | ROOT_BIT(ROOT_SECRET)))
#define DEFAULT_KEY_ROOTS (ROOT_BIT(ROOT_PATH) | ROOT_BIT(ROOT_QUERY) | ROOT_BIT(ROOT_QUERY_ALL))

static bool route_check_cache(struct flow_compiler *compiler, const struct route_config *config,
			      const struct route *route)
{
	const struct node *node = config->cache;
	struct str acting;

	if (config->proxy)
		diag_error(compiler->diag, node->place,
			   "the cache of a proxy stands in it: proxy: {to: …, cache: true}");
	else if (route->pattern.method.len && !route_method_is(route, STR("GET")) &&
		 !route_method_is(route, STR("HEAD")))
		diag_error(compiler->diag, node->place,
			   "only answers to GET and HEAD are kept; remove cache");
	else if (flow_is_empty(route->flow) && route->reply && reply_constant(route->reply))
		diag_error(compiler->diag, node->place,
			   "this answer is always the same, and is made at load; remove cache");
	else if (flow_find_change(route->flow, &acting))
		diag_error(compiler->diag, node->place,
			   "the task \"%.*s\" changes something, so an answer that was kept cannot "
			   "stand for it; remove cache",
			   STR_ARG(acting));
	else
		return true;
	return false;
}

static bool route_check_key(struct flow_compiler *compiler, const struct node *node,
			    uint64_t key_roots, const struct route *route)
{
	uint64_t missing = route->roots & ~key_roots & VARYING;

	for (unsigned root = 0; root < N_ROOTS; root++) {
		if (!(missing & ROOT_BIT(root)))
			continue;
		diag_error(compiler->diag, node->place,
			   "the route reads ${%s…}, which its cache has no key for; name all that "
			   "it reads: cache: {key: \"${%s…}\", ttl: …}",
			   expr_root_name((enum expr_root)root),
			   expr_root_name((enum expr_root)root));
		return false;
	}
	return true;
}

/* DECISIONS 7 */
static bool route_compile_cache(struct flow_compiler *compiler, const struct expr_compiler *expr,
				const struct route_config *config, const struct node_entry *entry,
				struct route *route)
{
	struct cache_spec *spec = arena_zalloc(compiler->arena, sizeof(*spec));
	struct expr_compiler key = *expr;
	struct expr_names names = *expr->names;
	uint64_t roots = DEFAULT_KEY_ROOTS;

	if (!route_check_cache(compiler, config, route) ||
	    !cache_spec_read(spec, config->cache, compiler->arena, compiler->diag) ||
	    !cache_spec_place(spec, config->cache, compiler->redis, compiler->diag))
		return false;
	names.task = NULL; /* they have not run */
	key.names = &names;
	if (!cache_spec_compile_key(spec, &key, &roots, compiler->diag) ||
	    !route_check_key(compiler, spec->key_node ? spec->key_node : config->cache, roots,
			     route))
		return false;
	spec->cache = cache_list_add(compiler->caches, route->pattern.text, entry->value, spec);
	route->cache = spec;
	return true;
}

/* ------------------------------------------------------------ async: */

enum { ASYNC_TIMEOUT_MS = 30 * 60 * 1000 }; /* as of jobs */

static bool route_compile_async(struct flow_compiler *compiler, struct route_config *config,
				const struct node_entry *entry, struct route *route)
{
	const char *wrong = config->files       ? "files"
			    : config->proxy     ? "proxy"
			    : config->websocket ? "websocket"
			    : config->events    ? "events"
			    : config->cache     ? "cache"
						: NULL;

	if (!config->async)
		return true;
	if (!async_compile(node_entry_find(entry->value, "async"), route->pattern.text,
			   compiler->arena, compiler->diag, &route->async))
		return false;
	if (!route->async)
		return true;
	if (!config->timeout_said)
		config->timeout_ms = ASYNC_TIMEOUT_MS;
	if (!wrong && route->body.type != BODY_MULTIPART)
		return true;
	diag_error(
		compiler->diag, config->async->place,
		wrong ? "a route with async runs when its client has its answer already; remove %s"
		      : "the files of a form are gone when a route with async runs; take a body of "
			"another type%s",
		wrong ? wrong : "");
	return false;
}

static bool route_compile_parts(struct flow_compiler *compiler, const struct route_config *config,
				const struct node_entry *entry, struct route *route)
{
	struct expr_uses uses = { 0 };
	struct expr_compiler expr = { .arena = compiler->arena,
				      .diag = compiler->diag,
				      .uses = &uses };
	bool ok;

	route->flow = flow_declare(compiler, entry->key);
	if (!route->async)
		flow_allow_streams(route->flow);
	ok = flow_compile(compiler, route->flow, config->tasks, NULL,
			  config->proxy || config->websocket || config->events ? EARLY_ROOTS
									       : ROUTE_ROOTS);
	expr.names = flow_names(route->flow);
	if (config->files)
		return ok && route_compile_files(compiler, config, route);
	if (config->websocket || config->events)
		return ok && route_compile_live(compiler, &expr, config, route);
	if (config->proxy)
		ok &= route_compile_proxy(compiler, &expr, config, entry, route);
	else
		ok &= route_compile_ending(compiler, &expr, config, entry, route);
	ok &= route_compile_errors(compiler, &expr, config->on_error, route);
	route->roots = uses.roots | flow_roots(route->flow);
	if (config->cache)
		ok = ok && route_compile_cache(compiler, &expr, config, entry, route);
	return ok;
}

static bool route_compile_policies(struct policy_compiler *compiler,
				   const struct policy_nodes *nodes, struct route *route)
{
	const struct expr_names *outer = compiler->names;
	struct expr_names names = *outer;
	bool ok;

	names.roots |= ROOT_BIT(ROOT_PATH);
	names.path_names = route_path_names(route, compiler->arena);
	compiler->names = &names;
	route->policies =
		policies_compile(compiler, POLICIES_ROUTE, route->pattern.text, nodes, &ok);
	compiler->names = outer;
	route->prefix = policies_of_pattern(compiler->list, &route->pattern, &route->by_path);
	return ok;
}

/* The reply of the hot path; NULL: each request needs more. */
static const struct reply *route_constant(const struct route *route, struct arena *arena)
{
	const struct reply *reply;

	if (!route->reply || route->async || route_is_live(route) || !flow_is_empty(route->flow) ||
	    route->body.type != BODY_ANY || route->roots & BODY_ROOTS)
		return NULL;
	reply = reply_constant(route->reply);
	return reply ? policies_bake(route, reply, arena) : NULL;
}

struct route *route_compile(struct flow_compiler *compiler, struct policy_compiler *policies,
			    struct schema_loader *schemas, const struct settings *settings,
			    const struct node_entry *entry)
{
	struct route *route = arena_zalloc(compiler->arena, sizeof(*route));
	struct route_config config = { .timeout_ms = settings->timeout_route };
	struct policy_nodes nodes = { 0 };
	const struct settings_part parts[] = { { route_keys, &config }, { policy_keys, &nodes } };
	bool ok, compiled;

	ok = route_pattern_read(entry->key, entry->key_place, compiler->arena, compiler->diag,
				&route->pattern);
	config.doubtful = settings_read(parts, ARRAY_LEN(parts), entry->value, "a route",
					compiler->arena, compiler->diag) > 0;
	if (config.doubtful && entry->value->kind != NODE_MAP)
		return NULL;
	config.timeout_said = node_entry_find(entry->value, "timeout");
	route->place = entry->key_place;
	route->logged = config.log;
	compiler->path_names = ok ? route_path_names(route, compiler->arena) : NULL;
	compiled = body_compile(policies->conf, schemas, settings, config.body, &route->body,
				compiler->diag);
	compiled &= route_compile_async(compiler, &config, entry, route);
	route->timeout_ms = config.timeout_ms;
	compiled &= route_compile_parts(compiler, &config, entry, route);
	compiler->path_names = NULL;
	compiled &= ok && route_compile_policies(policies, &nodes, route);
	if (!compiled || config.doubtful) {
		async_spec_fini(route->async);
		return NULL;
	}
	route->finishes = route_finishes(route, config.on_disconnect);
	route->tally = tally_take("route", route->pattern.text);
	route->constant = route_constant(route, compiler->arena);
	route->is_conditional = route->constant && precondition_concerns(route->constant);
	return route;
}
