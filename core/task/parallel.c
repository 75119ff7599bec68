/* core/task/parallel.c */
#include "core/task/parallel.h"

static const struct task_ops parallel_ops = { "parallel", composite_start, composite_cancel };

static uint32_t parallel_need(const struct parallel *parallel)
{
	switch ((enum parallel_policy)parallel->policy) {
	case PARALLEL_ALL:
		return parallel->n_total;
	case PARALLEL_ANY:
		return 1;
	case PARALLEL_QUORUM:
		return parallel->quorum;
	}
	unreachable();
}

static void parallel_decide(struct parallel *parallel)
{
	struct composite *base = &parallel->base;
	uint32_t need = parallel_need(parallel), n_ok = base->n_ended - base->n_failed;
	enum outcome outcome = OUTCOME_OK;

	if (base->outcome != OUTCOME_NONE)
		return;
	if (n_ok < need) {
		/* what is cancelled from above or out of time is no failure of a child's */
		if (need <= parallel->n_total - base->n_failed || base->scope.cancelled)
			return;
		outcome = parallel->first_failure ? parallel->first_failure : OUTCOME_FAILED;
	}
	composite_decide(base, outcome);
	if (parallel->rest == PARALLEL_CANCEL_REST)
		scope_cancel(&base->scope);
}

static void parallel_fill(struct parallel *parallel)
{
	struct scope *scope = &parallel->base.scope;

	while (!list_is_empty(&parallel->waiting) &&
	       (parallel->max == 0 || scope->n_live < parallel->max || scope->cancelled))
		task_start(container_of(list_pop(&parallel->waiting), struct task, link), scope);
}

static void parallel_begin(struct composite *base)
{
	struct parallel *parallel = container_of(base, struct parallel, base);

	parallel_decide(parallel);
	parallel_fill(parallel);
}

static void parallel_on_child(struct task *child)
{
	struct parallel *parallel = parallel_of(child);
	enum outcome outcome = composite_child_end(&parallel->base, child);

	if (outcome != OUTCOME_OK && parallel->first_failure == OUTCOME_NONE)
		parallel->first_failure = (uint8_t)outcome;
	parallel_decide(parallel);
	parallel_fill(parallel);
}

void parallel_init(struct parallel *parallel, task_fn *on_end)
{
	*parallel = (struct parallel){ .max = 0 };
	composite_init(&parallel->base, &parallel_ops, on_end, parallel_begin, parallel_on_child);
	list_init(&parallel->waiting);
}

void parallel_add(struct parallel *parallel, struct task *child)
{
	check_that(parallel->base.task.state == TASK_IDLE, "state=%u", parallel->base.task.state);
	check_that(child->state == TASK_IDLE && !list_is_linked(&child->link), "%s state=%u",
		   child->ops->name, child->state);
	child->index = parallel->n_total++;
	list_add(&parallel->waiting, &child->link);
}
