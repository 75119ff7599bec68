/* tests/core/task/module.c: modules, dynamic tasks, empty tasks. */
#include "core/task/module.h"
#include "core/task/dynamic.h"
#include "core/task/empty.h"
#include "core/task/series.h"
#include "tests/core/task/probe.h"

static struct probe probes[4];
static struct series inner;
static struct module module;
static struct dynamic dynamic;
static unsigned n_made;

/* ------------------------------------------------------------ modules */

static void begin_series(struct module *in)
{
	n_made++;
	series_init(&inner, probe_on_end);
	inner.base.task.on_end = composite_on_end;
	for (unsigned i = 0; i < 3; i++)
		series_push_back(&inner, probe_init(&probes[i], 10, OUTCOME_OK));
	series_start(&inner, module_scope(in));
}

static void begin_two(struct module *in)
{
	n_made++;
	for (unsigned i = 0; i < 2; i++)
		task_start(probe_init(&probes[i], 10 * (i + 1), OUTCOME_FAILED), module_scope(in));
}

static void begin_nothing(struct module *in)
{
	(void)in;
	n_made++;
}

static void run_module(module_fn *begin)
{
	n_made = 0;
	module_init(&module, begin, composite_on_end);
	module_start(&module, &scope);
	settle();
}

static void a_module_is_a_sub_flow_as_one_task(void)
{
	run_module(begin_series);
	is_int(scope.n_live, 1);
	pass_ms(29);
	is_int(n_composites_ended, 0);
	pass_ms(1);
	is_int(n_composites_ended, 2);
	is_ptr(ended, &module.base.task);
	is_int(module.base.task.outcome, OUTCOME_OK);
	is_int(n_empty, 1);
}

static void its_outcome_is_not_that_of_its_tasks(void)
{
	run_module(begin_two);
	pass_ms(20);
	has_ended(&module.base.task, OUTCOME_OK);
	is_int(module.base.n_failed, 2);
}

static void start_another(struct task *task)
{
	task_start(probe_init(&probes[3], 10, OUTCOME_OK), task->scope);
}

static void a_task_inside_starts_more_in_its_scope(void)
{
	run_module(begin_two);
	probes[1].then = start_another;
	pass_ms(20);
	is_int(n_composites_ended, 0);
	pass_ms(10);
	has_ended(&module.base.task, OUTCOME_OK);
	is_int(probes[3].n_ended, 1);
}

static void end_module(struct task *task)
{
	is_ptr(module_of(task), &module);
	composite_end(&module_of(task)->base, OUTCOME_FAILED);
}

static void a_task_inside_may_end_it(void)
{
	run_module(begin_two);
	probes[0].then = end_module;
	pass_ms(10);
	has_ended(&module.base.task, OUTCOME_FAILED);
	is_int(probes[1].task.outcome, OUTCOME_CANCELLED);
}

static void a_module_that_starts_nothing_is_ok(void)
{
	run_module(begin_nothing);
	has_ended(&module.base.task, OUTCOME_OK);
	is_int(n_made, 1);
}

static void cancelling_it_reaches_all_inside(void)
{
	run_module(begin_series);
	task_cancel(&module.base.task);
	settle();
	is_int(n_composites_ended, 2);
	is_int(module.base.task.outcome, OUTCOME_CANCELLED);
	is_int(probes[0].n_cancelled, 1);
	is_int(n_ends, 3);
}

static void cancelled_before_its_turn_it_does_not_begin(void)
{
	n_made = 0;
	module_init(&module, begin_two, composite_on_end);
	module_start(&module, &scope);
	task_cancel(&module.base.task);
	settle();
	has_ended(&module.base.task, OUTCOME_CANCELLED);
	is_int(n_made, 0);
}

static void its_time_limit_is_its_own(void)
{
	module_init(&module, begin_two, composite_on_end);
	module.base.timeout_ms = 15;
	module_start(&module, &scope);
	pass_ms(15);
	has_ended(&module.base.task, OUTCOME_TIMED_OUT);
	is_false(scope.cancelled);
}

/* ------------------------------------------------------------ dynamic tasks */

static struct task *make_probe(struct dynamic *of)
{
	uint64_t *delay_ms = of->base.context;

	n_made++;
	return probe_init(&probes[0], *delay_ms, OUTCOME_TIMED_OUT);
}

static struct task *make_none(struct dynamic *of)
{
	(void)of;
	return NULL;
}

