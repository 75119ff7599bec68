/* tests/core/task/race.c */
#include "core/task/race.h"
#include "tests/core/task/probe.h"

enum { N = 4 };

static struct race race;
static struct probe probes[N];
static unsigned n_asked, n_won;

/* The candidates end after 10, 20, … milliseconds. */
static void fill(void)
{
	n_asked = n_won = 0;
	race_init(&race, composite_on_end);
	for (unsigned i = 0; i < N; i++)
		race_add(&race, probe_init(&probes[i], 10 * (i + 1), OUTCOME_OK));
}

static void run(void)
{
	race_start(&race, &scope);
	settle();
}

static void the_first_ok_wins_and_the_losers_are_cancelled(void)
{
	fill();
	probes[0].outcome = OUTCOME_FAILED;
	run();
	is_int(n_running, N);
	pass_ms(20);
	has_ended(&race.base.task, OUTCOME_OK);
	is_int(race_winner(&race), 1);
	is_int(probes[2].n_cancelled, 1);
	is_int(probes[3].task.outcome, OUTCOME_CANCELLED);
}

static bool accept_third(struct race *of, struct task *candidate)
{
	n_asked++;
	is_int(probe_of(candidate)->n_ended, 0);
	is_ptr(of, &race);
	return candidate->index == 2;
}

static void the_first_that_is_accepted_wins(void)
{
	fill();
	race.accept = accept_third;
	run();
	pass_ms(30);
	has_ended(&race.base.task, OUTCOME_OK);
	is_int(race_winner(&race), 2);
	is_int(n_asked, 3);
}

static bool accept_failed(struct race *of, struct task *candidate)
{
	(void)of;
	return candidate->outcome == OUTCOME_FAILED;
}

static void a_failure_may_be_what_is_accepted(void)
{
	fill();
	probes[1].outcome = OUTCOME_FAILED;
	race.accept = accept_failed;
	run();
	pass_ms(20);
	has_ended(&race.base.task, OUTCOME_OK);
	is_int(race_winner(&race), 1);
}

static void none_accepted_has_failed(void)
{
	fill();
	for (unsigned i = 0; i < N; i++)
		probes[i].outcome = i % 2 ? OUTCOME_FAILED : OUTCOME_TIMED_OUT;
	run();
	pass_ms(39);
	is_int(n_composites_ended, 0);
	pass_ms(1);
	has_ended(&race.base.task, OUTCOME_FAILED);
	is_true(race_winner(&race) == RACE_NONE);
}

static void a_race_of_none_has_failed(void)
{
	race_init(&race, composite_on_end);
	run();
	has_ended(&race.base.task, OUTCOME_FAILED);
}

static void on_win(struct race *of)
{
	n_won++;
	is_int(probes[race_winner(of)].n_ended, 1);
}

static void losers_may_finish_and_the_winner_is_known_at_once(void)
{
	fill();
	race.losers = RACE_FINISH_LOSERS;
	race.on_win = on_win;
	run();
	pass_ms(10);
	is_int(n_won, 1);
	is_int(race_winner(&race), 0);
	is_int(n_composites_ended, 0);
	pass_ms(30);
	has_ended(&race.base.task, OUTCOME_OK);
	is_int(n_won, 1);
	is_int(probes[3].task.outcome, OUTCOME_OK);
}

static void cancelling_after_the_win_cancels_the_losers_only(void)
{
	fill();
	race.losers = RACE_FINISH_LOSERS;
	run();
	pass_ms(15);
	task_cancel(&race.base.task);
	settle();
	has_ended(&race.base.task, OUTCOME_OK);
	is_int(probes[1].n_cancelled, 1);
}

static void a_loser_that_does_not_hear_is_waited_for_and_does_not_win(void)
{
	fill();
	probes[3].deaf = true;
	run();
	pass_ms(39);
	is_int(n_composites_ended, 0);
	pass_ms(1);
	has_ended(&race.base.task, OUTCOME_OK);
	is_int(race_winner(&race), 0);
}

static void two_that_end_together_have_one_winner(void)
{
	fill();
	for (unsigned i = 0; i < N; i++)
		probes[i].delay_ms = 0;
	race.on_win = on_win;
	run();
	has_ended(&race.base.task, OUTCOME_OK);
	is_int(race_winner(&race), 0);
	is_int(n_won, 1);
}

static void cancelling_cancels_all(void)
{
	fill();
	run();
	task_cancel(&race.base.task);
	settle();
	has_ended(&race.base.task, OUTCOME_CANCELLED);
	is_int(n_ends, N);
}

static void a_time_limit_without_a_winner(void)
{
	fill();
	race.base.timeout_ms = 5;
	run();
	pass_ms(5);
	has_ended(&race.base.task, OUTCOME_TIMED_OUT);
	is_true(race_winner(&race) == RACE_NONE);
}

int main(void)
{
	TRY(the_first_ok_wins_and_the_losers_are_cancelled);
	TRY(the_first_that_is_accepted_wins);
	TRY(a_failure_may_be_what_is_accepted);
	TRY(none_accepted_has_failed);
	TRY(a_race_of_none_has_failed);
	TRY(losers_may_finish_and_the_winner_is_known_at_once);
	TRY(cancelling_after_the_win_cancels_the_losers_only);
	TRY(a_loser_that_does_not_hear_is_waited_for_and_does_not_win);
	TRY(two_that_end_together_have_one_winner);
	TRY(cancelling_cancels_all);
	TRY(a_time_limit_without_a_winner);
	return tap_done();
}
