/* server/cache/store.c
 *
 * Locking: shard.lock guards all of a shard, the links of its entries, its fills and the list of
 * those who wait. A thread that holds one takes no other lock; entries are let go of, and messages
 * posted, behind it. */
#include "core/base/map.h"
#include "core/base/memory.h"
#include "server/cache/store_private.h"
#include <stdlib.h>

enum {
	SHARDS_MAX = 16,
	SHARD_BYTES_MIN = 1 << 20,
	BUCKETS_MIN = 64,
	SMALL_SHARE = 10, /* of the bytes: one in so many */
	GHOST_ROW = 4,    /* places that a fingerprint may be in */
};

struct cache_store *cache_store_create(size_t max_bytes)
{
	struct cache_store *store = mem_zalloc(sizeof(*store));

	store->n_shards = 1;
	while (store->n_shards < SHARDS_MAX && max_bytes / (store->n_shards * 2) >= SHARD_BYTES_MIN)
		store->n_shards *= 2;
	store->shards = mem_zalloc(store->n_shards * sizeof(*store->shards));
	for (size_t i = 0; i < store->n_shards; i++) {
		struct cache_shard *shard = &store->shards[i];

		lock_init(&shard->lock);
		list_init(&shard->queues[CACHE_SMALL].entries);
		list_init(&shard->queues[CACHE_MAIN].entries);
		for (size_t j = 0; j < CACHE_FILL_LISTS; j++)
			list_init(&shard->fills[j]);
		shard->max_bytes = max_bytes / store->n_shards;
	}
	return store;
}

struct cache_shard *cache_store_shard(struct cache_store *store, uint64_t hash)
{
	return &store->shards[(hash >> 48) & (store->n_shards - 1)];
}

size_t cache_store_entry_max(const struct cache_store *store)
{
	return store->shards[0].max_bytes / 2;
}

/* ------------------------------------------------------------ the table */

static struct cache_entry **shard_slot(struct cache_shard *shard, uint64_t hash, struct str key)
	HOLDS(shard->lock)
{
	struct cache_entry **at = &shard->buckets[hash & (shard->n_buckets - 1)];

	while (*at && !((*at)->hash == hash && str_eq((*at)->key, key)))
		at = &(*at)->next;
	return at;
}

struct cache_entry *cache_shard_find(struct cache_shard *shard, uint64_t hash, struct str key)
{
	return shard->n_buckets ? *shard_slot(shard, hash, key) : NULL;
}

/* Without memory for more it stays as it is: chains become longer, that is all. */
static void shard_grow(struct cache_shard *shard) HOLDS(shard->lock)
{
	size_t n_buckets = shard->n_buckets ? shard->n_buckets * 2 : BUCKETS_MIN;
	struct cache_entry **buckets = calloc(n_buckets, sizeof(struct cache_entry *));

	if (!buckets)
		return;
	for (size_t i = 0; i < shard->n_buckets; i++) {
		struct cache_entry *entry = shard->buckets[i], *next;

		for (; entry; entry = next) {
			struct cache_entry **to = &buckets[entry->hash & (n_buckets - 1)];

			next = entry->next;
			entry->next = *to;
			*to = entry;
		}
	}
	free(shard->buckets);
	shard->buckets = buckets;
	shard->n_buckets = n_buckets;
}

/* ------------------------------------------------------------ queues */

static void shard_enqueue(struct cache_shard *shard, struct cache_entry *entry,
			  enum cache_queue queue) HOLDS(shard->lock)
{
	entry->queue = (uint8_t)queue;
	list_add(&shard->queues[queue].entries, &entry->link);
	shard->queues[queue].n_bytes += entry->charged;
}

static void shard_dequeue(struct cache_shard *shard, struct cache_entry *entry) HOLDS(shard->lock)
{
	list_remove(&entry->link);
	shard->queues[entry->queue].n_bytes -= entry->charged;
	entry->queue = CACHE_NOWHERE;
}

/* Out of the table and its queue, onto `gone`: it is let go of without the lock. */
void cache_shard_drop(struct cache_shard *shard, struct cache_entry *entry, struct list *gone)
{
	struct cache_entry **slot = shard_slot(shard, entry->hash, entry->key);

	check(*slot == entry);
	*slot = entry->next;
	entry->next = NULL;
	shard->n_entries--;
	shard_dequeue(shard, entry);
	list_add(gone, &entry->link);
}

void cache_let_go(struct list *gone)
{
	struct list *link;

	while ((link = list_pop(gone)))
		cache_entry_unref(container_of(link, struct cache_entry, link));
}

static size_t shard_bytes(const struct cache_shard *shard)
{
	return shard->queues[CACHE_SMALL].n_bytes + shard->queues[CACHE_MAIN].n_bytes;
}