static void a_dynamic_task_is_made_when_its_turn_comes(void)
{
	struct series around;
	uint64_t delay_ms = 1;

	n_made = 0;
	series_init(&around, composite_on_end);
	dynamic_init(&dynamic, make_probe, probe_on_end);
	dynamic.base.task.on_end = composite_on_end;
	dynamic.base.context = &delay_ms;
	series_push_back(&around, probe_init(&probes[1], 10, OUTCOME_OK));
	series_push_back(&around, &dynamic.base.task);
	series_start(&around, &scope);
	pass_ms(9);
	is_int(n_made, 0);
	delay_ms = 5;
	pass_ms(1);
	is_int(n_made, 1);
	is_int(probes[0].delay_ms, 5);
	pass_ms(5);
	is_int(dynamic.base.task.outcome, OUTCOME_TIMED_OUT);
	is_int(around.base.task.outcome, OUTCOME_TIMED_OUT);
	is_int(n_composites_ended, 2);
}

static void one_that_could_not_be_made_has_failed(void)
{
	dynamic_init(&dynamic, make_none, composite_on_end);
	dynamic_start(&dynamic, &scope);
	settle();
	has_ended(&dynamic.base.task, OUTCOME_FAILED);
}

static void one_that_is_cancelled_before_its_turn_is_not_made(void)
{
	n_made = 0;
	dynamic_init(&dynamic, make_probe, composite_on_end);
	dynamic_start(&dynamic, &scope);
	task_cancel(&dynamic.base.task);
	settle();
	has_ended(&dynamic.base.task, OUTCOME_CANCELLED);
	is_int(n_made, 0);
}

static void cancelling_it_cancels_what_was_made(void)
{
	uint64_t delay_ms = 5;

	dynamic_init(&dynamic, make_probe, composite_on_end);
	dynamic.base.context = &delay_ms;
	dynamic_start(&dynamic, &scope);
	settle();
	task_cancel(&dynamic.base.task);
	settle();
	has_ended(&dynamic.base.task, OUTCOME_CANCELLED);
	is_int(probes[0].n_cancelled, 1);
}

/* ------------------------------------------------------------ empty tasks */

static void an_empty_task_is_ok(void)
{
	struct task task;

	empty_init(&task, composite_on_end);
	task_start(&task, &scope);
	is_int(n_composites_ended, 0);
	settle();
	has_ended(&task, OUTCOME_OK);
}

static void a_dropped_task_is_completed_without_its_start(void)
{
	task_drop(probe_init(&probes[0], 1, OUTCOME_OK), &scope);
	is_int(probes[0].n_ended, 0);
	settle();
	is_int(probes[0].n_ended, 1);
	is_int(probes[0].n_started, 0);
	is_int(probes[0].task.outcome, OUTCOME_CANCELLED);
	is_int(n_empty, 1);
}

/* ------------------------------------------------------------ composites that never start */

static void a_composite_that_does_not_start_leaves_its_children_to_their_owner(void)
{
	series_init(&inner, composite_on_end);
	series_push_back(&inner, probe_init(&probes[0], 1, OUTCOME_OK));
	task_drop(&inner.base.task, &scope);
	settle();
	has_ended(&inner.base.task, OUTCOME_CANCELLED);
	is_int(probes[0].n_ended, 0);
	is_int(probes[0].task.state, TASK_IDLE);
}

int main(void)
{
	TRY(a_module_is_a_sub_flow_as_one_task);
	TRY(its_outcome_is_not_that_of_its_tasks);
	TRY(a_task_inside_starts_more_in_its_scope);
	TRY(a_task_inside_may_end_it);
	TRY(a_module_that_starts_nothing_is_ok);
	TRY(cancelling_it_reaches_all_inside);
	TRY(cancelled_before_its_turn_it_does_not_begin);
	TRY(its_time_limit_is_its_own);
	TRY(a_dynamic_task_is_made_when_its_turn_comes);
	TRY(one_that_could_not_be_made_has_failed);
	TRY(one_that_is_cancelled_before_its_turn_is_not_made);
	TRY(cancelling_it_cancels_what_was_made);
	TRY(an_empty_task_is_ok);
	TRY(a_dropped_task_is_completed_without_its_start);
	TRY(a_composite_that_does_not_start_leaves_its_children_to_their_owner);
	return tap_done();
}
