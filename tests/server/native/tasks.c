/* tests/server/native/tasks.c: the tasks that a module's verb makes: in which order they start and
 * end, and how. What a verb is told, and what it tells: tests/modules/weave.c. */
#include "tests/server/native/loaded.h"
#include <dlfcn.h>

/* The plan is run, for as long as it takes. */
static void weave_start(const char *plan)
{
	char yaml[2000];

	begin_with("weave");
	snprintf(yaml, sizeof(yaml), "tasks: { n: { weave: %s } }", plan);
	run_yaml(yaml);
}

static void weaves_in(const char *plan, uint64_t ms, const char *log)
{
	char want[2000];

	weave_start(plan);
	pass(ms);
	ended_ok();
	snprintf(want, sizeof(want), "\"%s\"", log);
	gives("n", want);
	end_with();
}

#define weaves(plan, log) weaves_in(plan, 100, log)

/* ------------------------------------------------------------ series */

static void a_series_runs_its_tasks_one_after_the_other(void)
{
	weaves("{ name: s, series: [ { timer: 30, name: a }, { timer: 10, name: b }, { name: c } ] "
	       "}",
	       "a=ok b=ok c=ok s=ok");
	weaves("{ name: s, series: [] }", "s=ok");
}

static void a_series_grows_while_it_runs(void)
{
	weaves("{ series: [ { push: [ { name: x }, { timer: 5, name: y } ], name: a }, { name: b } "
	       "] "
	       "}",
	       "a=ok x=ok y=ok b=ok");
	weaves("{ series: [ { push: [ { push: [ { name: x } ], name: w } ], name: a } ] }",
	       "a=ok w=ok x=ok");
}

static void a_series_ends_with_the_first_that_is_not_ok(void)
{
	weaves("{ name: s, series: [ { name: a }, { http: \"nowhere:/\", name: b }, { name: c } ] "
	       "}",
	       "a=ok b=failed:not_found c=cancelled s=failed");
	weaves("{ name: s, go_on: true, series: [ { http: \"nowhere:/\", name: b }, { name: c } ] "
	       "}",
	       "b=failed:not_found c=ok s=ok");
}

static void a_composite_has_a_time(void)
{
	weaves_in(
		"{ name: s, timeout: 20, series: [ { timer: 10, name: a }, { timer: 50, name: b } "
		"] }",
		25, "a=ok b=cancelled s=timed_out:timeout");
	weaves_in(
		"{ name: p, timeout: 20, parallel: [ { timer: 10, name: a }, { counter: 1, name: b "
		"} ] }",
		25, "a=ok b=cancelled p=timed_out:timeout");
	weaves_in(
		"{ name: g, timeout: 20, graph: { a: { timer: 10, name: a }, b: { timer: 30, name: "
		"b, after: [a] } } }",
		25, "a=ok b=cancelled g=timed_out:timeout");
}

/* ------------------------------------------------------------ parallels */

static void a_parallel_runs_its_tasks_side_by_side(void)
{
	weaves_in("{ name: p, parallel: [ { timer: 30, name: a }, { timer: 10, name: b }, { timer: "
		  "20, name: c } ] }",
		  31, "b=ok c=ok a=ok p=ok");
	weaves("{ name: p, parallel: [] }", "p=ok");
	weaves_in("{ max: 1, parallel: [ { timer: 30, name: a }, { timer: 10, name: b } ] }", 41,
		  "a=ok b=ok");
}

