/* core/task/alarm.c
 *
 * A named alarm waits at its name's home for being cancelled, while its timer runs on its own loop. */
#include "core/task/alarm.h"
#include "core/base/clock.h"
#include "core/task/ask.h"

enum { ALARM_WAIT, ALARM_CANCEL };

/* The wall clock may be set: how long a timer for it runs before it is looked at again. */
#define WALL_STEP_NS (UINT64_C(10) * NS_PER_S)

struct alarms {
	struct list waiting; /* of struct ask.link */
	size_t n_waiting;
};

/* ------------------------------------------------------------ the name */

static void alarms_init(void *thing, const struct owner *owner)
{
	struct alarms *alarms = thing;

	(void)owner;
	list_init(&alarms->waiting);
	alarms->n_waiting = 0;
}

static void alarms_fini(void *thing)
{
	check(((const struct alarms *)thing)->n_waiting == 0);
}

static void alarms_on_ask(void *thing, struct ask *ask)
{
	struct alarms *alarms = thing;
	struct ask *waiting;

	if (ask->op == ALARM_WAIT) {
		ask_wait(ask, &alarms->waiting, &alarms->n_waiting);
		return;
	}
	for (; ask->n > 0 && (waiting = list_first(&alarms->waiting, struct ask, link)); ask->n--) {
		ask_stop_waiting(waiting, &alarms->n_waiting);
		ask_answer(waiting, REASON_CANCELLED);
	}
	ask_answer(ask, REASON_NONE);
}

static void alarms_on_withdraw(void *thing, struct ask *ask)
{
	ask_stop_waiting(ask, &((struct alarms *)thing)->n_waiting);
}

static void alarms_on_give_back(void *thing, struct ask *ask)
{
	(void)thing;
	(void)ask;
}

static bool alarms_is_idle(const void *thing)
{
	return ((const struct alarms *)thing)->n_waiting == 0;
}

static const struct thing_ops alarms_ops = {
	.name = "alarm",
	.kind = HOME_ALARM,
	.size = sizeof(struct alarms),
	.init = alarms_init,
	.fini = alarms_fini,
	.ask = alarms_on_ask,
	.withdraw = alarms_on_withdraw,
	.give_back = alarms_on_give_back,
	.is_idle = alarms_is_idle,
};

/* ------------------------------------------------------------ the task */

/* Sets the timer: false when the time has come. */
static bool alarm_set(struct alarm_task *alarm)
{
	struct timer *timer = &alarm->wait.limit;
	uint64_t now_ns;
	int64_t wall_ns;

	switch (alarm->kind) {
	case ALARM_AFTER:
		if (alarm->time > 0 && alarm->time != WAIT_FOREVER)
			timer_start(timer, alarm->time);
		return alarm->time > 0;
	case ALARM_AT:
		if (alarm->time > clock_monotonic_ns())
			timer_start_at(timer, alarm->time);
		return timer_is_running(timer);
	case ALARM_AT_WALL:
		now_ns = clock_monotonic_ns();
		wall_ns = clock_wall_ns();
		if (wall_ns < 0 || alarm->time > (uint64_t)wall_ns)
			timer_start_at(timer,
				       now_ns + MIN(alarm->time - (uint64_t)wall_ns, WALL_STEP_NS));
		return timer_is_running(timer);
	}
	unreachable();
}

static void alarm_on_time(struct timer *timer)
{
	struct wait_task *wait = container_of(timer, struct wait_task, limit);
	struct alarm_task *alarm = container_of(wait, struct alarm_task, wait);

	if (alarm->kind != ALARM_AT_WALL || !alarm_set(alarm))
		wait_leave(wait, REASON_NONE);
}

static void alarm_start(struct task *task)
{
	struct wait_task *wait = container_of(task, struct wait_task, task);
	struct alarm_task *alarm = container_of(wait, struct alarm_task, wait);

	timer_init(&wait->limit, task->scope->loop, alarm_on_time);
	if (!alarm_set(alarm))
		wait_leave(wait, REASON_NONE);
	else if (wait->homes)
		wait_start(task);
}

static const struct task_ops alarm_ops = { "alarm", alarm_start, wait_cancel };

void alarm_init(struct alarm_task *alarm, struct homes *homes, struct str name,
		enum alarm_kind kind, uint64_t time, task_fn *on_end)
{
	wait_init(&alarm->wait, &alarm_ops, &alarms_ops, on_end);
	wait_set_name(&alarm->wait, name.len > 0 ? homes : NULL, name);
	alarm->wait.ask.op = ALARM_WAIT;
	alarm->kind = kind;
	alarm->time = time;
}

void alarm_cancel(struct homes *homes, struct str name, uint64_t n)
{
	struct ask ask = { .op = ALARM_CANCEL, .n = n };

	list_init(&ask.link);
	list_init(&ask.parcels);
	home_tell(homes, &alarms_ops, name, &ask);
}
