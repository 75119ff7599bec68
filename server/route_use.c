/* server/route_use.c: what is asked of a compiled route. */
#include "server/async/async.h"
#include "server/route.h"

void route_fini(struct route *route)
{
	async_spec_fini(route->async);
	tally_give(route->tally);
}

const struct reply_spec *route_error_reply(const struct route *route, const struct failure *failure)
{
	const struct reply_spec *any = NULL;

	for (size_t i = 0; i < route->n_error_rules; i++) {
		const struct route_error_rule *rule = &route->error_rules[i];

		if (rule->code == ERROR_NONE)
			any = rule->reply;
		else if (rule->code == failure->code &&
			 (rule->code != ERROR_CUSTOM || str_eq(rule->custom, failure->custom_code)))
			return rule->reply;
	}
	return any;
}

void route_add_folder(struct route *route, struct router *router, struct arena *arena)
{
	struct route_pattern pattern = route->pattern;
	ptrdiff_t rest = str_find(pattern.path, STR("/{"));
	struct diag unheard;

	while (rest >= 0 && str_find(str_skip(pattern.path, (size_t)rest + 1), STR("/{")) >= 0)
		rest += 1 + str_find(str_skip(pattern.path, (size_t)rest + 1), STR("/{"));
	if (!route->files || !pattern.has_rest || rest <= 0)
		return;
	pattern.path = arena_str(arena, str_first(pattern.path, (size_t)rest));
	pattern.has_rest = false;
	pattern.n_params--;
	diag_init(&unheard);
	router_add(router, &pattern, route->place, route, &unheard);
	diag_fini(&unheard);
}
