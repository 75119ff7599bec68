/* core/task/home.h: named things that can be waited for, each on one loop.
 *
 * Each name of a kind (a condition, a lock, a pool of permits, a message queue, an alarm) has
 * one home among the loops, chosen by a hash of the name. On its home a thing is used by plain
 * calls; from another loop by message:
 *
 *   asker                                     home
 *     ASK      ------------------------------->   it waits there, or is answered at once
 *              <-------------------------------  ANSWER   once, whatever happened meanwhile
 *     WITHDRAW ------------------------------->   the asker has gone: what waits is dropped, what was answered is ignored
 *     RETURN   ------------------------------->   a hold is over, or the answer came too late: it is given back
 *
 * What travels is one block, which was made by the asker and belongs to whoever had the last
 * message. A task that is cancelled, or whose wait expired, sends WITHDRAW and ends at once; a
 * grant that comes late is returned in the same turn.
 *
 * A thing exists while somebody waits for it, holds it, or has left something in it; a name
 * costs nothing otherwise.
 *
 * The tasks of every kind are one struct: struct wait_task. It is made by await_init(),
 * signal_init() (condition.h), acquire_init(), guard_init() (resource.h), enqueue_init(),
 * dequeue_init() (message_queue.h), and then used like any task:
 *
 * 	await_init(&wait, homes, name, &(struct await){ .count = 3, .wait_ms = 20000 }, on_end);
 * 	task_start(&wait.task, scope);
 * 	… on_end: task->outcome, wait_reason(&wait), and the kind's results; then the kind's fini or release, once.
 *
 * The name must stay until the task is started, not longer. */
#pragma once
#include "core/base/blob.h"
#include "core/task/reason.h"

struct homes;

enum {
	HOME_NAME_MAX = 4096, /* bytes of a name; a longer one fails with REASON_TOO_LARGE */
};

#define WAIT_FOREVER UINT64_MAX

/* `loops` are those that threads run, or will run; the array is copied. Before they run. */
struct homes *homes_create(struct loop *const loops[], size_t n_loops);

/* After the threads of the loops have ended, with the loops still there: turns them until no
 * message is under way. Nothing may wait or be held by a task any more. What was left in things
 * stays. */
void homes_settle(struct homes *homes);

/* Frees what was left in things. Before the loops are destroyed; after homes_settle(). NULL is
 * accepted. */
void homes_destroy(struct homes *homes);

/* How many bytes all values together may take that signals left or that wait for others (64
 * MiB). Any thread. */
void homes_set_kept_max(struct homes *homes, size_t max_bytes);

struct homes_stats {
	size_t n_things;   /* names in use */
	size_t n_messages; /* blocks under way, waiting or holding for another loop */
	size_t kept_bytes; /* values that signals left or that wait for others */
};
void homes_stats(struct homes *homes, struct homes_stats *ret_stats); /* any thread */

/* How a message queue or a pool of that name stands, which is watched: all 0 when nothing is in it. Any
 * thread. */
struct home_figures {
	size_t n_left, n_bytes; /* messages that lie in a queue */
	size_t n_held;          /* permits of a pool */
	size_t n_waiting;       /* for a message, or for a permit */
	size_t n_waiting_room;  /* for room in a queue */
};
enum home_figured { HOME_FIGURES_QUEUE, HOME_FIGURES_POOL, N_HOME_FIGURED };
/* Before it is first used; it is watched from then on. Any thread. */
void homes_watch(struct homes *homes, enum home_figured kind, struct str name);
void homes_figures(struct homes *homes, enum home_figured kind, struct str name,
		   struct home_figures *ret_figures);

/* ------------------------------------------------------------ the task */

struct ask_block;
struct thing;
struct thing_ops;
struct ask;
typedef void ask_fn(struct ask *ask);

/* A value on its way, or left somewhere. */
struct parcel {
	struct list link;
	struct blob *blob;      /* may be NULL: empty */
	uint64_t keep_until_ns; /* how long it may lie when nobody wants it */
	uint64_t seq;           /* in a message queue: its place */
	bool sole;              /* it came for one: if that one goes, another gets it */
};

/* What is asked of a thing, at its home. The fields are for the kinds; see core/task/ask.h. */
struct ask {
	struct list link; /* the thing's, while it waits there */
	struct thing *
		thing; /* the name's, from the ask until it is answered, or returned for a hold; NULL for an unnamed one */
	ask_fn *on_answer;
	struct list parcels; /* of struct parcel.link: what is brought, gathered, and taken home */
	uint64_t n;          /* values, wakes, permits: as the kind says */
	uint64_t n_wait_max; /* how many may wait at once; 0: none */
	uint64_t max_bytes;
	uint64_t keep_ms;
	uint32_t n_parcels;
	uint32_t slot;  /* the number of the permit */
	uint8_t op;     /* the kind's */
	uint8_t policy; /* the kind's */
	uint8_t reason; /* enum reason, when answered */
	bool no_wait;   /* what cannot be had at once expires */
	bool waiting;
};

struct wait_task {
	struct task task;
	/* the rest is for the kinds */
	const struct thing_ops *ops;
	struct homes *homes; /* NULL: `unnamed` */
	void *unnamed;       /* the embedded thing */
	struct str name;
	uint64_t wait_ms;
	struct timer limit;
	struct ask ask;
	struct ask_block
		*block; /* its like at another loop: while it waits there, and while it is a hold */
	task_fn *on_end; /* the owner's, where the kind's own comes first */
	uint8_t reason;  /* enum reason */
	bool holds;      /* it is at its home, and must be returned */
};

/* Why it ended; REASON_NONE when it got what it wanted, and before its end. */
static inline enum reason wait_reason(const struct wait_task *wait)
{
	return wait->task.outcome == OUTCOME_CANCELLED ? REASON_CANCELLED
						       : (enum reason)wait->reason;
}

/* For every kind: releases what the task holds, and drops the values and messages it has. When
 * it is IDLE or its outcome is decided; harmless when there is nothing. What is named after a
 * kind (await_fini…) is the same. */
void wait_fini(struct wait_task *wait);
