/* core/task/future_wait.h: a task that waits for a future.
 *
 * It ends when the future has: READY is OUTCOME_OK, FAILED is OUTCOME_FAILED (with -ETIMEDOUT
 * OUTCOME_TIMED_OUT), DISCARDED is OUTCOME_CANCELLED. Cancelling the task discards the future,
 * and so reaches its producer.
 *
 * The future is of the scope's loop; it is borrowed: its handle is the owner's, who keeps it
 * until on_end, and gives it back whatever the outcome. Embedded in its owner; that loop's
 * thread. */
#pragma once
#include "core/task/future.h"
#include "core/task/task.h"

struct future_wait {
	struct task task;
	struct future *future;
	struct future_watch watch;
};

void future_wait_init(struct future_wait *wait, struct future *future, task_fn *on_end);

static inline struct future_wait *future_wait_from(struct task *task)
{
	return container_of(task, struct future_wait, task);
}
