/* core/task/parallel.h: tasks beside each other; Workflow's parallel, with a policy, a limit and
 * a fate.
 *
 * Promises
 *   - Children start in the order in which they were added, at most `max` at once (0: no limit).
 *   - It is decided by its policy at the first moment at which it can be:
 *       ALL     OK when every child has ended OK; the first that does not gives its outcome
 *       ANY     OK with the first child that ends OK; when none does, the outcome of the first
 *       QUORUM  OK when `quorum` children have ended OK; when so many cannot any more, the outcome of the first that
 *               did not end OK
 *     More than there are can never be reached: FAILED at once. None of none is OK, one of none is not.
 *   - When it is decided, the rest (what runs and what waits) is cancelled: that is PARALLEL_CANCEL_REST; or runs to
 *     its end as if nothing had happened: PARALLEL_FINISH_REST. Either way it ends after its last child, with the
 *     outcome that was decided; cancelling it after that cancels the rest and changes no outcome.
 *
 * task.index of a child counts from 0 in the order of adding. Outcomes, cancelling, ownership
 * and thread: core/task/composite.h. */
#pragma once
#include "core/task/composite.h"

enum parallel_policy {
	PARALLEL_ALL,
	PARALLEL_ANY,
	PARALLEL_QUORUM,
};

enum parallel_rest {
	PARALLEL_CANCEL_REST,
	PARALLEL_FINISH_REST,
};

struct parallel {
	struct composite base;
	struct list waiting; /* children that have not started; of task.link */
	uint32_t n_total;
	uint32_t max;          /* children at once, 0: no limit */
	uint32_t quorum;       /* for PARALLEL_QUORUM */
	uint8_t policy;        /* enum parallel_policy; ALL unless set */
	uint8_t rest;          /* enum parallel_rest; CANCEL_REST unless set */
	uint8_t first_failure; /* enum outcome */
};

/* max, quorum, policy and rest are set afterwards, before the start. */
void parallel_init(struct parallel *parallel, task_fn *on_end);

/* The task is IDLE, and so is the parallel. */
void parallel_add(struct parallel *parallel, struct task *child);

static inline void parallel_start(struct parallel *parallel, struct scope *scope)
{
	task_start(&parallel->base.task, scope);
}

/* The parallel whose on_end is called with this task. */
static inline struct parallel *parallel_from(struct task *task)
{
	return container_of(task, struct parallel, base.task);
}

/* The parallel that a child runs in. */
static inline struct parallel *parallel_of(const struct task *child)
{
	return container_of(composite_of(child), struct parallel, base);
}
