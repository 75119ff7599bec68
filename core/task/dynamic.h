/* core/task/dynamic.h: a task that is made when its turn comes; Workflow's dynamic task.
 *
 * Promises
 *   - make() is called once, when the dynamic task is started (never when it is cancelled before that). It returns an
 *     IDLE task, which is then started; the dynamic task ends when that has, and with its outcome.
 *   - When make() returns NULL there is nothing that could be done: OUTCOME_FAILED.
 *
 * The task that was made belongs to whoever made it: its on_end is called before the dynamic
 * task's, and may free it. Outcomes, cancelling, ownership and thread: core/task/composite.h. */
#pragma once
#include "core/task/composite.h"

struct dynamic;
typedef struct task *dynamic_make_fn(struct dynamic *dynamic);

struct dynamic {
	struct composite base;
	dynamic_make_fn *make;
};

void dynamic_init(struct dynamic *dynamic, dynamic_make_fn *make, task_fn *on_end);

static inline void dynamic_start(struct dynamic *dynamic, struct scope *scope)
{
	task_start(&dynamic->base.task, scope);
}

/* The dynamic whose on_end is called with this task. */
static inline struct dynamic *dynamic_from(struct task *task)
{
	return container_of(task, struct dynamic, base.task);
}
