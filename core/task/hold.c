/* core/task/hold.c */
#include "core/task/hold.h"

static struct hold_task *hold_of(struct scope *scope)
{
	return container_of(scope, struct hold_task, scope);
}

/* The body ended, and all that it started; or it was never started. */
static void hold_on_empty(struct scope *scope)
{
	struct hold_task *hold = hold_of(scope);
	enum outcome outcome = (enum outcome)hold->wait.task.outcome;

	loop_ready_cancel(&hold->ready); /* a cancel that came too late */
	scope_fini(scope);
	permit_release(&hold->wait);
	if (outcome == OUTCOME_OK)
		outcome = (enum outcome)hold->body->outcome;
	task_end(&hold->task, outcome);
}

static void hold_on_granted(struct task *task)
{
	struct hold_task *hold = hold_of(task->scope);

	if (task->outcome == OUTCOME_OK)
		task_start(hold->body, &hold->scope);
}

static void hold_start(struct task *task)
{
	struct hold_task *hold = container_of(task, struct hold_task, task);

	scope_init(&hold->scope, task->scope->loop, hold_on_empty);
	hold->wait.task.on_end = hold_on_granted;
	task_start(&hold->wait.task, &hold->scope);
}

static void hold_on_cancel(struct ready *ready)
{
	scope_cancel(&container_of(ready, struct hold_task, ready)->scope);
}

static void hold_cancel(struct task *task)
{
	loop_ready(task->scope->loop, &container_of(task, struct hold_task, task)->ready);
}

static const struct task_ops hold_ops = { "hold", hold_start, hold_cancel };

void hold_init(struct hold_task *hold, struct task *body, task_fn *on_end)
{
	task_init(&hold->task, &hold_ops, on_end);
	ready_init(&hold->ready, hold_on_cancel);
	hold->body = body;
}

enum reason hold_reason(const struct hold_task *hold)
{
	return wait_reason(&hold->wait);
}
