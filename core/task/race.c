/* core/task/race.c */
#include "core/task/race.h"

static const struct task_ops race_ops = { "race", composite_start, composite_cancel };

static void race_begin(struct composite *base)
{
	struct race *race = container_of(base, struct race, base);
	struct list *link;

	while ((link = list_pop(&race->candidates)))
		task_start(container_of(link, struct task, link), &base->scope);
	if (race->n_candidates == 0)
		composite_fail(base, OUTCOME_FAILED);
}

static bool race_is_won_by(struct race *race, struct task *candidate)
{
	if (race->base.outcome != OUTCOME_NONE || candidate->outcome == OUTCOME_CANCELLED)
		return false;
	return race->accept ? race->accept(race, candidate) : candidate->outcome == OUTCOME_OK;
}

static void race_on_child(struct task *candidate)
{
	struct race *race = race_of(candidate);
	struct composite *base = &race->base;
	bool won = race_is_won_by(race, candidate);

	if (won) {
		race->winner = candidate->index;
		composite_decide(base, OUTCOME_OK);
	}
	composite_child_end(base, candidate);
	if (won && race->on_win)
		race->on_win(race);
	if (won && race->losers == RACE_CANCEL_LOSERS)
		scope_cancel(&base->scope);
	if (base->scope.n_live == 0 && race->winner == RACE_NONE)
		composite_fail(base, OUTCOME_FAILED);
}

void race_init(struct race *race, task_fn *on_end)
{
	*race = (struct race){ .winner = RACE_NONE };
	composite_init(&race->base, &race_ops, on_end, race_begin, race_on_child);
	list_init(&race->candidates);
}

void race_add(struct race *race, struct task *candidate)
{
	check_that(race->base.task.state == TASK_IDLE, "state=%u", race->base.task.state);
	check_that(candidate->state == TASK_IDLE && !list_is_linked(&candidate->link),
		   "%s state=%u", candidate->ops->name, candidate->state);
	candidate->index = race->n_candidates++;
	list_add(&race->candidates, &candidate->link);
}
