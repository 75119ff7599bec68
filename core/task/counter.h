/* core/task/counter.h: a task that ends when it was counted often enough.
 *
 * Counting may begin before the start and go on past the target: both are safe as long as the
 * task's memory is there. A target of 0 is reached by the start. On one loop; a counter with a
 * name is an await with a count (condition.h). */
#pragma once
#include "core/task/task.h"

struct counter_task {
	struct task task;
	uint64_t target;
	uint64_t value; /* how often it was counted, past the target too */
};

void counter_init(struct counter_task *counter, uint64_t target, task_fn *on_end);
void counter_count(struct counter_task *counter, uint64_t n);
