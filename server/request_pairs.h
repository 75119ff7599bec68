/* server/request_pairs.h: what clients send as names and values, on its way to an object.
 *
 * In the order of the text, each name once, found by its hash: many names cost no more each than
 * few, whatever they are. All memory is the arena's. */
#pragma once
#include "server/expr/value.h"

struct pairs {
	struct arena *arena;
	struct member *members;
	size_t n_members, n_room;
	uint32_t *slots; /* a member's number and one, or 0: free; NULL while there are few */
	size_t n_slots;
};

/* NULL when there is none. */
struct member *pairs_find(const struct pairs *pairs, struct str name);
int pairs_add(struct pairs *pairs, struct str name, struct value value); /* 0 or -ENOMEM */
struct value pairs_object(const struct pairs *pairs);
