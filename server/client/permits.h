/* server/client/permits.h: how many of something (connections of an upstream) all loops together
 * may have, and who waits for one. Knows no protocol.
 *
 * A permit is taken before a connection is opened, stays with it while it is idle, and is given
 * back when it is closed. When there is none, a caller waits in one queue for all loops: the
 * permit that is given back next goes to the one that waits longest, by a post to its loop
 * (DECISIONS 9). Waiting blocks nobody, and no more than `waiters_max` wait.
 *
 * A loop that keeps idle connections says so by a struct permit_holder; when somebody on another
 * loop begins to wait, it is asked to close one.
 *
 * Any thread, unless said otherwise. What waits and what holds are blocks of their own, for a
 * message to their loop may be under way when they are given up. */
#pragma once
#include "core/base/list.h"
#include "core/io/loop.h"
#include "core/thread/lock.h"

struct permits;
struct permit_wait;
struct permit_holder;

/* On the waiting loop, from its posts: a permit is the caller's, and the wait is gone. */
typedef void permit_fn(struct permit_wait *wait, void *user);

/* On the holder's loop, from its posts: somebody waits elsewhere; close what is idle. */
typedef void permit_wanted_fn(void *user);

struct permits *permits_create(void); /* without bounds; counted: what waits and holds counts too */
struct permits *permits_ref(struct permits *permits);
void permits_unref(struct permits *permits); /* NULL is accepted */

/* `max` of 0 is no bound. When there are more now, those who wait get theirs. */
void permits_set(struct permits *permits, unsigned max, unsigned waiters_max);

/* False: there is none, or others wait for one. Gives back what was taken, to whoever waits. */
bool permits_take(struct permits *permits);
void permits_give(struct permits *permits);

/* Whether somebody waits; a look without a lock. */
bool permits_are_wanted(const struct permits *permits);

/* Waits on `loop`, the current one. NULL: too many do, or there is no memory. */
struct permit_wait *permits_wait(struct permits *permits, struct loop *loop, permit_fn *on_permit,
				 void *user);

/* On its loop: on_permit will not be called; a permit that is under way is given back. */
void permit_wait_cancel(struct permit_wait *wait);

/* On `loop`, which has an idle connection to hand over instead of a permit: its waiter that waits
 * longest, taken out of the queue as by cancel, and returns its `user`; NULL when none of this loop's
 * does, or another loop's has waited much longer (PERMITS_TURN_MS): then the connection is to be
 * closed, so that its permit goes there. */
void *permits_pass(struct permits *permits, struct loop *loop, uint64_t now_ns);

enum { PERMITS_TURN_MS = 5 };

/* On its loop. */
struct permit_holder *permit_holder_create(struct permits *permits, struct loop *loop,
					   permit_wanted_fn *on_wanted, void *user);

/* `n_idle` is how many it could close. True: somebody waits already, and may not have seen
 * them. */
bool permit_holder_set(struct permit_holder *holder, unsigned n_idle);
void permit_holder_destroy(struct permit_holder *holder); /* NULL is accepted */

struct permits_stats {
	unsigned max, n_taken, n_waiting;
	uint64_t n_refused; /* because too many waited */
};
void permits_stats(struct permits *permits, struct permits_stats *ret_stats);
