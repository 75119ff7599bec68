/* core/task/counter.c */
#include "core/task/counter.h"

static void counter_settle(struct counter_task *counter)
{
	if (counter->task.state == TASK_STARTED && counter->value >= counter->target)
		task_end(&counter->task, OUTCOME_OK);
}

static void counter_start(struct task *task)
{
	counter_settle(container_of(task, struct counter_task, task));
}

static void counter_cancel(struct task *task)
{
	task_end(task, OUTCOME_CANCELLED);
}

static const struct task_ops counter_ops = { "counter", counter_start, counter_cancel };

void counter_init(struct counter_task *counter, uint64_t target, task_fn *on_end)
{
	task_init(&counter->task, &counter_ops, on_end);
	counter->target = target;
	counter->value = 0;
}

void counter_count(struct counter_task *counter, uint64_t n)
{
	counter->value += MIN(n, UINT64_MAX - counter->value);
	counter_settle(counter);
}