static void a_parallel_ends_as_its_policy_says(void)
{
	weaves_in(
		"{ name: p, parallel: [ { timer: 30, name: a }, { http: \"nowhere:/\", name: b } ] "
		"}",
		5, "b=failed:not_found a=cancelled p=failed");
	weaves_in("{ name: p, policy: any, parallel: [ { timer: 30, name: a }, { timer: 5, name: b "
		  "}, "
		  "{ http: \"nowhere:/\", name: c } ] }",
		  6, "c=failed:not_found b=ok a=cancelled p=ok");
	weaves("{ name: p, policy: any, parallel: [ { http: \"nowhere:/\", name: c } ] }",
	       "c=failed:not_found p=failed");
	weaves_in("{ name: p, policy: each, parallel: [ { timer: 30, name: a }, { http: "
		  "\"nowhere:/\", name: b } ] }",
		  31, "b=failed:not_found a=ok p=ok");
}

/* ------------------------------------------------------------ graphs */

static void a_graph_runs_its_tasks_in_the_order_of_their_dependencies(void)
{
	weaves_in("{ name: g, graph: { d: { name: d, after: [b, c] }, b: { timer: 20, name: b, "
		  "after: "
		  "[a] }, c: { timer: 10, name: c, after: [a] }, a: { timer: 5, name: a } } }",
		  26, "a=ok c=ok b=ok d=ok g=ok");
	weaves("{ name: g, graph: {} }", "g=ok");
}

static void what_stands_behind_a_failure_in_a_graph_is_cancelled(void)
{
	weaves("{ name: g, graph: { a: { http: \"nowhere:/\", name: a }, b: { name: b, after: [a] "
	       "}, c: "
	       "{ timer: 9, name: c }, d: { name: d, after: [b] } } }",
	       "a=failed:not_found b=cancelled d=cancelled c=ok g=failed");
}

static void composites_are_nested(void)
{
	weaves_in("{ series: [ { graph: { a: { parallel: [ { timer: 5, name: x }, { series: [ { "
		  "timer: "
		  "1, name: y }, { timer: 1, name: z } ] } ] }, b: { name: b, after: [a] } } }, { "
		  "name: "
		  "c } ] }",
		  6, "y=ok z=ok x=ok b=ok c=ok");
}

/* ------------------------------------------------------------ counters */

static void a_counter_ends_when_it_was_counted_often_enough(void)
{
	weaves("{ parallel: [ { counter: 3, name: n }, { count: 2, timer: 5, name: a }, { count: "
	       "1, "
	       "timer: 9, name: b } ] }",
	       "a=ok b=ok n=ok");
	weaves("{ counter: 0, name: n }", "n=ok");
}

static void counting_may_begin_before_the_start_and_go_past_the_target(void)
{
	weaves("{ parallel: [ { series: [ { timer: 20 }, { counter: 2, name: n } ] }, { count: 5, "
	       "name: "
	       "a }, { count: 1, timer: 30, name: b } ] }",
	       "a=ok n=ok b=ok");
}

static void a_task_can_be_cancelled(void)
{
	weaves_in("{ policy: each, parallel: [ { counter: 3, name: n }, { cancel: 1, timer: 5, "
		  "name: a "
		  "} ] }",
		  6, "a=ok n=cancelled");
}

/* ------------------------------------------------------------ futures */

static void a_future_ends_when_its_promise_is_completed(void)
{
	weaves("{ future: now, name: f }", "f=ok:5");
	weaves("{ parallel: [ { future: held, name: f }, { complete: set, timer: 5, name: a } ] }",
	       "a=ok f=ok:7");
	weaves("{ policy: each, parallel: [ { future: held, name: f }, { complete: nonsense } ] }",
	       "f=failed:bad_response");
	weaves("{ policy: each, parallel: [ { future: held, name: f }, { complete: fail } ] }",
	       "f=failed:too_small");
	weaves("{ policy: each, parallel: [ { future: held, name: f }, { complete: drop } ] }",
	       "f=failed:aborted");
}

static void any_thread_may_complete_a_promise(void)
{
	weave_start("{ series: [ { future: thread, name: f }, { name: b } ] }");
	await_end();
	ended_ok();
	gives("n", "\"f=ok:data b=ok\"");
	end_with();
}

