/* core/base/map.c */
#include "core/base/map.h"
#include "core/base/check.h"
#include "core/base/memory.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

enum { HASH_FREE = 0, HASH_REMOVED = 1 };

static uint64_t hash_key[2];

static void hash_make_key(void)
{
	check(getrandom(hash_key, sizeof(hash_key), 0) == sizeof(hash_key));
}

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = ROTL(v[1], 13) ^ v[0];
	v[0] = ROTL(v[0], 32);
	v[2] += v[3];
	v[3] = ROTL(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = ROTL(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = ROTL(v[1], 17) ^ v[2];
	v[2] = ROTL(v[2], 32);
}

/* SipHash-1-3: Aumasson and Bernstein's function with one round a word and three at the end. */
uint64_t str_hash(struct str s)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t v[4], word, last = (uint64_t)s.len << 56;
	size_t i = 0;

	pthread_once(&once, hash_make_key);
	v[0] = hash_key[0] ^ UINT64_C(0x736f6d6570736575);
	v[1] = hash_key[1] ^ UINT64_C(0x646f72616e646f6d);
	v[2] = hash_key[0] ^ UINT64_C(0x6c7967656e657261);
	v[3] = hash_key[1] ^ UINT64_C(0x7465646279746573);
	for (; i + 8 <= s.len; i += 8) {
		memcpy(&word, s.ptr + i, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	for (size_t shift = 0; i < s.len; i++, shift += 8)
		last |= (uint64_t)(unsigned char)s.ptr[i] << shift;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *map)
{
	*map = (struct map){ 0 };
}

void map_fini(struct map *map)
{
	free(map->slots);
	map_init(map);
}

/* The slot of the key, or the first one that can take it (free or removed). */
static struct map_slot *map_slot_of(const struct map *map, struct str key, uint64_t hash)
{
	struct map_slot *removed = NULL;

	for (size_t i = hash & (map->n_slots - 1);; i = (i + 1) & (map->n_slots - 1)) {
		struct map_slot *slot = &map->slots[i];

		if (slot->hash == HASH_FREE)
			return removed ? removed : slot;
		if (slot->hash == HASH_REMOVED)
			removed = removed ? removed : slot;
		else if (slot->hash == hash && str_eq(slot->key, key))
			return slot;
	}
}

static void map_resize(struct map *map)
{
	struct map old = *map;

	map->n_slots = 8;
	while (map->n_slots < old.n_items * 2 + 2)
		map->n_slots *= 2;
	map->slots = mem_zalloc(map->n_slots * sizeof(*map->slots));
	map->n_used = map->n_items;
	for (size_t i = 0; i < old.n_slots; i++)
		if (old.slots[i].value)
			*map_slot_of(map, old.slots[i].key, old.slots[i].hash) = old.slots[i];
	free(old.slots);
}

static uint64_t map_hash(struct str key)
{
	return str_hash(key) | 2; /* never HASH_FREE or HASH_REMOVED */
}

void *map_find(const struct map *map, struct str key)
{
	return map->n_items ? map_slot_of(map, key, map_hash(key))->value : NULL;
}

void *map_set(struct map *map, struct str key, void *value)
{
	uint64_t hash = map_hash(key);
	struct map_slot *slot;
	void *before;

	check(value);
	if (map->n_used * 4 >= map->n_slots * 3)
		map_resize(map);
	slot = map_slot_of(map, key, hash);
	before = slot->value;
	map->n_used += slot->hash == HASH_FREE;
	map->n_items += !before;
	*slot = (struct map_slot){ key, hash, value };
	return before;
}

void *map_remove(struct map *map, struct str key)
{
	struct map_slot *slot = map->n_items ? map_slot_of(map, key, map_hash(key)) : NULL;
	void *before = slot ? slot->value : NULL;

	if (before) {
		*slot = (struct map_slot){ .hash = HASH_REMOVED };
		map->n_items--;
	}
	return before;
}

struct map_slot *map_next(const struct map *map, size_t *at)
{
	while (*at < map->n_slots) {
		struct map_slot *slot = &map->slots[(*at)++];

		if (slot->value)
			return slot;
	}
	return NULL;
}
