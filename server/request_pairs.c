/* server/request_pairs.c */
#include "server/request_pairs.h"
#include "core/base/map.h"
#include <errno.h>

enum { FEW = 8 }; /* are compared one by one */

static bool pairs_is(const struct pairs *pairs, size_t at, struct str name)
{
	return str_eq(value_str(pairs->members[at].key), name);
}

/* The slot of the name, or the free one where it belongs; there is always one. */
static uint32_t *pairs_slot(const struct pairs *pairs, struct str name)
{
	size_t at = (size_t)str_hash(name) & (pairs->n_slots - 1);

	while (pairs->slots[at] && !pairs_is(pairs, pairs->slots[at] - 1, name))
		at = (at + 1) & (pairs->n_slots - 1);
	return &pairs->slots[at];
}

struct member *pairs_find(const struct pairs *pairs, struct str name)
{
	if (pairs->slots) {
		uint32_t slot = *pairs_slot(pairs, name);

		return slot ? &pairs->members[slot - 1] : NULL;
	}
	for (size_t i = 0; i < pairs->n_members; i++)
		if (pairs_is(pairs, i, name))
			return &pairs->members[i];
	return NULL;
}

/* Twice the room, and slots for that. */
static int pairs_grow(struct pairs *pairs)
{
	size_t n_room = pairs->n_room ? pairs->n_room * 2 : FEW;
	struct member *members = arena_alloc_array(pairs->arena, n_room, sizeof(struct member));

	if (!members)
		return -ENOMEM;
	if (pairs->n_members)
		memcpy(members, pairs->members, pairs->n_members * sizeof(*members));
	pairs->members = members;
	pairs->n_room = n_room;
	if (n_room <= FEW)
		return 0;
	pairs->n_slots = n_room * 2;
	pairs->slots = arena_zalloc(pairs->arena, pairs->n_slots * sizeof(*pairs->slots));
	if (!pairs->slots)
		return -ENOMEM;
	for (size_t i = 0; i < pairs->n_members; i++)
		*pairs_slot(pairs, value_str(members[i].key)) = (uint32_t)i + 1;
	return 0;
}

int pairs_add(struct pairs *pairs, struct str name, struct value value)
{
	if (pairs->n_members == pairs->n_room && pairs_grow(pairs) < 0)
		return -ENOMEM;
	pairs->members[pairs->n_members++] = (struct member){ value_text(name), value };
	if (pairs->slots)
		*pairs_slot(pairs, name) = (uint32_t)pairs->n_members;
	return 0;
}

struct value pairs_object(const struct pairs *pairs)
{
	return value_object(pairs->members, pairs->n_members);
}
