/* core/task/composite.c
 *
 * A child finds its composite by the scope that it runs in, and the composite finds out that it
 * has ended by that scope's on_child: so a child needs no memory beyond its task. */
#include "core/task/composite.h"
#include "core/base/clock.h"

static void composite_complete(struct composite *composite)
{
	enum outcome outcome = composite->outcome;

	if (outcome == OUTCOME_NONE && composite->scope.timed_out)
		outcome = OUTCOME_TIMED_OUT;
	else if (outcome == OUTCOME_NONE)
		outcome = composite->task.cancelled ? OUTCOME_CANCELLED : OUTCOME_OK;
	loop_ready_cancel(&composite->ready); /* a cancel that came too late */
	scope_fini(&composite->scope);
	task_end(&composite->task, outcome);
}

static void composite_on_empty(struct scope *scope)
{
	struct composite *composite = container_of(scope, struct composite, scope);

	composite_complete(composite);
}

/* With an empty stack, however deep the composite is nested. */
static void composite_step(struct ready *ready)
{
	struct composite *composite = container_of(ready, struct composite, ready);

	if (composite->task.cancelled)
		scope_cancel(&composite->scope);
	if (composite->begun)
		return;
	composite->begun = true;
	composite->begin(composite);
	if (composite->scope.n_live == 0)
		composite_complete(composite);
}

void composite_init(struct composite *composite, const struct task_ops *ops, task_fn *on_end,
		    composite_fn *begin, task_fn *on_child)
{
	*composite = (struct composite){ .begin = begin, .on_child = on_child };
	task_init(&composite->task, ops, on_end);
	ready_init(&composite->ready, composite_step);
}

void composite_start(struct task *task)
{
	struct composite *composite = container_of(task, struct composite, task);
	uint64_t timeout_ms = composite->timeout_ms;
	struct loop *loop = task->scope->loop;

	scope_init(&composite->scope, loop, composite_on_empty);
	composite->scope.on_child = composite->on_child;
	if (timeout_ms > 0 && timeout_ms < UINT64_MAX / 2 / NS_PER_MS)
		scope_set_deadline(&composite->scope,
				   clock_monotonic_ns() + timeout_ms * NS_PER_MS);
	loop_ready(loop, &composite->ready);
}

void composite_cancel(struct task *task)
{
	struct composite *composite = container_of(task, struct composite, task);

	loop_ready(task->scope->loop, &composite->ready);
}

void composite_end(struct composite *composite, enum outcome outcome)
{
	check_that(composite->task.state == TASK_STARTED, "%s state=%u", composite->task.ops->name,
		   composite->task.state);
	composite_decide(composite, outcome);
	scope_cancel(&composite->scope);
}

enum outcome composite_child_end(struct composite *composite, struct task *child)
{
	enum outcome outcome = child->outcome;

	composite->n_ended++;
	composite->n_failed += outcome != OUTCOME_OK;
	child->on_end(child);
	return outcome;
}

void composite_decide(struct composite *composite, enum outcome outcome)
{
	if (composite->outcome == OUTCOME_NONE)
		composite->outcome = (uint8_t)outcome;
}

void composite_fail(struct composite *composite, enum outcome outcome)
{
	if (!composite->scope.cancelled)
		composite_end(composite, outcome);
}
