/* server/native/task_time.c: timers and counters. */
#include "server/native/api_parts.h"
#include "server/native/tasks.h"

static void timer_on_end(struct task *task)
{
	native_task_end(container_of(task, struct leat_task, timer.wait.task));
}

struct leat_task *native_timer(struct leat_call *call, uint64_t delay_ms, leat_task_fn *on_end)
{
	struct leat_task *task = native_task_make(call, "timer", NATIVE_TIMER, on_end);

	if (task->kind == NATIVE_SPARE)
		return task;
	alarm_init(&task->timer, NULL, STR(""), ALARM_AFTER, delay_ms, timer_on_end);
	task->task = &task->timer.wait.task;
	return task;
}

static void counter_on_end(struct task *task)
{
	native_task_end(container_of(task, struct leat_task, counter.task));
}

struct leat_task *native_counter(struct leat_call *call, uint64_t target, leat_task_fn *on_end)
{
	struct leat_task *task = native_task_make(call, "counter", NATIVE_COUNTER, on_end);

	if (task->kind == NATIVE_SPARE)
		return task;
	counter_init(&task->counter, target, counter_on_end);
	task->task = &task->counter.task;
	return task;
}

void native_count(struct leat_task *counter, uint64_t n)
{
	if (native_task_enter_kind(counter, NATIVE_COUNTER, "count",
				   "what is counted is a counter"))
		counter_count(&counter->counter, n);
}
