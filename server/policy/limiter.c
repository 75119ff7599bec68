/* server/policy/limiter.c
 *
 * Locking: limiter.lock guards everything of a limiter, and the state of a place while it waits.
 * on_grant() is called without it. */
#include "server/policy/limiter.h"
#include "core/base/map.h"
#include "core/base/memory.h"
#include "core/thread/lock.h"
#include <stdatomic.h>
#include <stdlib.h>

enum { SLOTS = 1024 };

struct limiter_key {
	struct list link; /* in its slot */
	uint64_t hash;
	uint32_t n_held; /* not 0 */
	uint32_t n_waiting;
	struct list waiting; /* of limiter_place.link */
	size_t len;
	char bytes[];
};

struct limiter {
	struct lock lock;
	atomic_uint n_refs;
	uint32_t n_places, n_waiting_max;
	struct limiter_stats stats;
	struct list slots[SLOTS]; /* of limiter_key.link */
};

struct limiter *limiter_create(uint32_t n_places, uint32_t n_waiting)
{
	struct limiter *limiter = mem_zalloc(sizeof(*limiter));

	check(n_places > 0);
	lock_init(&limiter->lock);
	atomic_init(&limiter->n_refs, 1);
	limiter->n_places = n_places;
	limiter->n_waiting_max = n_waiting;
	for (size_t i = 0; i < SLOTS; i++)
		list_init(&limiter->slots[i]);
	return limiter;
}

struct limiter *limiter_ref(struct limiter *limiter)
{
	atomic_fetch_add_explicit(&limiter->n_refs, 1, memory_order_relaxed);
	return limiter;
}

void limiter_unref(struct limiter *limiter)
{
	if (!limiter || atomic_fetch_sub(&limiter->n_refs, 1) > 1)
		return;
	check(limiter->stats.n_keys == 0);
	lock_fini(&limiter->lock);
	free(limiter);
}

/* ------------------------------------------------------------ keys */

static struct limiter_key *limiter_find(struct limiter *limiter, struct str key, uint64_t hash)
	HOLDS(limiter->lock)
{
	struct list *slot = &limiter->slots[hash % SLOTS];
	struct limiter_key *known;

	list_each(known, slot, struct limiter_key, link)
		if (known->hash == hash && str_eq((struct str){ known->bytes, known->len }, key))
			return known;
	return NULL;
}

/* Made with its first place taken; NULL without memory. */
static struct limiter_key *limiter_add(struct limiter *limiter, struct str key, uint64_t hash)
	HOLDS(limiter->lock)
{
	struct limiter_key *made = malloc(sizeof(*made) + key.len);

	if (!made)
		return NULL;
	*made = (struct limiter_key){ .hash = hash, .n_held = 1, .len = key.len };
	list_init(&made->waiting);
	if (key.len)
		memcpy(made->bytes, key.ptr, key.len);
	list_add(&limiter->slots[hash % SLOTS], &made->link);
	limiter->stats.n_keys++;
	limiter->stats.n_held++;
	return made;
}

/* ------------------------------------------------------------ places */

static enum limiter_answer limiter_take_of(struct limiter *limiter, struct limiter_key *key,
					   struct limiter_place *place) HOLDS(limiter->lock)
{
	place->key = key;
	if (key->n_held < limiter->n_places) {
		key->n_held++;
		limiter->stats.n_held++;
		place->state = LIMITER_HOLDS;
		return LIMITER_TAKEN;
	}
	if (key->n_waiting >= limiter->n_waiting_max)
		return LIMITER_FULL;
	key->n_waiting++;
	limiter->stats.n_waiting++;
	list_add(&key->waiting, &place->link);
	place->state = LIMITER_WAITS;
	return LIMITER_QUEUED;
}

enum limiter_answer limiter_take(struct limiter *limiter, struct str key,
				 struct limiter_place *place, limiter_fn *on_grant)
{
	uint64_t hash = str_hash(key);
	enum limiter_answer answer;
	struct limiter_key *known;

	*place = (struct limiter_place){ .limiter = limiter, .on_grant = on_grant };
	list_init(&place->link);
	lock_acquire(&limiter->lock);
	known = limiter_find(limiter, key, hash);
	if (known) {
		answer = limiter_take_of(limiter, known, place);
	} else {
		place->key = limiter_add(limiter, key, hash);
		place->state = place->key ? LIMITER_HOLDS : LIMITER_IDLE;
		answer = place->key ? LIMITER_TAKEN : LIMITER_NO_MEMORY;
	}
	lock_release(&limiter->lock);
	return answer;
}

/* The granter's writes are seen by way of the post that it sent. */
void limiter_accept(struct limiter_place *place)
{
	check(place->state == LIMITER_GRANTED);
	place->state = LIMITER_HOLDS;
}

bool limiter_withdraw(struct limiter_place *place)
{
	struct limiter *limiter = place->limiter;
	bool waits;

	lock_acquire(&limiter->lock);
	waits = place->state == LIMITER_WAITS;
	if (waits) {
		list_remove(&place->link);
		place->key->n_waiting--;
		limiter->stats.n_waiting--;
		place->state = LIMITER_IDLE;
	}
	lock_release(&limiter->lock);
	return waits;
}

/* The place goes to the first who waits, or is free. */
static struct limiter_place *limiter_pass_on(struct limiter *limiter, struct limiter_key *key)
	HOLDS(limiter->lock)
{
	struct list *link = list_pop(&key->waiting);
	struct limiter_place *next;

	if (link) {
		next = container_of(link, struct limiter_place, link);
		next->state = LIMITER_GRANTED;
		key->n_waiting--;
		limiter->stats.n_waiting--;
		return next;
	}
	limiter->stats.n_held--;
	if (--key->n_held == 0) {
		list_remove(&key->link);
		limiter->stats.n_keys--;
		free(key);
	}
	return NULL;
}

void limiter_release(struct limiter_place *place)
{
	struct limiter *limiter = place->limiter;
	struct limiter_place *next;

	check(place->state == LIMITER_HOLDS);
	place->state = LIMITER_IDLE;
	lock_acquire(&limiter->lock);
	next = limiter_pass_on(limiter, place->key);
	lock_release(&limiter->lock);
	if (next)
		next->on_grant(next);
}

void limiter_stats(struct limiter *limiter, struct limiter_stats *ret_stats)
{
	lock_acquire(&limiter->lock);
	*ret_stats = limiter->stats;
	lock_release(&limiter->lock);
}
