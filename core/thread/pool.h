/* core/thread/pool.h: threads that run work which uses the CPU or blocks.
 *
 * Work is embedded in its owner, so that submitting it cannot fail. Work that may outlive the
 * task that asked for it is a block of its own (DECISIONS 4; core/task/compute.h): the owner is
 * then the block.
 *
 * Work waits in queues with names. The threads serve the queues in turn: from each as many works
 * as its weight says, then the next one's, so that a queue with much to do does not keep the
 * others waiting longer than one round; a queue that has as many running as it may is passed
 * over. Within a queue, first come, first served. */
#pragma once
#include "core/base/list.h"
#include "core/base/str.h"

struct pool;
struct pool_queue;
struct work;
typedef void work_fn(struct work *work);

struct work {
	work_fn *run; /* on a thread of the pool; may free the work, and submit more */
	/* the rest is the pool's */
	struct list link;
	struct pool_queue *queue;
	uint64_t submitted_ns;
	bool waiting;
};

/* Starts the threads. `name` is shown by ps and perf (at most 15 bytes). 0 or a negative errno. */
int pool_create(struct pool **ret_pool, const char *name, unsigned n_threads);

/* Waits until nothing is queued or runs: then no thread of the pool is in anything that a work has called, such
 * as a loop_post(). Not from a thread of the pool. */
void pool_settle(struct pool *pool);

/* Runs what is queued, then ends the threads. NULL is accepted. Not from a thread of the pool.
 * Queues that are still open are closed. */
void pool_destroy(struct pool *pool);

/* Into the default queue, which has weight 1 and no limits. Any thread. */
void pool_submit(struct pool *pool, struct work *work);

/* Takes back work that waits: true, and it will not run. False when it runs, ran, or has been
 * taken to be run; it must still exist. Any thread. */
bool pool_take_back(struct pool *pool, struct work *work);

size_t pool_n_waiting(struct pool *pool); /* in all queues */
unsigned pool_n_threads(const struct pool *pool);

/* ------------------------------------------------------------ named queues */

struct pool_limits {
	unsigned weight;      /* works in a row when it is its turn; 0 is 1 */
	unsigned running_max; /* at once; 0: no limit but the threads */
	size_t waiting_max;   /* 0: no limit */
};

/* The queue of that name, made when there is none; its limits are these from now on. Open once
 * more for each pool_queue_open(); an empty name is the default queue, whose waiting has no
 * limit. Any thread. */
struct pool_queue *pool_queue_open(struct pool *pool, struct str name,
				   const struct pool_limits *limits);

/* The last one who closes it drops it, when what waits in it has run. NULL is accepted. */
void pool_queue_close(struct pool_queue *queue);

/* 0, or -EAGAIN when as many wait as may: then the work is not taken. Any thread. */
int pool_queue_submit(struct pool_queue *queue, struct work *work);

struct pool *pool_queue_pool(const struct pool_queue *queue);
unsigned pool_queue_running_max(
	struct pool_queue *queue); /* 0: no limit but the threads; any thread */
struct str pool_queue_name(const struct pool_queue *queue);

struct pool_stats {
	size_t n_waiting;
	unsigned n_running;
	uint64_t n_done, n_refused;
	uint64_t waited_ns; /* together, of all that were begun */
	uint64_t waited_max_ns;
	uint64_t ran_ns; /* together, of all that are done */
};
void pool_queue_stats(struct pool_queue *queue, struct pool_stats *ret_stats); /* any thread */

/* ------------------------------------------------------------ work that nobody waits for any
 * more */

/* Counts the threads that run work whose task has gone: +1 when it goes, -1 when the work is
 * over. Any thread. */
void pool_count_disowned(struct pool *pool, int change);

/* True when they are half of all threads: new work should be refused. */
bool pool_is_stuck(struct pool *pool);
