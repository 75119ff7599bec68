/* tests/core/task/repeater.c */
#include "core/task/repeater.h"
#include "tests/core/task/probe.h"

static struct repeater repeater;
static struct probe probe;
static uint32_t n_wanted, n_made;
static uint64_t delay_of_round_ms;
static uint32_t failing_round; /* or UINT32_MAX */

static struct task *make(struct repeater *of, uint32_t round)
{
	is_ptr(of, &repeater);
	if (round >= n_wanted)
		return NULL;
	n_made++;
	return probe_init(&probe, delay_of_round_ms,
			  round == failing_round ? OUTCOME_TIMED_OUT : OUTCOME_OK);
}

static struct task *make_quietly(struct repeater *of, uint32_t round)
{
	(void)of;
	return round < n_wanted ? probe_init(&probe, 0, OUTCOME_OK) : NULL;
}

static void init(uint32_t rounds, uint64_t round_ms)
{
	n_made = 0;
	n_wanted = rounds;
	delay_of_round_ms = round_ms;
	failing_round = UINT32_MAX;
	repeater_init(&repeater, make, composite_on_end);
}

static void run(void)
{
	repeater_start(&repeater, &scope);
	settle();
}

static void it_repeats_until_the_factory_has_no_more(void)
{
	init(5, 10);
	run();
	pass_ms(49);
	is_int(n_composites_ended, 0);
	is_int(most_running, 1);
	pass_ms(1);
	has_ended(&repeater.base.task, OUTCOME_OK);
	is_int(repeater.base.n_ended, 5);
	is_int(probe.task.index, 4);
}

static void none_at_all_is_ok(void)
{
	init(0, 10);
	run();
	has_ended(&repeater.base.task, OUTCOME_OK);
}

static void a_failure_ends_it(void)
{
	init(5, 10);
	failing_round = 2;
	run();
	pass_ms(100);
	has_ended(&repeater.base.task, OUTCOME_TIMED_OUT);
	is_int(n_made, 3);
}

static void with_keep_going_the_factory_decides(void)
{
	init(5, 10);
	failing_round = 2;
	repeater.keep_going = true;
	run();
	pass_ms(100);
	has_ended(&repeater.base.task, OUTCOME_OK);
	is_int(n_made, 5);
	is_int(repeater.base.n_failed, 1);
}

static void more_than_the_limit_fails(void)
{
	init(5, 10);
	repeater.max = 3;
	run();
	pass_ms(100);
	has_ended(&repeater.base.task, OUTCOME_FAILED);
	is_true(repeater.limit_reached);
	is_int(n_starts, 3);
	is_int(n_ends, 4); /* the one too many is completed, too */
	is_int(probe.task.outcome, OUTCOME_CANCELLED);
}

static void as_many_as_the_limit_is_ok(void)
{
	init(3, 10);
	repeater.max = 3;
	run();
	pass_ms(100);
	has_ended(&repeater.base.task, OUTCOME_OK);
	is_false(repeater.limit_reached);
}

static void a_delay_lies_between_two_rounds(void)
{
	init(3, 10);
	repeater.delay_ms = 100;
	run();
	pass_ms(10);
	is_int(n_ends, 1);
	pass_ms(99);
	is_int(n_starts, 1);
	pass_ms(1);
	is_int(n_starts, 2);
	pass_ms(10 + 100 + 10);
	is_int(n_ends, 3);
	is_int(n_composites_ended, 0);
	pass_ms(100); /* then the factory is asked once more */
	has_ended(&repeater.base.task, OUTCOME_OK);
}

static void stop(struct task *round)
{
	if (round->index == 1)
		repeater_stop(repeater_of(round));
}

static struct task *make_stopping(struct repeater *of, uint32_t round)
{
	struct task *task = make(of, round);

	probe.then = stop;
	return task;
}

static void a_round_may_stop_it_without_delay(void)
{
	init(5, 10);
	repeater.make = make_stopping;
	repeater.delay_ms = 100;
	run();
	pass_ms(10 + 100 + 10);
	has_ended(&repeater.base.task, OUTCOME_OK);
	is_int(n_made, 2);
}

static void cancelling_cuts_the_delay_short(void)
{
	init(5, 10);
	repeater.delay_ms = 100;
	run();
	pass_ms(50);
	task_cancel(&repeater.base.task);
	settle();
	has_ended(&repeater.base.task, OUTCOME_CANCELLED);
	is_int(n_made, 1);
}

static void cancelling_cancels_the_round_at_hand(void)
{
	init(5, 10);
	run();
	pass_ms(15);
	task_cancel(&repeater.base.task);
	settle();
	has_ended(&repeater.base.task, OUTCOME_CANCELLED);
	is_int(n_made, 2);
	is_int(probe.n_cancelled, 1);
}

static void a_time_limit_ends_it(void)
{
	init(1000, 10);
	repeater.base.timeout_ms = 95;
	run();
	pass_ms(95);
	has_ended(&repeater.base.task, OUTCOME_TIMED_OUT);
	is_int(n_made, 10);
}

static void an_hour_of_rounds_passes_in_no_time(void)
{
	init(UINT32_MAX, 0);
	repeater.make = make_quietly;
	repeater.delay_ms = 1000;
	repeater.base.timeout_ms = 3600 * 1000;
	run();
	pass_ms(3600 * 1000);
	has_ended(&repeater.base.task, OUTCOME_TIMED_OUT);
	is_int(n_ends, 3600);
}

static void a_million_rounds_need_no_stack(void)
{
	init(1000000, 0);
	repeater.make = make_quietly;
	run();
	has_ended(&repeater.base.task, OUTCOME_OK);
	is_int(n_ends, 1000000);
}

int main(void)
{
	small_stack();
	TRY(it_repeats_until_the_factory_has_no_more);
	TRY(none_at_all_is_ok);
	TRY(a_failure_ends_it);
	TRY(with_keep_going_the_factory_decides);
	TRY(more_than_the_limit_fails);
	TRY(as_many_as_the_limit_is_ok);
	TRY(a_delay_lies_between_two_rounds);
	TRY(a_round_may_stop_it_without_delay);
	TRY(cancelling_cuts_the_delay_short);
	TRY(cancelling_cancels_the_round_at_hand);
	TRY(a_time_limit_ends_it);
	TRY(an_hour_of_rounds_passes_in_no_time);
	TRY(a_million_rounds_need_no_stack);
	return tap_done();
}
