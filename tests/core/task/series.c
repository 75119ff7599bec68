/* tests/core/task/series.c */
#include "core/task/series.h"
#include "tests/core/task/probe.h"
#include <stdlib.h>

enum { N = 5 };

static struct series series;
static struct probe probes[N], extra;

static void fill(uint64_t delay_ms)
{
	series_init(&series, composite_on_end);
	for (unsigned i = 0; i < N; i++)
		series_push_back(&series, probe_init(&probes[i], delay_ms, OUTCOME_OK));
}

static void steps_run_one_after_the_other(void)
{
	fill(10);
	series_start(&series, &scope);
	pass_ms(35);
	is_int(n_ends, 3);
	is_int(most_running, 1);
	is_int(n_composites_ended, 0);
	pass_ms(15);
	has_ended(&series.base.task, OUTCOME_OK);
	is_int(series.base.n_ended, N);
	for (unsigned i = 0; i < N; i++) {
		is_int(probes[i].end_order, i + 1);
		is_int(probes[i].task.index, i);
	}
}

static void a_series_without_steps_is_ok(void)
{
	series_init(&series, composite_on_end);
	series_start(&series, &scope);
	is_int(n_composites_ended, 0);
	settle();
	has_ended(&series.base.task, OUTCOME_OK);
}

static void push_back_extra(struct task *step)
{
	series_push_back(series_of(step), probe_init(&extra, 1, OUTCOME_OK));
}

static void push_front_extra(struct task *step)
{
	series_push_front(series_of(step), probe_init(&extra, 1, OUTCOME_OK));
}

static void a_step_may_add_one_at_the_end_or_next(void)
{
	fill(1);
	probes[1].then = push_front_extra;
	series_start(&series, &scope);
	pass_ms(100);
	is_int(extra.end_order, 3);
	is_int(probes[2].end_order, 4);
	has_ended(&series.base.task, OUTCOME_OK);
}

static void the_last_step_may_still_add_one(void)
{
	fill(0);
	probes[N - 1].then = push_back_extra;
	series_start(&series, &scope);
	pass_ms(100);
	is_int(extra.end_order, N + 1);
	has_ended(&series.base.task, OUTCOME_OK);
}

static void it_grows_from_outside_while_it_runs(void)
{
	struct probe last;

	fill(10);
	series_start(&series, &scope);
	pass_ms(5);
	series_push_front(&series, probe_init(&extra, 10, OUTCOME_OK));
	series_push_back(&series, probe_init(&last, 10, OUTCOME_OK));
	pass_ms(100);
	is_int(extra.end_order, 2);
	is_int(last.end_order, N + 2);
	has_ended(&series.base.task, OUTCOME_OK);
}

static void a_failure_ends_it_and_the_rest_is_completed_without_starting(void)
{
	fill(0);
	probes[1].outcome = OUTCOME_FAILED;
	series_start(&series, &scope);
	settle();
	has_ended(&series.base.task, OUTCOME_FAILED);
	is_int(n_starts, 2);
	for (unsigned i = 2; i < N; i++) {
		is_int(probes[i].n_ended, 1);
		is_int(probes[i].end_order, i + 1);
		is_int(probes[i].task.outcome, OUTCOME_CANCELLED);
	}
}

static void with_keep_going_failures_are_counted(void)
{
	fill(0);
	series.keep_going = true;
	probes[1].outcome = OUTCOME_FAILED;
	probes[3].outcome = OUTCOME_TIMED_OUT;
	series_start(&series, &scope);
	settle();
	has_ended(&series.base.task, OUTCOME_OK);
	is_int(n_starts, N);
	is_int(series.base.n_failed, 2);
}

static void end_ok(struct task *step)
{
	composite_end(composite_of(step), OUTCOME_OK);
}

static void a_step_may_leave_the_rest_out(void)
{
	fill(0);
	probes[1].then = end_ok;
	series_start(&series, &scope);
	settle();
	has_ended(&series.base.task, OUTCOME_OK);
	is_int(n_starts, 2);
	is_int(n_ends, N);
}

static void cancelling_cancels_the_step_at_hand_and_the_rest(void)
{
	fill(10);
	series_start(&series, &scope);
	pass_ms(15);
	task_cancel(&series.base.task);
	settle();
	has_ended(&series.base.task, OUTCOME_CANCELLED);
	is_int(n_starts, 2);
	is_int(probes[1].n_cancelled, 1);
	is_int(n_ends, N);
}

static void cancelled_before_its_first_step_nothing_starts(void)
{
	fill(10);
	series_start(&series, &scope);
	task_cancel(&series.base.task);
	settle();
	has_ended(&series.base.task, OUTCOME_CANCELLED);
	is_int(n_starts, 0);
	is_int(n_ends, N);
}

static void a_time_limit_cancels_what_is_left(void)
{
	fill(10);
	series.base.timeout_ms = 25;
	series_start(&series, &scope);
	pass_ms(24);
	is_int(n_composites_ended, 0);
	pass_ms(1);
	has_ended(&series.base.task, OUTCOME_TIMED_OUT);
	is_int(n_starts, 3);
	is_int(n_ends, N);
}

