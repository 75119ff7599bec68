/* core/task/race.h: several candidates, of which the first whose result is accepted wins;
 * Workflow's selector.
 *
 * Promises
 *   - All candidates start, in the order in which they were added.
 *   - accept(race, candidate) is asked about each candidate that ended by itself, before that one's on_end, until it
 *     has said true once: that is the winner. It may look at the candidate's outcome and result. Without accept() the
 *     first that ends with OUTCOME_OK wins.
 *   - on_win(race), when given, is called after the winner's on_end, at once, while the losers may still run.
 *   - RACE_CANCEL_LOSERS: the others are cancelled. RACE_FINISH_LOSERS: they run to their end. In both cases the race
 *     itself ends only when the last of them has: OUTCOME_OK when there is a winner, even if it is cancelled
 *     after that; OUTCOME_FAILED when nobody was accepted, or nobody ran.
 *   - base.timeout_ms without a winner: OUTCOME_TIMED_OUT.
 *
 * race_winner() is the winner's task.index, which counts from 0 in the order of adding, or
 * RACE_NONE. Outcomes, cancelling, ownership and thread: core/task/composite.h. */
#pragma once
#include "core/task/composite.h"

#define RACE_NONE UINT32_MAX

enum race_losers {
	RACE_CANCEL_LOSERS,
	RACE_FINISH_LOSERS,
};

struct race;
typedef bool race_accept_fn(struct race *race, struct task *candidate);
typedef void race_fn(struct race *race);

struct race {
	struct composite base;
	struct list candidates; /* that have not started; of task.link */
	race_accept_fn *accept;
	race_fn *on_win;
	uint32_t n_candidates;
	uint32_t winner;
	uint8_t losers; /* enum race_losers; CANCEL unless set */
};

/* accept, on_win and losers are set afterwards, before the start. */
void race_init(struct race *race, task_fn *on_end);

/* The task is IDLE, and so is the race. */
void race_add(struct race *race, struct task *candidate);

static inline void race_start(struct race *race, struct scope *scope)
{
	task_start(&race->base.task, scope);
}

static inline uint32_t race_winner(const struct race *race)
{
	return race->winner;
}

/* The race whose on_end is called with this task. */
static inline struct race *race_from(struct task *task)
{
	return container_of(task, struct race, base.task);
}

/* The race that a candidate runs in. */
static inline struct race *race_of(const struct task *candidate)
{
	return container_of(composite_of(candidate), struct race, base);
}
