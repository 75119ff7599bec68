/* server/policy/buckets.c
 *
 * Locking: each shard has a lock, which guards the shard. No lock is held across a call of others.
 *
 * A shard is sets of BUCKET_WAYS places, of which a key may take those of one set. It begins small
 * and doubles when a set is full of keys that count, up to SETS_MAX. */
#include "server/policy/buckets.h"
#include "core/base/check.h"
#include "core/base/memory.h"
#include "core/thread/lock.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUCKET_WAYS = 8,
	SHARDS = 16,
	SETS_FIRST = 2,
	SETS_MAX = BUCKETS_MAX / SHARDS / BUCKET_WAYS,
};

struct bucket {
	uint64_t hash;    /* 0: free */
	uint64_t full_ns; /* the moment at which it is full; in the past: as good as free */
};

struct shard {
	struct lock lock;
	size_t n_sets; /* a power of two */
	struct bucket *buckets;
};

struct buckets {
	atomic_uint n_refs;
	struct shard shards[SHARDS];
};

struct buckets *buckets_create(void)
{
	struct buckets *buckets = mem_zalloc(sizeof(*buckets));

	atomic_init(&buckets->n_refs, 1);
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &buckets->shards[i];

		lock_init(&shard->lock);
		shard->n_sets = SETS_FIRST;
		shard->buckets = mem_zalloc(sizeof(struct bucket) * BUCKET_WAYS * shard->n_sets);
	}
	return buckets;
}

struct buckets *buckets_ref(struct buckets *buckets)
{
	atomic_fetch_add_explicit(&buckets->n_refs, 1, memory_order_relaxed);
	return buckets;
}

void buckets_unref(struct buckets *buckets)
{
	if (!buckets || atomic_fetch_sub(&buckets->n_refs, 1) > 1)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		lock_fini(&buckets->shards[i].lock);
		free(buckets->shards[i].buckets);
	}
	free(buckets);
}

/* ------------------------------------------------------------ places */

/* The shard is chosen by the highest bits, the set by the lowest. */
static struct bucket *shard_set(const struct shard *shard, uint64_t hash)
{
	return &shard->buckets[(hash & (shard->n_sets - 1)) * BUCKET_WAYS];
}

/* The place of the key in its set, or the one that it may take. */
static struct bucket *set_find(struct bucket *set, uint64_t hash)
{
	struct bucket *fullest = &set[0];

	for (unsigned i = 0; i < BUCKET_WAYS; i++) {
		if (set[i].hash == hash)
			return &set[i];
		if (set[i].full_ns < fullest->full_ns)
			fullest = &set[i];
	}
	return fullest;
}

/* Each set becomes two. False without memory: then keys are forgotten. */
static bool shard_grow(struct shard *shard) HOLDS(shard->lock)
{
	const struct shard before = *shard;
	struct bucket *buckets;

	if (shard->n_sets == SETS_MAX)
		return false;
	buckets = calloc(shard->n_sets * 2, sizeof(*buckets) * BUCKET_WAYS);
	if (!buckets)
		return false;
	shard->buckets = buckets;
	shard->n_sets *= 2;
	for (size_t i = 0; i < before.n_sets * BUCKET_WAYS; i++)
		if (before.buckets[i].hash)
			*set_find(shard_set(shard, before.buckets[i].hash),
				  before.buckets[i].hash) = before.buckets[i];
	free(before.buckets);
	return true;
}

static struct bucket *shard_find(struct shard *shard, uint64_t hash, uint64_t now_ns)
	HOLDS(shard->lock)
{
	struct bucket *bucket = set_find(shard_set(shard, hash), hash);

	while (bucket->hash != hash && bucket->full_ns > now_ns && shard_grow(shard))
		bucket = set_find(shard_set(shard, hash), hash);
	if (bucket->hash != hash)
		*bucket = (struct bucket){ .hash = hash };
	return bucket;
}

/* ------------------------------------------------------------ tokens */

static bool bucket_take(struct bucket *bucket, const struct bucket_rate *rate, uint64_t now_ns,
			struct bucket_state *ret_state)
{
	uint64_t full_ns = MAX(bucket->full_ns, now_ns);
	uint64_t missing_ns = full_ns - now_ns, most_ns = rate->interval_ns * (rate->burst - 1);
	bool taken = missing_ns <= most_ns;

	*ret_state = (struct bucket_state){ .retry_ns = taken ? 0 : missing_ns - most_ns };
	if (taken) {
		missing_ns += rate->interval_ns;
		bucket->full_ns = full_ns + rate->interval_ns;
		ret_state->remaining =
			(rate->interval_ns * rate->burst - missing_ns) / rate->interval_ns;
	}
	ret_state->full_ns = missing_ns;
	return taken;
}

bool buckets_take(struct buckets *buckets, const struct bucket_rate *rate, uint64_t hash,
		  uint64_t now_ns, struct bucket_state *ret_state)
{
	struct shard *shard = &buckets->shards[hash >> 60];
	bool taken;

	lock_acquire(&shard->lock);
	taken = bucket_take(shard_find(shard, hash ? hash : 1, now_ns), rate, now_ns, ret_state);
	lock_release(&shard->lock);
	return taken;
}

size_t buckets_n_keys(struct buckets *buckets)
{
	size_t n_keys = 0;

	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &buckets->shards[i];

		lock_acquire(&shard->lock);
		for (size_t k = 0; k < shard->n_sets * BUCKET_WAYS; k++)
			n_keys += shard->buckets[k].hash != 0;
		lock_release(&shard->lock);
	}
	return n_keys;
}
