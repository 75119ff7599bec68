/* core/task/series.c */
#include "core/task/series.h"

static const struct task_ops series_ops = { "series", composite_start, composite_cancel };

static void series_next(struct series *series)
{
	struct list *link = list_pop(&series->steps);
	struct task *step;

	if (!link)
		return;
	step = container_of(link, struct task, link);
	step->index = series->n_started++;
	task_start(step, &series->base.scope);
}

static void series_begin(struct composite *base)
{
	series_next(container_of(base, struct series, base));
}

static void series_on_child(struct task *step)
{
	struct series *series = series_of(step);
	enum outcome outcome = composite_child_end(&series->base, step);

	if (outcome != OUTCOME_OK && !series->keep_going)
		composite_fail(&series->base, outcome);
	if (series->base.scope.n_live == 0)
		series_next(series);
}

void series_init(struct series *series, task_fn *on_end)
{
	composite_init(&series->base, &series_ops, on_end, series_begin, series_on_child);
	list_init(&series->steps);
	series->n_started = 0;
	series->keep_going = false;
}

static void series_check_push(const struct series *series, const struct task *step)
{
	check_that(series->base.task.state <= TASK_STARTED, "state=%u", series->base.task.state);
	check_that(step->state == TASK_IDLE && !list_is_linked(&step->link), "%s state=%u",
		   step->ops->name, step->state);
}

void series_push_back(struct series *series, struct task *step)
{
	series_check_push(series, step);
	list_add(&series->steps, &step->link);
}

void series_push_front(struct series *series, struct task *step)
{
	series_check_push(series, step);
	list_add_first(&series->steps, &step->link);
}
