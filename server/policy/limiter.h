/* server/policy/limiter.h: at most so many at once, for all loops; the rest waits in a queue, in
 * the order in which it came, or is turned away. By key: each key has places and a queue of its
 * own, and costs memory only while one of its places is taken.
 *
 *   IDLE --> limiter_take() --> HOLDS --------------------------------> limiter_release() --> IDLE
 *                 \--> WAITS --> GRANTED --> limiter_accept() --> HOLDS
 *                         \--> limiter_withdraw() --> IDLE
 *
 * A place that is given back goes to the first who waits, without being free in between. */
#pragma once
#include "core/base/list.h"
#include "core/base/str.h"
#include <stdint.h>

struct limiter;
struct limiter_place;

/* A place was granted to one who waits. On the thread that gave it back, without a lock: for
 * posting to the loop of the one who waits, which must stay until that has arrived. */
typedef void limiter_fn(struct limiter_place *place);

enum limiter_state { LIMITER_IDLE, LIMITER_WAITS, LIMITER_GRANTED, LIMITER_HOLDS };

/* Embedded in what wants a place. */
struct limiter_place {
	struct list link;
	struct limiter *limiter;
	struct limiter_key *key;
	limiter_fn *on_grant;
	enum limiter_state state; /* WAITS and GRANTED: guarded by the limiter's lock */
};

enum limiter_answer {
	LIMITER_TAKEN,
	LIMITER_QUEUED, /* on_grant() will be called, unless it is withdrawn */
	LIMITER_FULL,
	LIMITER_NO_MEMORY,
};

struct limiter *limiter_create(uint32_t n_places, uint32_t n_waiting); /* for each key */
struct limiter *limiter_ref(struct limiter *limiter);
void limiter_unref(struct limiter *limiter); /* NULL is accepted; nobody holds or waits by it */

/* ---- any thread; those of one place by one thread */

enum limiter_answer limiter_take(struct limiter *limiter, struct str key,
				 struct limiter_place *place, limiter_fn *on_grant);
void limiter_accept(struct limiter_place *place);

/* No longer waits. False: it was granted a place before; on_grant() was or will be called. */
bool limiter_withdraw(struct limiter_place *place);
void limiter_release(struct limiter_place *place);

struct limiter_stats {
	size_t n_keys, n_held, n_waiting;
};
void limiter_stats(struct limiter *limiter, struct limiter_stats *ret_stats);
