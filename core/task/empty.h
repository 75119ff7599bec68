/* core/task/empty.h: a task that does nothing, and ends with OUTCOME_OK; Workflow's empty task.
 *
 * For where a task is asked for and nothing is to be done: a branch of a choice, a place where
 * edges of a graph meet. Embedded in its owner; its on_end is called from the loop, as every
 * task's. */
#pragma once
#include "core/task/task.h"

void empty_init(struct task *task, task_fn *on_end);