static void the_deadline_of_the_scope_reaches_it(void)
{
	fill(10);
	scope_set_deadline(&scope, clock_monotonic_ns() + 12 * NS_PER_MS);
	series_start(&series, &scope);
	pass_ms(100);
	has_ended(&series.base.task, OUTCOME_CANCELLED);
	is_true(scope.timed_out);
	is_int(n_starts, 2);
}

static void a_step_that_does_not_hear_is_waited_for(void)
{
	fill(10);
	probes[0].deaf = true;
	series_start(&series, &scope);
	pass_ms(1);
	task_cancel(&series.base.task);
	pass_ms(8);
	is_int(n_composites_ended, 0);
	pass_ms(1);
	has_ended(&series.base.task, OUTCOME_CANCELLED);
	is_int(n_starts, 1);
}

static void series_nest(void)
{
	struct series inner;

	fill(1);
	series_init(&inner, probe_on_end);
	series_init(&series, composite_on_end);
	for (unsigned i = 0; i < N; i++) {
		probe_init(&probes[i], 1, OUTCOME_OK);
		series_push_back(i < 3 ? &inner : &series, &probes[i].task);
	}
	inner.base.task.on_end = composite_on_end;
	series_push_front(&series, &inner.base.task);
	series_start(&series, &scope);
	pass_ms(3);
	is_ptr(ended, &inner.base.task);
	is_int(n_ends, 3);
	pass_ms(2);
	is_ptr(ended, &series.base.task);
	is_int(n_composites_ended, 2);
}

static void a_million_synchronous_steps_need_no_stack(void)
{
	const unsigned n = 1000000;
	struct probe *many = calloc(n, sizeof(*many));

	series_init(&series, composite_on_end);
	for (unsigned i = 0; i < n; i++)
		series_push_back(&series, probe_init(&many[i], 0, OUTCOME_OK));
	series_start(&series, &scope);
	settle();
	has_ended(&series.base.task, OUTCOME_OK);
	is_int(n_ends, n);
	is_int(many[n - 1].end_order, n);
	free(many);
}

static void a_million_steps_that_are_cancelled_need_no_stack(void)
{
	const unsigned n = 1000000;
	struct probe *many = calloc(n, sizeof(*many));

	series_init(&series, composite_on_end);
	for (unsigned i = 0; i < n; i++)
		series_push_back(&series, probe_init(&many[i], i ? 0 : NEVER, OUTCOME_OK));
	series_start(&series, &scope);
	settle();
	task_cancel(&series.base.task);
	settle();
	has_ended(&series.base.task, OUTCOME_CANCELLED);
	is_int(n_ends, n);
	is_int(n_starts, 1);
	free(many);
}

/* Each is the only step of the one around it. */
static void nest_deeply(struct series *all, unsigned n, uint64_t delay_ms)
{
	for (unsigned i = 0; i < n; i++)
		series_init(&all[i], composite_on_end);
	for (unsigned i = 0; i + 1 < n; i++)
		series_push_back(&all[i], &all[i + 1].base.task);
	series_push_back(&all[n - 1], probe_init(&extra, delay_ms, OUTCOME_OK));
	series_start(&all[0], &scope);
	settle();
}

static void a_hundred_thousand_levels_of_nesting_need_no_stack(void)
{
	const unsigned n = 100000;
	struct series *all = calloc(n, sizeof(*all));

	nest_deeply(all, n, 0);
	is_int(n_composites_ended, n);
	is_ptr(ended, &all[0].base.task);
	n_composites_ended = 0;
	nest_deeply(all, n, NEVER);
	is_int(n_running, 1);
	scope_cancel(&scope);
	settle();
	is_int(n_composites_ended, n);
	is_int(all[0].base.task.outcome, OUTCOME_CANCELLED);
	free(all);
}

int main(void)
{
	small_stack();
	TRY(steps_run_one_after_the_other);
	TRY(a_series_without_steps_is_ok);
	TRY(a_step_may_add_one_at_the_end_or_next);
	TRY(the_last_step_may_still_add_one);
	TRY(it_grows_from_outside_while_it_runs);
	TRY(a_failure_ends_it_and_the_rest_is_completed_without_starting);
	TRY(with_keep_going_failures_are_counted);
	TRY(a_step_may_leave_the_rest_out);
	TRY(cancelling_cancels_the_step_at_hand_and_the_rest);
	TRY(cancelled_before_its_first_step_nothing_starts);
	TRY(a_time_limit_cancels_what_is_left);
	TRY(the_deadline_of_the_scope_reaches_it);
	TRY(a_step_that_does_not_hear_is_waited_for);
	TRY(series_nest);
	TRY(a_million_synchronous_steps_need_no_stack);
	TRY(a_million_steps_that_are_cancelled_need_no_stack);
	TRY(a_hundred_thousand_levels_of_nesting_need_no_stack);
	return tap_done();
}
