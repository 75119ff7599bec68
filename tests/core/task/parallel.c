/* tests/core/task/parallel.c */
#include "core/task/parallel.h"
#include "tests/core/task/probe.h"
#include <stdlib.h>

enum { N = 6 };

static struct parallel parallel;
static struct probe probes[N];

/* The children end after 10, 20, … milliseconds; those whose bit is set fail. */
static void fill(enum parallel_policy policy, unsigned failing)
{
	parallel_init(&parallel, composite_on_end);
	parallel.policy = (uint8_t)policy;
	for (unsigned i = 0; i < N; i++) {
		enum outcome outcome = failing & (1u << i) ? OUTCOME_FAILED : OUTCOME_OK;

		parallel_add(&parallel, probe_init(&probes[i], 10 * (i + 1), outcome));
	}
}

static void run(void)
{
	parallel_start(&parallel, &scope);
	settle();
}

static void all_are_ok_together(void)
{
	fill(PARALLEL_ALL, 0);
	run();
	is_int(n_running, N);
	pass_ms(59);
	is_int(n_composites_ended, 0);
	pass_ms(1);
	has_ended(&parallel.base.task, OUTCOME_OK);
	is_int(probes[3].task.index, 3);
}

static void at_most_max_run_at_once(void)
{
	fill(PARALLEL_ALL, 0);
	parallel.max = 2;
	run();
	is_int(n_running, 2);
	pass_ms(1000);
	is_int(most_running, 2);
	is_int(n_starts, N);
	for (unsigned i = 0; i < N; i++)
		is_int(probes[i].start_order, i + 1);
	has_ended(&parallel.base.task, OUTCOME_OK);
}

static void of_all_the_first_failure_decides_and_cancels_the_rest(void)
{
	fill(PARALLEL_ALL, 1 << 1);
	probes[1].outcome = OUTCOME_TIMED_OUT;
	parallel.max = 4;
	run();
	pass_ms(20);
	has_ended(&parallel.base.task, OUTCOME_TIMED_OUT);
	is_int(n_ends, N);
	is_int(n_starts, 5); /* the last waited still */
	is_int(probes[0].task.outcome, OUTCOME_OK);
	is_int(probes[4].n_cancelled, 1);
	is_int(probes[5].task.outcome, OUTCOME_CANCELLED);
}

static void or_lets_the_rest_finish(void)
{
	fill(PARALLEL_ALL, 1 << 1);
	parallel.max = 3;
	parallel.rest = PARALLEL_FINISH_REST;
	run();
	pass_ms(20);
	is_int(n_composites_ended, 0);
	pass_ms(1000);
	has_ended(&parallel.base.task, OUTCOME_FAILED);
	is_int(n_starts, N);
	is_int(parallel.base.n_failed, 1);
}

static void of_any_the_first_ok_decides(void)
{
	fill(PARALLEL_ANY, 1 << 0 | 1 << 1);
	run();
	pass_ms(30);
	has_ended(&parallel.base.task, OUTCOME_OK);
	is_int(probes[3].task.outcome, OUTCOME_CANCELLED);
	is_int(n_ends, N);
}

static void of_any_none_gives_the_first_failure(void)
{
	fill(PARALLEL_ANY, (1 << N) - 1);
	probes[0].outcome = OUTCOME_TIMED_OUT;
	run();
	pass_ms(59);
	is_int(n_composites_ended, 0);
	pass_ms(1);
	has_ended(&parallel.base.task, OUTCOME_TIMED_OUT);
}

static void a_quorum_is_enough(void)
{
	fill(PARALLEL_QUORUM, 1 << 1);
	parallel.quorum = 3;
	run();
	pass_ms(39);
	is_int(n_composites_ended, 0);
	pass_ms(1);
	has_ended(&parallel.base.task, OUTCOME_OK);
	is_int(probes[5].task.outcome, OUTCOME_CANCELLED);
}

