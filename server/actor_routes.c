/* server/actor_routes.c */
#include "server/actor_routes.h"
#include "server/route.h"
#include "server/schema/schema.h"
#include "server/tally.h"

size_t actor_routes_max(const struct actor_section *section)
{
	size_t n_handlers = 0;

	for (size_t i = 0; i < section->n_specs; i++)
		n_handlers += section->specs[i].n_handlers;
	return n_handlers;
}

/* One in whose place a route was written, be it for all methods, is not added: what was written may
 * demand more of a request than the actor does. */
static void actor_route_add(struct generation *generation, struct route *route, struct diag *diag)
{
	if (!router_has(generation->router, &route->pattern) &&
	    router_add(generation->router, &route->pattern, route->place, route, diag))
		generation->routes[generation->n_routes++] = route;
	else
		tally_give(route->tally);
}

void actor_routes_add(struct generation *generation, struct flow_compiler *compiler,
		      struct policy_compiler *policies, struct schema_loader *schemas)
{
	const struct actor_section *section = &generation->actors;

	for (size_t i = 0; i < section->n_specs; i++) {
		for (size_t j = 0; j < section->specs[i].n_handlers; j++) {
			struct node_entry *entry = actor_route(&section->specs[i],
							       &section->specs[i].handlers[j],
							       generation->arena);
			struct route *route = entry ? route_compile(compiler, policies, schemas,
								    &generation->settings, entry)
						    : NULL;

			if (route)
				actor_route_add(generation, route, compiler->diag);
		}
	}
}
