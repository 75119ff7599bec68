/* core/task/alarm.h: a task that ends at a time, and can be cancelled by name.
 *
 * It rings with OUTCOME_OK. Cancelled by its name, on whatever loop, it ends with
 * OUTCOME_CANCELLED, and REASON_CANCELLED, while task->cancelled stays false: that tells it from
 * the cancelling of its scope. Many may have one name. An alarm without a name never leaves its
 * loop. */
#pragma once
#include "core/task/home.h"

enum alarm_kind {
	ALARM_AFTER, /* `time` is milliseconds from the start; 0: in this turn. WAIT_FOREVER: never by itself */
	ALARM_AT, /* `time` is nanoseconds of the monotonic clock; one that has passed: in this turn */
	ALARM_AT_WALL, /* `time` is nanoseconds since 1970, and it follows when the wall clock is set (within 10 s) */
};

struct alarm_task {
	struct wait_task wait;
	enum alarm_kind kind;
	uint64_t time;
};

/* `homes` may be NULL with an empty name. The name must stay until the task is started. */
void alarm_init(struct alarm_task *alarm, struct homes *homes, struct str name,
		enum alarm_kind kind, uint64_t time, task_fn *on_end);

/* Cancels the n alarms of that name that were started first; WAIT_FOREVER: all. Any thread. */
void alarm_cancel(struct homes *homes, struct str name, uint64_t n);