/* The module may be unloaded as soon as its call is over, before the loop has the value that was on its way. */
static void what_a_promise_was_set_to_is_freed_when_its_call_ends(void)
{
	const atomic_int *n_released;

	begin_with("weave");
	n_released = dlsym(natives.libraries[0]->handle, "n_released");
	check(n_released);
	check(compile("tasks: { n: { weave: { parallel: [ { future: given }, { fail: too_large } ] "
		      "} } }"));
	start();
	loop_run_once(loop,
		      false); /* the call begins and ends in it, and no post is run meanwhile */
	ended_by("too_large", "n");
	is_int(atomic_load(n_released), 2); /* and the call's state */
	settle();
	is_int(atomic_load(n_released), 2);
	end_with();
}

static void a_promise_may_be_completed_when_its_call_is_over(void)
{
	weave_start("{ timeout: 10, series: [ { future: left, name: f } ] }");
	pass(11);
	gives("n", "\"f=cancelled\"");
	n_ended = 0;
	forget();
	context = mem_zalloc(sizeof(*context));
	run = mem_zalloc(sizeof(*run));
	*context = (struct context){
		.ops = &try_ops, .loop = loop, .client = client, .arena = &run_arena, .homes = homes
	};
	run_yaml("tasks: { n: { native: weave.left } }");
	await_end();
	gives("n[0]", "true");
	end_with();
}

/* ------------------------------------------------------------ names */

static void a_signal_wakes_those_who_await_its_name(void)
{
	weaves("{ parallel: [ { await: x, name: a }, { series: [ { timer: 5 }, { signal: x, "
	       "message: 5, "
	       "name: s } ] } ] }",
	       "a=ok [5] s=ok:1");
	weaves("{ parallel: [ { await: x, times: 2, name: a }, { series: [ { signal: x, message: "
	       "{k: "
	       "1} }, { signal: x, name: s } ] } ] }",
	       "a=ok [{\\\"k\\\":1},null] s=ok:1");
	weaves("{ signal: x, name: s }", "s=ok:0");
}

static void a_signal_that_is_kept_may_come_first(void)
{
	weaves("{ series: [ { signal: x, message: 7, keep: 1000, name: s }, { timer: 5 }, { await: "
	       "x, "
	       "name: a } ] }",
	       "s=ok:0 a=ok [7]");
}

static void an_await_has_its_time_and_can_be_cancelled(void)
{
	weaves_in("{ go_on: true, series: [ { await: x, wait: 20, name: a } ] }", 21,
		  "a=timed_out:timeout");
	weaves_in("{ timeout: 20, series: [ { await: x, name: a } ] }", 21, "a=cancelled");
}

static void names_are_those_of_yaml(void)
{
	begin_with("weave");
	run_yaml("tasks: { n: { weave: { await: x, name: a } }, s: { signal: x, message: 9, wake: "
		 "1, "
		 "keep: 1s } }");
	pass(1);
	ended_ok();
	gives("n", "\"a=ok [9]\"");
	end_with();
}

/* ------------------------------------------------------------ computing */

static void a_computation_gives_its_result_and_its_data(void)
{
	weave_start("{ series: [ { compute: 41, name: v }, { compute: null, name: d } ] }");
	await_end();
	gives("n", "\"v=ok:41 d=ok:Data\"");
	end_with();
}

static void a_computation_fails_as_it_says(void)
{
	weave_start("{ go_on: true, series: [ { compute: fail, name: f }, { name: b } ] }");
	await_end();
	gives("n", "\"f=failed:too_small b=ok\"");
	end_with();
}

static void a_computation_that_is_cancelled_is_left_behind(void)
{
	weave_start("{ timeout: 10, series: [ { compute: spin, name: s } ] }");
	usleep(20000);
	pass(11);
	ended_ok();
	gives("n", "\"s=cancelled\"");
	end_with();
}

/* ------------------------------------------------------------ the call */

