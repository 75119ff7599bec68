/* server/actor_routes.h: the routes that reach exposed handlers of actors (DECISIONS 16). */
#pragma once
#include "server/generation.h"

struct schema_loader;

size_t actor_routes_max(const struct actor_section *section); /* how many there may be */

/* Adds them to the generation, which has room; after those that were written, which win. */
void actor_routes_add(struct generation *generation, struct flow_compiler *compiler,
		      struct policy_compiler *policies, struct schema_loader *schemas);
