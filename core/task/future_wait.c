/* core/task/future_wait.c */
#include "core/task/future_wait.h"
#include <errno.h>

static enum outcome future_wait_outcome(const struct future *future)
{
	switch (future_state(future)) {
	case FUTURE_READY:
		return OUTCOME_OK;
	case FUTURE_FAILED:
		return future_error(future) == -ETIMEDOUT ? OUTCOME_TIMED_OUT : OUTCOME_FAILED;
	case FUTURE_DISCARDED:
		return OUTCOME_CANCELLED;
	case FUTURE_PENDING:
		break;
	}
	unreachable();
}

static void future_wait_on_any(struct future_watch *watch, struct future *future)
{
	struct future_wait *wait = container_of(watch, struct future_wait, watch);

	task_end(&wait->task, future_wait_outcome(future));
}

static void future_wait_start(struct task *task)
{
	struct future_wait *wait = future_wait_from(task);

	future_on_any(wait->future, &wait->watch, future_wait_on_any);
}

/* The watch hears of it. */
static void future_wait_cancel(struct task *task)
{
	future_discard(future_wait_from(task)->future);
}

static const struct task_ops future_wait_ops = { "future", future_wait_start, future_wait_cancel };

void future_wait_init(struct future_wait *wait, struct future *future, task_fn *on_end)
{
	task_init(&wait->task, &future_wait_ops, on_end);
	wait->future = future;
}
