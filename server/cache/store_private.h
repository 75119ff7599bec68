/* server/cache/store_private.h: between store.c and fill.c. */
#pragma once
#include "core/thread/lock.h"
#include "server/cache/store.h"

enum {
	CACHE_FILL_LISTS = 64, /* in which the fills of a shard are looked for */
	CACHE_GHOSTS = 4096, /* fingerprints a shard remembers: 32 KiB, once something had to go */
};

struct cache_bytes {
	struct list entries; /* the oldest first */
	size_t n_bytes;
};

struct cache_shard {
	struct lock lock;
	size_t max_bytes; /* fixed */
	/* guarded by lock */
	struct cache_entry **buckets;
	size_t n_buckets, n_entries;
	struct cache_bytes queues[CACHE_MAIN + 1];
	uint64_t *ghosts; /* NULL until the first is needed */
	uint32_t n_ghosts;
	uint64_t n_evicted;
	struct list fills[CACHE_FILL_LISTS];
	size_t n_fills, n_waiting;
};

struct cache_store {
	size_t n_shards; /* a power of two */
	struct cache_shard *shards;
};

struct cache_shard *cache_store_shard(struct cache_store *store, uint64_t hash);
struct cache_entry *cache_shard_find(struct cache_shard *shard, uint64_t hash, struct str key)
	HOLDS(shard->lock); /* or NULL */

/* What leaves is put on `gone`, for cache_let_go() without the lock. */
void cache_shard_add(struct cache_shard *shard, struct cache_entry *entry, struct list *gone)
	HOLDS(shard->lock);
void cache_shard_drop(struct cache_shard *shard, struct cache_entry *entry, struct list *gone)
	HOLDS(shard->lock);
void cache_let_go(struct list *gone);

/* What is being made under this key (or prefix) will not be kept. */
void cache_shard_spoil(struct cache_shard *shard, struct str key, bool prefix) HOLDS(shard->lock);
