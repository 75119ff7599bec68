/* core/task/empty.c */
#include "core/task/empty.h"

static void empty_start(struct task *task)
{
	task_end(task, OUTCOME_OK);
}

static const struct task_ops empty_ops = { "empty", empty_start, NULL };

void empty_init(struct task *task, task_fn *on_end)
{
	task_init(task, &empty_ops, on_end);
}
