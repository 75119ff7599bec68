/* core/task/repeater.c */
#include "core/task/repeater.h"

static const struct task_ops repeater_ops = { "repeater", composite_start, composite_cancel };

static void repeater_next(struct repeater *repeater)
{
	struct composite *base = &repeater->base;
	uint32_t round = repeater->round;
	struct task *task;

	if (repeater->stopped || base->scope.cancelled || base->task.cancelled)
		return;
	task = repeater->make(repeater, round);
	if (!task)
		return;
	task->index = round;
	repeater->round++;
	if (repeater->max == 0 || round < repeater->max) {
		task_start(task, &base->scope);
		return;
	}
	repeater->limit_reached = true;
	task_drop(task, &base->scope);
	composite_fail(base, OUTCOME_FAILED);
}

/* ------------------------------------------------------------ the pause between two rounds */

static void repeater_on_timer(struct timer *timer)
{
	struct repeater *repeater = container_of(timer, struct repeater, timer);

	task_end(&repeater->pause, OUTCOME_OK);
}

static void repeater_pause_start(struct task *pause)
{
	struct repeater *repeater = container_of(pause, struct repeater, pause);

	timer_init(&repeater->timer, pause->scope->loop, repeater_on_timer);
	timer_start(&repeater->timer, repeater->delay_ms);
}

static void repeater_pause_cancel(struct task *pause)
{
	struct repeater *repeater = container_of(pause, struct repeater, pause);

	timer_stop(&repeater->timer);
	task_end(pause, OUTCOME_CANCELLED);
}

static const struct task_ops pause_ops = { "pause", repeater_pause_start, repeater_pause_cancel };

/* ------------------------------------------------------------ */

static void repeater_on_child(struct task *child)
{
	struct repeater *repeater = repeater_of(child);
	struct composite *base = &repeater->base;
	enum outcome outcome;

	if (child == &repeater->pause) {
		repeater_next(repeater);
		return;
	}
	outcome = composite_child_end(base, child);
	if (outcome != OUTCOME_OK && !repeater->keep_going)
		composite_fail(base, outcome);
	if (base->scope.n_live > 0 || repeater->stopped || base->scope.cancelled)
		return;
	if (repeater->delay_ms == 0) {
		repeater_next(repeater);
		return;
	}
	task_init(&repeater->pause, &pause_ops, NULL);
	task_start(&repeater->pause, &base->scope);
}

static void repeater_begin(struct composite *base)
{
	repeater_next(container_of(base, struct repeater, base));
}

void repeater_init(struct repeater *repeater, repeater_make_fn *make, task_fn *on_end)
{
	*repeater = (struct repeater){ .make = make };
	composite_init(&repeater->base, &repeater_ops, on_end, repeater_begin, repeater_on_child);
}

void repeater_stop(struct repeater *repeater)
{
	repeater->stopped = true;
}
