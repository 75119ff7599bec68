/* server/flow/hold.c: `lock:` and `acquire:`: what a task holds while it runs, all its tries
 * included (DECISIONS 22).
 *
 *   when, join --> the lock --> the permit --> tries … --> end: both are given back, however it ends
 *
 * The wait is part of the task's `timeout:`; without one it is bounded by HOLD_WAIT_MS. A lock
 * is taken before a permit by every task, so that two tasks that want both cannot wait for each
 * other. */
#include "server/flow/step.h"
#include <errno.h>

enum {
	HOLD_WAIT_MS = 30000,
	LOCK_WAITING_MAX = 10000, /* who may wait for one lock at once */
};

void step_fail_reason(struct step_run *step, enum reason reason, enum error_code full)
{
	switch (reason) {
	case REASON_NONE:
		step_done(step, ERROR_NONE, STR_NONE);
		return;
	case REASON_FULL:
		step_done(step, full,
			  full == ERROR_QUEUE_FULL
				  ? STR("there is no room, or too many wait already")
				  : STR("too many wait for it already"));
		return;
	case REASON_TOO_LARGE:
		step_done(step, ERROR_TOO_LARGE, STR("the name or the message is too large"));
		return;
	case REASON_UNAVAILABLE:
		step_done(step, ERROR_UNAVAILABLE, STR_NONE);
		return;
	case REASON_EXPIRED:
		step_done(step, ERROR_TIMEOUT, STR("it waited too long"));
		return;
	case REASON_CANCELLED:
		step_done(step, ERROR_CANCELLED, STR("cancelled while it waited"));
		return;
	}
	unreachable();
}

int step_eval_name(struct step_run *step, const struct template *name, struct str *ret_name)
{
	struct expr_env *env = step_env(step);
	int r;

	env->message[0] = '\0';
	r = template_eval(name, env, ret_name);
	if (r < 0 || ret_name->len > 0)
		return r;
	memcpy(env->message, "the name is empty", sizeof("the name is empty"));
	return -EBADMSG;
}

/* Nothing has been tried yet, so nothing is tried again. */
static void hold_refuse(struct step_run *step, enum reason reason)
{
	step->status = STEP_RUNNING;
	step_fail_reason(step, reason, ERROR_POOL_EXHAUSTED);
}

static void hold_on_permit(struct task *task)
{
	struct step_hold *hold = container_of(task, struct step_hold, pool.task);
	enum reason reason = wait_reason(&hold->pool);

	if (reason == REASON_NONE && !hold->step->cancelling)
		step_try(hold->step);
	else
		hold_refuse(hold->step, reason ? reason : REASON_CANCELLED);
}

static struct acquire hold_bounds(const struct step_run *step, uint32_t n_permits,
				  uint32_t n_wait_max)
{
	return (struct acquire){
		.n_permits = n_permits,
		.n_wait_max = n_wait_max,
		.wait_ms = step->step->timeout_ms ? WAIT_FOREVER : HOLD_WAIT_MS,
	};
}

static void hold_take_permit(struct step_run *step)
{
	const struct shared_thing *pool = step->step->pool;
	struct step_hold *hold = step->hold;
	struct acquire bounds;

	if (!pool) {
		step_try(step);
		return;
	}
	bounds = hold_bounds(step, pool->n_permits, pool->n_wait_max);
	acquire_init(&hold->pool, step->run->context->homes, pool->name, &bounds, hold_on_permit);
	task_start(&hold->pool.task, &step->run->scope);
}

static void hold_on_lock(struct task *task)
{
	struct step_hold *hold = container_of(task, struct step_hold, lock.task);
	enum reason reason = wait_reason(&hold->lock);

	if (reason == REASON_NONE && !hold->step->cancelling)
		hold_take_permit(hold->step);
	else
		hold_refuse(hold->step, reason ? reason : REASON_CANCELLED);
}

static void hold_take_lock(struct step_run *step)
{
	struct acquire bounds = hold_bounds(step, 1, LOCK_WAITING_MAX);
	struct step_hold *hold = step->hold;
	struct str name;
	int r = step_eval_name(step, step->step->lock, &name);

	if (r < 0) {
		step->status = STEP_RUNNING;
		step_done_errno(step, r);
		return;
	}
	guard_init(&hold->lock, step->run->context->homes, name, &bounds, hold_on_lock);
	task_start(&hold->lock.task, &step->run->scope);
}

void step_hold_take(struct step_run *step)
{
	*step->hold = (struct step_hold){ .step = step };
	step->held = true;
	step->status = STEP_HOLDING;
	if (!step->run->context->homes)
		hold_refuse(step, REASON_UNAVAILABLE);
	else if (step->step->lock)
		hold_take_lock(step);
	else
		hold_take_permit(step);
}

void step_hold_cancel(struct step_run *step)
{
	task_cancel(&step->hold->lock.task);
	task_cancel(&step->hold->pool.task);
}

void step_hold_release(struct step_run *step)
{
	permit_release(&step->hold->pool);
	permit_release(&step->hold->lock);
}
