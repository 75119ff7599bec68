/* core/task/series.h: tasks one after the other; Workflow's series.
 *
 * Promises
 *   - Each step starts when the one before it has ended and that one's on_end has returned.
 *   - It may grow at either end, before the start and while it runs: push_back puts a step last, push_front next.
 *     The last step's on_end is the last occasion.
 *   - A step that does not end with OUTCOME_OK ends the series with that outcome: the steps that are left are completed,
 *     in order, with OUTCOME_CANCELLED and without their start(). With keep_going (Workflow's way) they run, the
 *     failures are counted in base.n_failed, and the series ends with OUTCOME_OK.
 *   - composite_end(&series->base, OUTCOME_OK) in a step's on_end leaves the rest out.
 *   - A million steps that end within their start() need no stack.
 *
 * A series without steps ends with OUTCOME_OK. Outcomes, cancelling, ownership and thread:
 * core/task/composite.h. */
#pragma once
#include "core/task/composite.h"

struct series {
	struct composite base;
	struct list steps;  /* that have not started; of task.link */
	uint32_t n_started; /* steps; a step's task.index counts them from 0 */
	bool keep_going;
};

void series_init(struct series *series, task_fn *on_end);

/* The task is IDLE, and the series IDLE or STARTED. */
void series_push_back(struct series *series, struct task *step);
void series_push_front(struct series *series, struct task *step);

static inline void series_start(struct series *series, struct scope *scope)
{
	task_start(&series->base.task, scope);
}

/* The series whose on_end is called with this task. */
static inline struct series *series_from(struct task *task)
{
	return container_of(task, struct series, base.task);
}

/* The series that a step runs in. */
static inline struct series *series_of(const struct task *step)
{
	return container_of(composite_of(step), struct series, base);
}
