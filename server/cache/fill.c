/* server/cache/fill.c: what is being made, and who waits for it.
 *
 *   cache_fill_begin() --> LEADS --> cache_fill_end() --------> a message to each who waits
 *                     \--> WAITS ----^          \--> on_end(), on the loop of each
 *                            \--> cache_wait_leave()
 *
 * A block of one who waits is the fill's list's until it is posted, its loop's from then on. */
#include "core/base/map.h"
#include "server/cache/store_private.h"
#include <stdlib.h>

struct cache_fill {
	struct list link; /* in its shard's list */
	struct cache_store *store;
	uint64_t hash;
	struct list waiting; /* of struct cache_wait */
	size_t n_waiting;
	bool spoiled; /* what comes is older than a purge */
	struct str key;
	char bytes[];
};

struct str cache_fill_key(const struct cache_fill *fill)
{
	return fill->key;
}

static struct list *shard_fills(struct cache_shard *shard, uint64_t hash)
{
	return &shard->fills[(hash >> 32) % CACHE_FILL_LISTS];
}

static struct cache_fill *shard_find_fill(struct cache_shard *shard, uint64_t hash, struct str key)
	HOLDS(shard->lock)
{
	struct cache_fill *fill;

	list_each(fill, shard_fills(shard, hash), struct cache_fill, link)
		if (fill->hash == hash && !fill->spoiled && str_eq(fill->key, key))
			return fill;
	return NULL;
}

void cache_shard_spoil(struct cache_shard *shard, struct str key, bool prefix)
{
	struct cache_fill *fill;

	for (size_t i = 0; i < CACHE_FILL_LISTS; i++)
		list_each(fill, &shard->fills[i], struct cache_fill, link)
			if (prefix ? str_starts_with(fill->key, key) : str_eq(fill->key, key))
				fill->spoiled = true;
}

static struct cache_fill *fill_create(struct cache_store *store, uint64_t hash, struct str key)
{
	struct cache_fill *fill = malloc(sizeof(*fill) + key.len);

	if (!fill)
		return NULL;
	*fill = (struct cache_fill){ .store = store,
				     .hash = hash,
				     .key = { fill->bytes, key.len } };
	list_init(&fill->link);
	list_init(&fill->waiting);
	if (key.len)
		memcpy(fill->bytes, key.ptr, key.len);
	return fill;
}

static struct cache_wait *wait_create(struct cache_store *store, uint64_t hash,
				      const struct cache_ask *ask)
{
	struct cache_wait *wait = malloc(sizeof(*wait));

	if (!wait)
		return NULL;
	*wait = (struct cache_wait){ .loop = ask->loop,
				     .store = store,
				     .hash = hash,
				     .on_end = ask->on_end,
				     .owner = ask->owner };
	list_init(&wait->link);
	return wait;
}

/* ------------------------------------------------------------ beginning */

static void shard_wait(struct cache_shard *shard, struct cache_fill *fill, struct cache_wait *wait)
	HOLDS(shard->lock)
{
	wait->fill = fill;
	list_add(&fill->waiting, &wait->link);
	fill->n_waiting++;
	shard->n_waiting++;
}

/* `fill` and `wait` were made for it, and are NULL where there was no memory; those that are not
 * used stay with the caller. */
static enum cache_begin shard_begin(struct cache_shard *shard, const struct cache_ask *ask,
				    struct cache_fill *fill, struct cache_wait *wait)
	HOLDS(shard->lock)
{
	uint64_t hash = fill->hash;
	struct cache_fill *other = shard_find_fill(shard, hash, ask->key);

	if (cache_shard_find(shard, hash, ask->key) != ask->seen)
		return CACHE_CHANGED;
	if (other && !ask->on_end)
		return CACHE_BUSY;
	if (other && (!wait || other->n_waiting >= CACHE_WAITING_MAX))
		return CACHE_FULL;
	if (other) {
		shard_wait(shard, other, wait);
		return CACHE_WAITS;
	}
	list_add(shard_fills(shard, hash), &fill->link);
	shard->n_fills++;
	if (wait && ask->leader_waits)
		shard_wait(shard, fill, wait);
	return CACHE_LEADS;
}

enum cache_begin cache_fill_begin(struct cache_store *store, const struct cache_ask *ask,
				  struct cache_fill **ret_fill, struct cache_wait **ret_wait)
{
	uint64_t hash = str_hash(ask->key);
	struct cache_shard *shard = cache_store_shard(store, hash);
	struct cache_fill *fill = fill_create(store, hash, ask->key);
	struct cache_wait *wait = fill && ask->on_end ? wait_create(store, hash, ask) : NULL;
	enum cache_begin begin = CACHE_FULL;

	if (fill && (wait || !ask->on_end)) {
		lock_acquire(&shard->lock);
		begin = shard_begin(shard, ask, fill, wait);
		lock_release(&shard->lock);
	}
	if (begin == CACHE_LEADS)
		*ret_fill = fill;
	else
		free(fill);
	if (begin == CACHE_WAITS || (begin == CACHE_LEADS && ask->leader_waits))
		*ret_wait = wait;
	else
		free(wait);
	return begin;
}

/* ------------------------------------------------------------ ending */

static void wait_destroy(struct cache_wait *wait)
{
	cache_entry_unref(wait->entry);
	free(wait);
}

static void wait_on_post(struct post *post)
{
	struct cache_wait *wait = container_of(post, struct cache_wait, post);

	if (!wait->left)
		wait->on_end(wait);
	wait_destroy(wait);
}

static void wait_tell(struct cache_wait *wait, const struct cache_result *result)
{
	wait->end = result->end;
	if (result->entry)
		wait->entry = cache_entry_ref(result->entry);
	if (result->failure)
		wait->failure = *result->failure;
	wait->post.run = wait_on_post;
	loop_post(wait->loop, &wait->post);
}

void cache_fill_end(struct cache_fill *fill, const struct cache_result *result)
{
	struct cache_shard *shard = cache_store_shard(fill->store, fill->hash);
	struct list gone = LIST_INIT(gone), *link;
	struct cache_entry *other = NULL;
	struct cache_wait *wait;

	if (result->entry && !str_eq(result->entry->key, fill->key))
		other = result->entry;
	else if (result->entry)
		result->entry->hash = fill->hash;
	lock_acquire(&shard->lock);
	list_remove(&fill->link);
	shard->n_fills--;
	shard->n_waiting -= fill->n_waiting;
	if (fill->spoiled || !result->keep)
		other = NULL;
	else if (result->entry && !other)
		cache_shard_add(shard, result->entry, &gone);
	list_each(wait, &fill->waiting, struct cache_wait, link)
		wait->posted = true;
	lock_release(&shard->lock);
	cache_let_go(&gone);
	if (other)
		cache_store_add(fill->store, other);
	while ((link = list_pop(&fill->waiting)))
		wait_tell(container_of(link, struct cache_wait, link), result);
	free(fill);
}

static bool shard_leave(struct cache_shard *shard, struct cache_wait *wait) HOLDS(shard->lock)
{
	if (wait->posted)
		return false;
	wait->fill->n_waiting--;
	list_remove(&wait->link);
	shard->n_waiting--;
	return true;
}

void cache_wait_leave(struct cache_wait *wait)
{
	struct cache_shard *shard = cache_store_shard(wait->store, wait->hash);
	bool gone;

	lock_acquire(&shard->lock);
	gone = shard_leave(shard, wait);
	lock_release(&shard->lock);
	if (gone)
		wait_destroy(wait);
	else
		wait->left = true;
}