/* ------------------------------------------------------------ ghosts */

/* A fingerprint and the number of the drop that it is of. Where it is not remembered any more, or
 * another has its place, an entry that comes again has to prove itself once more: no harm. */
static uint64_t ghost_of(const struct cache_entry *entry, uint32_t number)
{
	return (entry->hash & UINT64_C(0xffffffff00000000)) | number;
}

/* The row that it would be in. */
static uint64_t *shard_ghosts(struct cache_shard *shard, uint64_t hash) HOLDS(shard->lock)
{
	return &shard->ghosts[((hash >> 8) % (CACHE_GHOSTS / GHOST_ROW)) * GHOST_ROW];
}

static uint32_t shard_ghost_age(const struct cache_shard *shard, uint64_t ghost) HOLDS(shard->lock)
{
	return ghost ? shard->n_ghosts - (uint32_t)ghost : UINT32_MAX;
}

/* In the place of the oldest of its row. */
static void shard_remember(struct cache_shard *shard, const struct cache_entry *entry)
	HOLDS(shard->lock)
{
	uint64_t *row, *place;

	if (!shard->ghosts)
		shard->ghosts = calloc(CACHE_GHOSTS, sizeof(*shard->ghosts));
	if (!shard->ghosts)
		return;
	place = row = shard_ghosts(shard, entry->hash);
	for (size_t i = 1; i < GHOST_ROW; i++)
		if (shard_ghost_age(shard, row[i]) > shard_ghost_age(shard, *place))
			place = &row[i];
	*place = ghost_of(entry, ++shard->n_ghosts);
}

/* As many drops ago as the main queue has room for entries of the usual size. */
static bool shard_remembers(struct cache_shard *shard, const struct cache_entry *entry)
	HOLDS(shard->lock)
{
	const uint64_t *row = shard->ghosts ? shard_ghosts(shard, entry->hash) : NULL;

	for (size_t i = 0; row && i < GHOST_ROW; i++)
		if (row[i] && row[i] >> 32 == entry->hash >> 32 &&
		    shard_ghost_age(shard, row[i]) < MAX(shard->n_entries, (size_t)64))
			return true;
	return false;
}

/* ------------------------------------------------------------ eviction */

static struct cache_entry *shard_oldest(struct cache_shard *shard, enum cache_queue queue)
	HOLDS(shard->lock)
{
	return list_first(&shard->queues[queue].entries, struct cache_entry, link);
}

static void shard_evict_small(struct cache_shard *shard, struct list *gone) HOLDS(shard->lock)
{
	struct cache_entry *entry = shard_oldest(shard, CACHE_SMALL);

	if (atomic_load_explicit(&entry->visits, memory_order_relaxed) > 0) {
		atomic_store_explicit(&entry->visits, 0, memory_order_relaxed);
		shard_dequeue(shard, entry);
		shard_enqueue(shard, entry, CACHE_MAIN);
		return;
	}
	shard_remember(shard, entry);
	cache_shard_drop(shard, entry, gone);
	shard->n_evicted++;
}

/* Each that was used since goes round once more, with one use less: three rounds at most. */
static void shard_evict_main(struct cache_shard *shard, struct list *gone) HOLDS(shard->lock)
{
	struct cache_entry *entry = shard_oldest(shard, CACHE_MAIN);
	unsigned char visits = atomic_load_explicit(&entry->visits, memory_order_relaxed);

	if (visits > 0) {
		atomic_store_explicit(&entry->visits, (unsigned char)(visits - 1),
				      memory_order_relaxed);
		shard_dequeue(shard, entry);
		shard_enqueue(shard, entry, CACHE_MAIN);
		return;
	}
	cache_shard_drop(shard, entry, gone);
	shard->n_evicted++;
}

static void shard_make_room(struct cache_shard *shard, size_t size, struct list *gone)
	HOLDS(shard->lock)
{
	while (shard_bytes(shard) > 0 && shard_bytes(shard) + size > shard->max_bytes) {
		const struct cache_bytes *small = &shard->queues[CACHE_SMALL];

		if (small->n_bytes > shard->max_bytes / SMALL_SHARE ||
		    list_is_empty(&shard->queues[CACHE_MAIN].entries))
			shard_evict_small(shard, gone);
		else
			shard_evict_main(shard, gone);
	}
}

/* ------------------------------------------------------------ using it */