static void a_call_without_tasks_is_over_at_once(void)
{
	begin_with("weave");
	run_yaml("tasks: { n: { weave_nothing: x }, m: { weave_idle: x } }");
	ended_ok();
	gives("[n, m]", "[3,null]");
	end_with();
}

static void tasks_that_were_started_keep_the_call(void)
{
	weaves("{ parallel: [ { start: [ { timer: 5, name: x } ], name: a } ] }", "a=ok");
}

static void a_failure_cancels_what_is_live_and_ends_the_call(void)
{
	begin_with("weave");
	run_yaml("tasks: { n: { weave_fail: x } }");
	ended_by("too_small", "n");
	is_str(run->failure.detail, STR("at once"));
	end_with();
	weave_start(
		"{ parallel: [ { timer: 50, name: a }, { fail: too_large, timer: 5, name: f } ] }");
	pass(6);
	ended_by("too_large", "n");
	is_str(run->failure.detail, STR("as it was told"));
	end_with();
}

static void the_deadline_of_the_task_cancels_all(void)
{
	begin_with("weave");
	run_yaml("tasks: { n: { timeout: 20ms, weave: { parallel: [ { timer: 50 }, { future: held "
		 "}, { "
		 "series: [ { counter: 1 } ] }, { compute: spin } ] } } }");
	usleep(20000);
	pass(21);
	ended_by("timeout", "n");
	end_with();
}

static void a_flow_that_is_cancelled_cancels_all(void)
{
	weave_start(
		"{ parallel: [ { timer: 50 }, { future: held }, { graph: { a: { counter: 1 } } } ] "
		"}");
	flow_run_cancel(run);
	settle();
	ended_by("cancelled", "n");
	end_with();
}

static void a_call_may_have_tasks_as_long_as_it_has_memory(void)
{
	weaves("{ again: 3000, name: a }", "");
	weave_start("{ again: 1000000 }");
	for (int i = 0; i < 200; i++)
		settle();
	ended_by("memory_limit", "n");
	end_with();
}

int main(void)
{
	clock_freeze(NS_PER_S, 0);
	TEST(a_series_runs_its_tasks_one_after_the_other);
	TEST(a_series_grows_while_it_runs);
	TEST(a_series_ends_with_the_first_that_is_not_ok);
	TEST(a_composite_has_a_time);
	TEST(a_parallel_runs_its_tasks_side_by_side);
	TEST(a_parallel_ends_as_its_policy_says);
	TEST(a_graph_runs_its_tasks_in_the_order_of_their_dependencies);
	TEST(what_stands_behind_a_failure_in_a_graph_is_cancelled);
	TEST(composites_are_nested);
	TEST(a_counter_ends_when_it_was_counted_often_enough);
	TEST(counting_may_begin_before_the_start_and_go_past_the_target);
	TEST(a_task_can_be_cancelled);
	TEST(a_future_ends_when_its_promise_is_completed);
	TEST(any_thread_may_complete_a_promise);
	TEST(what_a_promise_was_set_to_is_freed_when_its_call_ends);
	TEST(a_promise_may_be_completed_when_its_call_is_over);
	TEST(a_signal_wakes_those_who_await_its_name);
	TEST(a_signal_that_is_kept_may_come_first);
	TEST(an_await_has_its_time_and_can_be_cancelled);
	TEST(names_are_those_of_yaml);
	TEST(a_computation_gives_its_result_and_its_data);
	TEST(a_computation_fails_as_it_says);
	TEST(a_computation_that_is_cancelled_is_left_behind);
	TEST(a_call_without_tasks_is_over_at_once);
	TEST(tasks_that_were_started_keep_the_call);
	TEST(a_failure_cancels_what_is_live_and_ends_the_call);
	TEST(the_deadline_of_the_task_cancels_all);
	TEST(a_flow_that_is_cancelled_cancels_all);
	TEST(a_call_may_have_tasks_as_long_as_it_has_memory);
	return tap_done();
}
