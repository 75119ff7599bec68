/* core/task/hold.h: a task that runs while a lock or a permit is held.
 *
 *   WAITS --(granted)--> RUNS --(the body and all it started has ended)--> released, ended
 *     \--(full, expired, cancelled)--> ended, the body was never started
 *
 * The body runs in a scope of the hold's own: what its on_end starts there is held for, too. The
 * release comes before the hold's own end, however the body ends; the outcome is then the
 * body's. Holds nest: a body may be a hold. */
#pragma once
#include "core/task/resource.h"

struct hold_task {
	struct task task;
	struct wait_task
		wait; /* made by acquire_init() or guard_init() and the like, with on_end NULL, by the owner */
	struct scope scope; /* the body's */
	struct ready ready; /* a cancel is still to reach the scope: nesting is no depth of calls */
	struct task *body;  /* IDLE, made by task_init(); it must stay until the hold has ended */
};

/* After hold->wait has been made. */
void hold_init(struct hold_task *hold, struct task *body, task_fn *on_end);

/* Why the body was not run; REASON_NONE when it was. */
enum reason hold_reason(const struct hold_task *hold);
