/* core/task/task.c */
#include "core/task/task.h"

static void task_complete(struct ready *ready)
{
	struct task *task = container_of(ready, struct task, ready);
	struct scope *scope = task->scope;

	check(task->state == TASK_ENDING);
	task->state = TASK_ENDED;
	list_remove(&task->link);
	scope->n_live--;
	if (scope->on_child)
		scope->on_child(task);
	else
		task->on_end(task); /* the task may be gone after this */
	if (scope->n_live == 0)
		scope->on_empty(scope); /* and so may the scope */
}

void task_init(struct task *task, const struct task_ops *ops, task_fn *on_end)
{
	*task = (struct task){ .ops = ops, .on_end = on_end, .state = TASK_IDLE };
	list_init(&task->link);
	ready_init(&task->ready, task_complete);
}

static void task_enter(struct task *task, struct scope *scope)
{
	check_that(task->state == TASK_IDLE, "%s state=%u", task->ops->name, task->state);
	task->scope = scope;
	task->state = TASK_STARTED;
	list_add(&scope->tasks, &task->link);
	scope->n_live++;
}

void task_drop(struct task *task, struct scope *scope)
{
	task_enter(task, scope);
	task_end(task, OUTCOME_CANCELLED);
}

void task_start(struct task *task, struct scope *scope)
{
	task_enter(task, scope);
	if (scope->cancelled)
		task_end(task, OUTCOME_CANCELLED);
	else
		task->ops->start(task);
}

void task_end(struct task *task, enum outcome outcome)
{
	check_that(task->state == TASK_STARTED, "%s state=%u", task->ops->name, task->state);
	check(outcome != OUTCOME_NONE);
	task->state = TASK_ENDING;
	task->outcome = (uint8_t)outcome;
	loop_ready(task->scope->loop, &task->ready);
}

void task_cancel(struct task *task)
{
	if (task->state != TASK_STARTED || task->cancelled)
		return;
	task->cancelled = true;
	if (task->ops->cancel)
		task->ops->cancel(task);
}

const char *outcome_name(enum outcome outcome)
{
	static const char *const names[] = { "none", "ok", "failed", "timed_out", "cancelled" };

	return names[outcome];
}

static void scope_on_deadline(struct timer *timer)
{
	struct scope *scope = container_of(timer, struct scope, deadline);

	if (scope->cancelled)
		return; /* it ends for another reason */
	scope->timed_out = true;
	scope_cancel(scope);
}

void scope_init(struct scope *scope, struct loop *loop, scope_fn *on_empty)
{
	*scope = (struct scope){ .loop = loop, .on_empty = on_empty, .deadline_ns = UINT64_MAX };
	list_init(&scope->tasks);
	timer_init(&scope->deadline, loop, scope_on_deadline);
}

void scope_set_deadline(struct scope *scope, uint64_t deadline_ns)
{
	if (deadline_ns >= scope->deadline_ns)
		return;
	scope->deadline_ns = deadline_ns;
	timer_start_at(&scope->deadline, deadline_ns);
}

/* A cancel function may end its task, but on_end runs later, from the ready list: nothing leaves
 * the list meanwhile. */
void scope_cancel(struct scope *scope)
{
	struct task *task;

	if (scope->cancelled)
		return;
	scope->cancelled = true;
	list_each(task, &scope->tasks, struct task, link)
		task_cancel(task);
}

void scope_fini(struct scope *scope)
{
	check_that(scope->n_live == 0, "n_live=%zu", scope->n_live);
	timer_stop(&scope->deadline);
}
