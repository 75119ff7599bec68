/* core/task/compute.h: work on the pool, as a task that need not wait for it.
 *
 * 	struct offload *offload = offload_create(sizeof(struct sort), sort_run, sort_release);
 * 	struct sort *sort = offload_data(offload);         // copy the input there
 * 	compute_init(&compute, queue, offload, &(struct compute){ .run_ms = 5000 }, on_end);
 * 	task_start(&compute.task, scope);
 * 	… on_end: OUTCOME_OK: offload_data(compute.offload) has the output; then compute_fini().
 *
 * The offload is a block of its own, with all that the work reads and writes: nothing in it may
 * point into an arena, a scope or a loop. Cancelled or past its limit, the task takes it back
 * when it still waits; when it runs, the task ends at once and the worker drops the block later.
 * When such disowned work holds half of the pool's threads, new work fails with
 * REASON_UNAVAILABLE. A full queue fails it with REASON_FULL. */
#pragma once
#include "core/task/reason.h"
#include "core/thread/pool.h"

struct offload;
typedef void offload_fn(void *data);

/* `size` bytes, cleared. `run` is called on a thread of the pool; `release` (may be NULL) once,
 * before the block is freed, by whichever thread drops it: it frees what the data points at. */
struct offload *offload_create(size_t size, offload_fn *run, offload_fn *release);
void *offload_data(struct offload *offload);

/* Asked while `run` is at work, with its data: the task has gone, nobody waits for the output. Any
 * thread. */
bool offload_is_disowned(const void *data);
void offload_drop(struct offload *offload); /* one that was never started; NULL is accepted */

struct compute {
	uint64_t wait_ms; /* how long it may wait for a thread; 0: no limit */
	uint64_t run_ms;  /* how long it may run; 0: no limit. Past either: REASON_EXPIRED */
};

struct compute_task {
	struct task task;
	struct pool_queue *queue;
	struct offload *
		offload; /* after OUTCOME_OK: with the output, until compute_fini(); else NULL after its end */
	struct compute limits;
	uint64_t started_ns; /* when the task was */
	struct timer timer;
	uint8_t reason; /* enum reason */
};

/* The offload is the task's from now on. A task that is never started: compute_fini() all the
 * same. */
void compute_init(struct compute_task *compute, struct pool_queue *queue, struct offload *offload,
		  const struct compute *limits, task_fn *on_end);
void compute_fini(
	struct compute_task *compute); /* drops the output: once, when it is IDLE or has ended */

/* The work has been begun: cancelling the task would leave it behind on its thread. */
bool compute_has_begun(const struct compute_task *compute);
