/* core/base/map.h: text to pointer.
 *
 * Open addressing over a keyed hash (SipHash-1-3 with a key made at start), so that nobody can
 * choose keys that collide. The map keeps the slices of the keys, not their bytes: what a key
 * points at must live as long as its entry. Entries come out in no promised order. */
#pragma once
#include "core/base/str.h"

struct map_slot {
	struct str key;
	uint64_t hash;
	void *value; /* NULL: free, or removed when `hash` is 1 */
};

struct map {
	struct map_slot *slots;
	size_t n_slots; /* a power of two, or 0 */
	size_t n_items;
	size_t n_used; /* items and removed ones */
};

void map_init(struct map *map);
void map_fini(struct map *map); /* does not touch the values */

void *map_find(const struct map *map, struct str key); /* NULL when it is not there */

/* Stores `value` (not NULL) and returns what was there before, or NULL. Never fails
 * (core/base/memory.h). */
void *map_set(struct map *map, struct str key, void *value);
void *map_remove(struct map *map, struct str key);

/* for (size_t at = 0; (slot = map_next(map, &at));) */
struct map_slot *map_next(const struct map *map, size_t *at);

uint64_t str_hash(struct str s); /* keyed: differs from run to run */