static void a_quorum_that_cannot_be_reached_fails_at_once(void)
{
	fill(PARALLEL_QUORUM, 1 << 0 | 1 << 1);
	parallel.quorum = 5;
	run();
	pass_ms(20);
	has_ended(&parallel.base.task, OUTCOME_FAILED);
	is_int(n_ends, N);
}

static void more_than_there_are_fails_before_anything_starts(void)
{
	fill(PARALLEL_QUORUM, 0);
	parallel.quorum = N + 1;
	run();
	has_ended(&parallel.base.task, OUTCOME_FAILED);
	is_int(n_starts, 0);
	is_int(n_ends, N);
}

static void none_of_none_is_ok(void)
{
	parallel_init(&parallel, composite_on_end);
	run();
	has_ended(&parallel.base.task, OUTCOME_OK);
}

static void one_of_none_is_not(void)
{
	parallel_init(&parallel, composite_on_end);
	parallel.policy = PARALLEL_ANY;
	run();
	has_ended(&parallel.base.task, OUTCOME_FAILED);
}

static void cancelling_ends_all(void)
{
	fill(PARALLEL_ALL, 0);
	parallel.max = 2;
	run();
	pass_ms(15);
	task_cancel(&parallel.base.task);
	settle();
	has_ended(&parallel.base.task, OUTCOME_CANCELLED);
	is_int(n_ends, N);
	is_int(n_starts, 3);
}

static void cancelling_after_the_decision_changes_no_outcome(void)
{
	fill(PARALLEL_ANY, 0);
	parallel.rest = PARALLEL_FINISH_REST;
	run();
	pass_ms(15);
	task_cancel(&parallel.base.task);
	settle();
	has_ended(&parallel.base.task, OUTCOME_OK);
	is_int(n_ends, N);
}

static void a_time_limit_ends_all(void)
{
	fill(PARALLEL_ALL, 0);
	parallel.base.timeout_ms = 25;
	run();
	pass_ms(25);
	has_ended(&parallel.base.task, OUTCOME_TIMED_OUT);
	is_int(probes[1].task.outcome, OUTCOME_OK);
	is_int(probes[2].task.outcome, OUTCOME_CANCELLED);
}

static void a_child_that_ends_in_its_start_may_decide_while_others_wait(void)
{
	fill(PARALLEL_ANY, 0);
	probes[0].delay_ms = 0;
	parallel.max = 1;
	run();
	has_ended(&parallel.base.task, OUTCOME_OK);
	is_int(n_starts, 1);
	is_int(n_ends, N);
}

static void a_million_children_need_no_stack(void)
{
	const unsigned n = 1000000;
	struct probe *many = calloc(n, sizeof(*many));

	parallel_init(&parallel, composite_on_end);
	parallel.max = 16;
	for (unsigned i = 0; i < n; i++)
		parallel_add(&parallel, probe_init(&many[i], 0, OUTCOME_OK));
	run();
	has_ended(&parallel.base.task, OUTCOME_OK);
	is_int(n_ends, n);
	free(many);
}

int main(void)
{
	small_stack();
	TRY(all_are_ok_together);
	TRY(at_most_max_run_at_once);
	TRY(of_all_the_first_failure_decides_and_cancels_the_rest);
	TRY(or_lets_the_rest_finish);
	TRY(of_any_the_first_ok_decides);
	TRY(of_any_none_gives_the_first_failure);
	TRY(a_quorum_is_enough);
	TRY(a_quorum_that_cannot_be_reached_fails_at_once);
	TRY(more_than_there_are_fails_before_anything_starts);
	TRY(none_of_none_is_ok);
	TRY(one_of_none_is_not);
	TRY(cancelling_ends_all);
	TRY(cancelling_after_the_decision_changes_no_outcome);
	TRY(a_time_limit_ends_all);
	TRY(a_child_that_ends_in_its_start_may_decide_while_others_wait);
	TRY(a_million_children_need_no_stack);
	return tap_done();
}
