/* server/async/spec.c: `async:` of a route, and the routes that tell of its runs. */
#include "server/async/async.h"
#include "server/async/runs.h"
#include "server/policy/policies.h"
#include "server/route.h"
#include "server/schema/schema.h"
#include "server/tally.h"

enum { KEEP_MAX_DAYS = 30, RETRY_MAX = 100, WAITING_MAX = 1000000 };

#define AT(field) offsetof(struct async_spec, field)
const struct setting async_keys[] = {
	{ "keep", SETTING_DURATION, AT(keep_ms), "1h",
	  "How long the result can be asked for, and its idempotency key is known.", 1000,
	  KEEP_MAX_DAYS *INT64_C(86400000) },
	{ "retry", SETTING_INT, AT(retry), "0", "How often it is tried again when it has failed.",
	  0, RETRY_MAX },
	{ "wait", SETTING_DURATION, AT(wait_ms), "10s",
	  "How long before the second try; it doubles each time, up to an hour.", 1,
	  INT64_C(86400000) },
	{ "waiting", SETTING_INT, AT(waiting), "1000",
	  "How many requests of the route may wait or run; more are answered with 503.", 1,
	  WAITING_MAX },
	{ "max", SETTING_SIZE, AT(max), "1m",
	  "The largest result that is kept; a larger one is the failure too_large.", 1, 8 << 20 },
	SETTINGS_END
};
#undef AT

bool async_compile(const struct node_entry *entry, struct str name, struct arena *arena,
		   struct diag *diag, struct async_spec **ret_spec)
{
	const struct node *node = entry->value;
	struct async_spec *spec = arena_zalloc(arena, sizeof(*spec));
	const struct settings_part part = { async_keys, spec };

	*ret_spec = NULL;
	if (node->kind == NODE_BOOL && !node->boolean)
		return true;
	if (node->kind == NODE_BOOL) {
		settings_defaults(async_keys, spec, arena);
	} else if (node_is_scalar(node) || node->kind == NODE_NULL) {
		diag_error(diag, node->place,
			   "async is true, or a map: keep, retry, wait, waiting, max");
		return false;
	} else if (settings_read(&part, 1, node, "async", arena, diag) > 0) {
		return false;
	}
	spec->place = entry->key_place;
	spec->tally = tally_take("async", name);
	*ret_spec = spec;
	return true;
}

void async_spec_fini(struct async_spec *spec)
{
	if (spec)
		tally_give(spec->tally);
}

/* ------------------------------------------------------------ /runs/TOKEN */

/* A route as somebody may have written it, so that the policies of its place hold for it. */
static struct node_entry *async_entry(struct arena *arena, const char *pattern, struct place place)
{
	struct node *status = arena_zalloc(arena, sizeof(*status));
	struct node *reply = arena_zalloc(arena, sizeof(*reply));
	struct node *route = arena_zalloc(arena, sizeof(*route));
	struct node_entry *entries = arena_alloc_array(arena, 3, sizeof(*entries));

	*status = (struct node){
		.kind = NODE_INT, .plain = true, .place = place, .text = STR("404"), .integer = 404
	};
	entries[0] = (struct node_entry){ STR("status"), place, status };
	*reply = (struct node){
		.kind = NODE_MAP, .place = place, .n_entries = 1, .entries = &entries[0]
	};
	entries[1] = (struct node_entry){ STR("reply"), place, reply };
	*route = (struct node){
		.kind = NODE_MAP, .place = place, .n_entries = 1, .entries = &entries[1]
	};
	entries[2] = (struct node_entry){ str_of(pattern), place, route };
	return &entries[2];
}

void async_routes_add(struct generation *generation, struct flow_compiler *compiler,
		      struct policy_compiler *policies, struct schema_loader *schemas)
{
	static const struct {
		const char *pattern;
		route_native_fn *run;
	} places[ASYNC_ROUTES_MAX] = { { "GET /runs/{run}", async_run_tell },
				       { "DELETE /runs/{run}", async_run_cancel } };
	const struct async_spec *spec = NULL;

	for (size_t i = 0; i < generation->n_routes && !spec; i++)
		spec = generation->routes[i]->async;
	for (size_t i = 0; spec && i < ARRAY_LEN(places); i++) {
		const struct node_entry *entry =
			async_entry(generation->arena, places[i].pattern, spec->place);
		struct route *route =
			route_compile(compiler, policies, schemas, &generation->settings, entry);

		if (!route)
			continue;
		route->native = places[i].run;
		route->constant = NULL;
		if (router_add(generation->router, &route->pattern, route->place, route,
			       policies->diag))
			generation->routes[generation->n_routes++] = route;
		else
			tally_give(route->tally);
	}
}
