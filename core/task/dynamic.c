/* core/task/dynamic.c */
#include "core/task/dynamic.h"

static const struct task_ops dynamic_ops = { "dynamic", composite_start, composite_cancel };

static void dynamic_begin(struct composite *base)
{
	struct dynamic *dynamic = container_of(base, struct dynamic, base);
	struct task *task;

	if (base->scope.cancelled)
		return;
	task = dynamic->make(dynamic);
	if (task)
		task_start(task, &base->scope);
	else
		composite_fail(base, OUTCOME_FAILED);
}

static void dynamic_on_child(struct task *child)
{
	struct composite *base = composite_of(child);
	enum outcome outcome = composite_child_end(base, child);

	if (outcome == OUTCOME_OK)
		composite_decide(base, outcome);
	else
		composite_fail(base, outcome);
}

void dynamic_init(struct dynamic *dynamic, dynamic_make_fn *make, task_fn *on_end)
{
	composite_init(&dynamic->base, &dynamic_ops, on_end, dynamic_begin, dynamic_on_child);
	dynamic->make = make;
}
