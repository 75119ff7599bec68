/* core/thread/pool.h: threads that run work which uses the CPU or blocks.
 *
 * Work is embedded in its owner, so that submitting it cannot fail. Work that may outlive the task that
 * asked for it is a block of its own (DECISIONS 4): the owner is then the block. */
#pragma once
#include "core/thread/queue.h"

struct pool;
struct work;
typedef void work_fn(struct work *work);

struct work {
	struct queue_node node;
	work_fn *run; /* on a thread of the pool; may free the work, and submit more */
};

/* Starts the threads. `name` is shown by ps and perf (at most 15 bytes). 0 or a negative errno. */
int pool_create(struct pool **ret_pool, const char *name, unsigned n_threads);

/* Runs what is queued, then ends the threads. NULL is accepted. Not from a thread of the pool. */
void pool_destroy(struct pool *pool);

void pool_submit(struct pool *pool, struct work *work); /* any thread */

/* Takes back work that waits: true, and it will not run. False when it runs, ran, or has been taken to be run.
 * Any thread. */
bool pool_take_back(struct pool *pool, struct work *work);

size_t pool_n_waiting(struct pool *pool);
unsigned pool_n_threads(const struct pool *pool);
