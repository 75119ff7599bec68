/* core/task/future.h: a value that is not there yet; libprocess' Future and Promise.
 *
 *   PENDING --> READY       promise_set(), with a value
 *           --> FAILED      promise_fail(), with a negative errno; -EPIPE when the promise was dropped
 *           --> DISCARDED   future_discard() by who waits, or promise_discard() by who produces
 *
 * Threads. A future belongs to one loop: everything named future_* is for that loop's thread,
 * and what it calls is called there, from the loop, with an empty stack below it. A promise
 * belongs to nobody: it may be moved and completed by any thread, once. Loops outlive the
 * futures of theirs, and the producers that listen on them.
 *
 * Promises
 *   - A future never stays pending because of its producer: whoever ends a promise's life calls promise_drop().
 *   - Each callback is called at most once; for a future that has ended before it was asked, from the loop as well.
 *   - future_discard() ends the future at once, all it was made from (then, collect, …), and tells the producers at the
 *     far end. When it has returned, none of the functions of that chain is called any more; what a producer
 *     sets all the same is freed.
 *   - Chains, forests and lists of any size need no stack, neither to complete, nor to discard, nor to free.
 *
 * Ownership. A future is one block, counted: promise_init() and what makes a future of others
 * return a handle, which future_unref() gives back. Letting go does not discard. What makes a
 * future of others takes their handles. The value belongs to the future, and is freed by
 * free_value() (NULL: not at all) on the future's loop, when the last handle of all that share
 * it is gone. future_value() lends it; future_take() gives it away.
 *
 * Memory: a block a future, one more a then, recover, after, collect, await, forward while it
 * waits (core/base/memory.h: never fails). */
#pragma once
#include "core/io/loop.h"

struct future;
struct promise;
struct future_watch;
typedef void future_free_fn(void *value);
typedef void future_watch_fn(struct future_watch *watch, struct future *future);
typedef void future_fn(struct future *from, struct promise *to, void *arg);
typedef void promise_fn(struct promise *promise);

enum future_state {
	FUTURE_PENDING,
	FUTURE_READY,
	FUTURE_FAILED,
	FUTURE_DISCARDED,
};

size_t future_size(void); /* bytes of one, for those who count */

/* ------------------------------------------------------------ the producer's side */

struct promise {
	struct future *future; /* NULL: empty, because it was completed, moved or dropped */
};

/* Fills the promise, and returns the future of that loop. Any thread. */
struct future *promise_init(struct promise *promise, struct loop *loop);

/* These complete the future and empty the promise. One thread at a time, any thread. */
void promise_set(struct promise *promise, void *value, future_free_fn *free_value);
void promise_fail(struct promise *promise, int error);
void promise_discard(struct promise *promise);
void promise_drop(struct promise *promise); /* fails with -EPIPE; no effect on an empty one */

/* `to` is what `from` was; `from` is empty. */
void promise_move(struct promise *to, struct promise *from);

/* True when its future was discarded: nobody waits for the value. The promise is not empty. Any
 * thread. */
bool promise_is_discarded(const struct promise *promise);

/* on_discard(promise) is called once, on `loop`, when the future is discarded, unless the
 * promise is empty by then. Called on that loop's thread; from now on the promise is completed
 * and moved on that thread only. */
void promise_on_discard(struct promise *promise, struct loop *loop, promise_fn *on_discard);

/* ------------------------------------------------------------ the consumer's side */

struct future *future_ref(struct future *future);
void future_unref(struct future *future); /* NULL is accepted */

enum future_state future_state(const struct future *future);
void *future_value(const struct future *future); /* NULL unless READY */
int future_error(const struct future *future);   /* 0 unless FAILED; -ECANCELED when DISCARDED */

/* The value of a READY future is the caller's, who knows how to free it; others see NULL. */
void *future_take(struct future *future);

void future_discard(struct future *future); /* no effect on one that has ended */

/* on_any: calls fn when the future has ended, however. The watch is the caller's memory, until
 * it was called or future_unwatch()ed; until then it cannot be used again. It holds no handle:
 * keep one as long as you watch. */
struct future_watch {
	struct list link;
	future_watch_fn *fn;
};
void future_on_any(struct future *future, struct future_watch *watch, future_watch_fn *fn);
void future_unwatch(struct future_watch *watch); /* no effect when it is not watching */

/* ------------------------------------------------------------ futures of futures: the handles
 * of `from` are taken */

/* When `from` is READY: fn(from, to, arg), which completes `to`, or moves it away to complete it
 * later. What it leaves in `to` is dropped. When `from` ends otherwise, so does the result. */
struct future *future_then(struct future *from, future_fn *fn, void *arg);

/* The same when `from` is FAILED or DISCARDED; when it is READY, so is the result, with the same
 * value. */
struct future *future_recover(struct future *from, future_fn *fn, void *arg);

/* Ends as `from` does; fails with -ETIMEDOUT when that takes longer, and discards it. */
struct future *future_after(struct future *from, uint64_t timeout_ms);

/* READY when all are; the first that ends otherwise ends it so, and the others are discarded.
 * The futures are of that loop, the array is only read. */
struct future *future_collect(struct loop *loop, struct future *const futures[], size_t n);

/* READY when all have ended, whatever they are. */
struct future *future_await(struct loop *loop, struct future *const futures[], size_t n);

/* The value of a future_collect() or future_await(): its n-th future, as it was given. Lent. */
struct future *future_nth(const struct future *list, size_t n);

/* Takes the promise, too: its future, of the same loop, ends as `from` does; discarding it
 * discards `from`. */
void future_forward(struct future *from, struct promise *to);