void cache_shard_add(struct cache_shard *shard, struct cache_entry *entry, struct list *gone)
{
	struct cache_entry *before = cache_shard_find(shard, entry->hash, entry->key);
	enum cache_queue queue = CACHE_SMALL;

	if (before == entry)
		return;
	if (before) {
		queue = (enum cache_queue)before->queue;
		atomic_store_explicit(&entry->visits,
				      atomic_load_explicit(&before->visits, memory_order_relaxed),
				      memory_order_relaxed);
		cache_shard_drop(shard, before, gone);
	} else if (shard_remembers(shard, entry)) {
		queue = CACHE_MAIN;
	}
	if (entry->charged > shard->max_bytes / 2)
		return;
	shard_make_room(shard, entry->charged, gone);
	if (shard->n_entries >= shard->n_buckets)
		shard_grow(shard);
	if (!shard->n_buckets)
		return;
	cache_entry_ref(entry);
	*shard_slot(shard, entry->hash, entry->key) = entry;
	shard->n_entries++;
	shard_enqueue(shard, entry, queue);
}

struct cache_entry *cache_store_find(struct cache_store *store, struct str key)
{
	uint64_t hash = str_hash(key);
	struct cache_shard *shard = cache_store_shard(store, hash);
	struct cache_entry *entry;
	unsigned char visits;

	lock_acquire(&shard->lock);
	entry = cache_shard_find(shard, hash, key);
	if (entry)
		cache_entry_ref(entry);
	lock_release(&shard->lock);
	if (!entry)
		return NULL;
	visits = atomic_load_explicit(&entry->visits, memory_order_relaxed);
	if (visits < 3) /* one that is lost now and then is no harm */
		atomic_store_explicit(&entry->visits, (unsigned char)(visits + 1),
				      memory_order_relaxed);
	return entry;
}

void cache_store_add(struct cache_store *store, struct cache_entry *entry)
{
	struct list gone = LIST_INIT(gone);
	struct cache_shard *shard;

	entry->hash = str_hash(entry->key);
	shard = cache_store_shard(store, entry->hash);
	lock_acquire(&shard->lock);
	cache_shard_add(shard, entry, &gone);
	lock_release(&shard->lock);
	cache_let_go(&gone);
}

size_t cache_store_remove(struct cache_store *store, struct str key)
{
	uint64_t hash = str_hash(key);
	struct cache_shard *shard = cache_store_shard(store, hash);
	struct list gone = LIST_INIT(gone);
	struct cache_entry *entry;

	lock_acquire(&shard->lock);
	entry = cache_shard_find(shard, hash, key);
	if (entry)
		cache_shard_drop(shard, entry, &gone);
	cache_shard_spoil(shard, key, false);
	lock_release(&shard->lock);
	cache_let_go(&gone);
	return entry != NULL;
}

static size_t shard_remove_prefix(struct cache_shard *shard, struct str prefix, struct list *gone)
	HOLDS(shard->lock)
{
	size_t n_removed = 0;
	struct cache_entry *entry;

	for (int queue = CACHE_SMALL; queue <= CACHE_MAIN; queue++)
		list_each(entry, &shard->queues[queue].entries, struct cache_entry, link) {
			if (!str_starts_with(entry->key, prefix))
				continue;
			cache_shard_drop(shard, entry, gone);
			n_removed++;
		}
	cache_shard_spoil(shard, prefix, true);
	return n_removed;
}

size_t cache_store_remove_prefix(struct cache_store *store, struct str prefix)
{
	struct list gone = LIST_INIT(gone);
	size_t n_removed = 0;

	for (size_t i = 0; i < store->n_shards; i++) {
		lock_acquire(&store->shards[i].lock);
		n_removed += shard_remove_prefix(&store->shards[i], prefix, &gone);
		lock_release(&store->shards[i].lock);
		cache_let_go(&gone);
	}
	return n_removed;
}

void cache_store_stats(struct cache_store *store, struct cache_store_stats *ret_stats)
{
	*ret_stats = (struct cache_store_stats){ 0 };
	for (size_t i = 0; i < store->n_shards; i++) {
		struct cache_shard *shard = &store->shards[i];

		lock_acquire(&shard->lock);
		ret_stats->n_entries += shard->n_entries;
		ret_stats->n_bytes += shard_bytes(shard);
		ret_stats->n_evicted += shard->n_evicted;
		ret_stats->n_fills += shard->n_fills;
		ret_stats->n_waiting += shard->n_waiting;
		lock_release(&shard->lock);
	}
}

void cache_store_destroy(struct cache_store *store)
{
	if (!store)
		return;
	cache_store_remove_prefix(store, STR(""));
	for (size_t i = 0; i < store->n_shards; i++) {
		struct cache_shard *shard = &store->shards[i];

		check_that(shard->n_fills == 0, "n_fills=%zu", shard->n_fills);
		free(shard->buckets);
		free(shard->ghosts);
		lock_fini(&shard->lock);
	}
	free(store->shards);
	free(store);
}
