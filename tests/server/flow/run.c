/* tests/server/flow/run.c: the order of tasks, their ends, their modifiers. The clock stands
 * still but for pass(). */
#include "tests/server/flow/try.h"

/* ------------------------------------------------------------ order */

static void an_empty_flow_ends_well(void)
{
	begin();
	run_yaml("tasks: {}\n");
	ended_ok();
	is_true(flow_is_empty(main_flow));
	end();
}

static void tasks_that_do_not_refer_to_each_other_run_at_once(void)
{
	begin();
	run_yaml("tasks:\n  a: {wait: 100ms}\n  b: {wait: 100ms}\n  c: {wait: 100ms}\n");
	pass(99);
	is_int(n_ended, 0);
	pass(1);
	ended_ok();
	gives("[a.ms, b.ms, c.ms]", "[100,100,100]");
	end();
}

static void a_diamond_runs_in_the_order_of_its_references(void)
{
	begin();
	run_yaml("tasks:\n"
		 "  d: {value: \"${b.ms + c.ms}\"}\n"
		 "  b: {wait: \"${a * 2}\"}\n"
		 "  c: {wait: \"${a * 3}\"}\n"
		 "  a: {value: 10}\n");
	pass(29);
	is_int(n_ended, 0);
	pass(1);
	ended_ok();
	gives("d", "50");
	end();
}

static void after_gives_order_without_data(void)
{
	begin();
	run_yaml("tasks:\n  a: {wait: 10ms}\n  b: {wait: 10ms, after: a}\n"
		 "  c: {wait: 10ms, after: [a, b]}\n");
	pass(29);
	is_int(n_ended, 0);
	pass(1);
	ended_ok();
	end();
}

static void a_chain_of_a_thousand_needs_no_stack(void)
{
	struct buf yaml;

	begin();
	buf_init(&yaml, 1 << 20);
	buf_printf(&yaml, "tasks:\n  t0: {value: 1}\n");
	for (int i = 1; i < FLOW_TASKS_MAX; i++)
		buf_printf(&yaml, "  t%d: {value: \"${t%d + 1}\"}\n", i, i - 1);
	buf_add_char(&yaml, '\0');
	run_yaml(yaml.data);
	settle();
	ended_ok();
	gives("t999", "1000");
	buf_fini(&yaml);
	end();
}

static void guards_pass_before_anything_else_starts(void)
{
	begin();
	with_roots("{\"query\": {}}");
	run_yaml(
		"tasks:\n"
		"  out: {log: started}\n"
		"  first: {wait: 10ms}\n"
		"  no_id: {fail: invalid_input, when: \"first.ok && query.id == null\", detail: id "
		"is missing}\n");
	is_text(log_text, "");
	pass(10);
	ended_by("invalid_input", "no_id");
	is_int(failure_status(&run->failure), 400);
	is_str(run->failure.detail, STR("id is missing"));
	is_text(log_text, "");
	end();
}

static void guards_that_pass_let_the_others_start(void)
{
	begin();
	with_roots("{\"query\": {\"id\": \"7\"}}");
	run_yaml("tasks:\n"
		 "  out: {log: \"started ${query.id}\"}\n"
		 "  no_id: {fail: invalid_input, when: query.id == null}\n"
		 "  odd: {fail: odd_id, when: query.id == \"8\", status: 422}\n");
	ended_ok();
	gives("[no_id.skipped, odd.skipped, out.ok]", "[true,true,true]");
	is_text(log_text, "info task log task=out text=\"started 7\" id=req-1\n");
	end();
}

static void the_plan_can_be_looked_at(void)
{
	struct flow_task_info info;

	begin();
	is_true(compile("tasks:\n"
			"  a: {value: 1}\n"
			"  g: {fail: nope, when: \"a == 2\"}\n"
			"  b: {wait: 1s, timeout: 5s, optional: true}\n"
			"  c: {value: \"${b.ok}\", default: 0}\n"
			"  d: {log: x, detach: true, after: c}\n"
			"  e: {tasks: {x: {value: \"${c}\"}}}\n"));
	is_int(flow_n_tasks(main_flow), 6);
	flow_task_info(main_flow, 0, &info);
	is_int(info.wave, 0);
	is_int(info.n_before, 0);
	is_str(info.verb, STR("value"));
	is_str(info.summary, STR("1"));
	flow_task_info(main_flow, 1, &info);
	is_int(info.wave, 1);
	is_true(info.guard);
	flow_task_info(main_flow, 2, &info);
	is_int(info.wave, 2);
	is_true(info.optional);
	is_int(info.timeout_ms, 5000);
	is_int(info.n_before, 1);
	is_int(info.before[0], 1);
	flow_task_info(main_flow, 3, &info);
	is_true(info.has_default);
	is_int(info.wave, 3);
	flow_task_info(main_flow, 4, &info);
	is_true(info.detached);
	is_str(info.verb, STR("log"));
	flow_task_info(main_flow, 5, &info);
	is_int(info.wave, 4);
	is_int(flow_n_tasks(info.group), 1);
	end();
}

/* ------------------------------------------------------------ ends */

static void a_required_failure_stops_the_flow_and_cancels_what_is_live(void)
{
	begin();
	run_yaml("tasks:\n  slow: {wait: 1h}\n  bad: {value: \"${1 / query.n}\", after: w}\n"
		 "  w: {wait: 5ms}\n  never: {value: \"${bad}\"}\n");
	pass(5);
	ended_by("expr_error", "bad");
	is_int(failure_status(&run->failure), 500);
	gives("[slow.ok, slow.failed, slow.error.code]", "[false,true,\"cancelled\"]");
	gives("[never.ok, never.failed, never.skipped, never.result]", "[false,false,true,null]");
	gives("error.code", "\"expr_error\"");
	gives("error.task", "\"bad\"");
	end();
}

static void optional_gives_null(void)
{
	begin();
	run_yaml("tasks:\n  a: {value: \"${1 / query.z}\", optional: true}\n"
		 "  b: {value: \"${a ?? 'none'}\"}\n");
	ended_ok();
	gives("[a, a.result, a.ok, a.failed, a.skipped, b]",
	      "[null,null,false,true,false,\"none\"]");
	gives("a.error.code", "\"expr_error\"");
	gives("a.error.status", "500");
	end();
}

static void default_replaces_the_main_result(void)
{
	begin();
	run_yaml("tasks:\n  base: {value: 4}\n"
		 "  a: {value: \"${base / query.z}\", default: {n: \"${base}\"}}\n"
		 "  b: {value: \"${a.result.n + 1}\"}\n"
		 "  w: {wait: \"x${base}\", default: 9}\n");
	ended_ok();
	gives("[a, a.result, a.failed, a.ok, b, w, w.failed]",
	      "[{\"n\":4},{\"n\":4},true,false,5,9,true]");
	end();
}

static void a_default_of_null_is_a_default(void)
{
	begin();
	run_yaml("tasks:\n  a: {value: \"${1 / query.z}\", default: null}\n");
	ended_ok();
	gives("[a, a.failed]", "[null,true]");
	end();
}

static void a_default_that_fails_is_none(void)
{
	begin();
	run_yaml("tasks:\n  a: {value: \"${query.a / query.z}\", default: \"${1 % query.z}\"}\n");
	ended_by("expr_error", "a");
	end();
}

static void what_a_skipped_task_feeds_still_runs(void)
{
	begin();
	with_roots("{\"query\": {\"go\": \"no\"}}");
	run_yaml("tasks:\n  a: {value: 1, when: query.go == 'yes'}\n"
		 "  b: {value: \"${a ?? 2}\", when: \"${not a.ok}\"}\n  c: {wait: 0, when: "
		 "query.none}\n");
	ended_ok();
	gives("[a, a.skipped, a.ok, a.failed, a.error, b, c.skipped]",
	      "[null,true,false,false,null,2,true]");
	end();
}

static void a_condition_that_is_no_boolean_fails(void)
{
	begin();
	with_roots("{\"query\": {\"go\": \"no\"}}");
	run_yaml("tasks:\n  a: {value: 1, when: query.go}\n");
	ended_by("expr_error", "a");
	end();
	begin();
	with_roots("{\"query\": {\"go\": \"no\"}}");
	run_yaml("tasks:\n  a: {value: 1, when: \"${query.go}\", default: 7}\n");
	ended_ok();
	gives("a", "7");
	end();
}

static void a_timeout_fails_the_task_only(void)
{
	begin();
	run_yaml("tasks:\n  a: {wait: 1h, timeout: 20ms, default: late}\n"
		 "  b: {value: \"${a}\"}\n");
	pass(19);
	is_int(n_ended, 0);
	pass(1);
	ended_ok();
	gives("[b, a.error.code, a.error.status, a.ms]", "[\"late\",\"timeout\",504,20]");
	end();
}

static void a_required_timeout_ends_the_flow(void)
{
	begin();
	run_yaml("tasks:\n  a: {wait: 1h, timeout: 20ms}\n  b: {wait: 2h}\n");
	pass(20);
	ended_by("timeout", "a");
	is_int(failure_status(&run->failure), 504);
	end();
}

static void the_deadline_of_the_flow_ends_it_with_timeout(void)
{
	begin();
	is_true(compile("tasks:\n  a: {wait: 1ms}\n  b: {wait: 1h, default: 1}\n"));
	flow_run_init(run, main_flow, context, try_on_end);
	flow_run_set_deadline(run, clock_monotonic_ns() + 30 * NS_PER_MS);
	flow_run_start(run);
	pass(29);
	is_int(n_ended, 0);
	pass(1);
	ended_by("timeout", "b");
	gives("[a.ok, b.failed, b]", "[true,true,null]");
	end();
}

static void a_deadline_that_has_passed_still_ends_once(void)
{
	begin();
	is_true(compile("tasks:\n  a: {wait: 1h}\n"));
	flow_run_init(run, main_flow, context, try_on_end);
	flow_run_set_deadline(run, clock_monotonic_ns() - 1);
	flow_run_start(run);
	pass(2);
	ended_by("timeout", "a");
	end();
}

static void cancelling_ends_everything_once(void)
{
	begin();
	run_yaml("tasks:\n  a: {wait: 1h, default: 1}\n  b: {wait: 1h, optional: true}\n"
		 "  r: {wait: \"${z}s.\", retry: {wait: 1h, codes: [expr_error]}}\n"
		 "  z: {value: 1}\n"
		 "  g: {tasks: {x: {wait: 1h}, y: {tasks: {v: {wait: 2h}}}}}\n");
	is_int(n_ended, 0);
	flow_run_cancel(run);
	flow_run_cancel(run);
	is_int(n_ended, 0);
	settle();
	is_int(n_ended, 1);
	is_str(failure_code(&run->failure), STR("cancelled"));
	flow_run_cancel(run);
	settle();
	is_int(n_ended, 1);
	end();
}

static void cancelling_before_the_start_ends_it_too(void)
{
	begin();
	is_true(compile("tasks:\n  a: {wait: 1h}\n"));
	flow_run_init(run, main_flow, context, try_on_end);
	flow_run_cancel(run);
	flow_run_start(run);
	is_int(n_ended, 0);
	settle();
	is_int(n_ended, 1);
	is_str(failure_code(&run->failure), STR("cancelled"));
	end();
}

static void without_memory_the_flow_ends_with_memory_limit(void)
{
	begin();
	is_true(compile("tasks:\n  a: {wait: 1h}\n  b: {wait: 1h}\n"));
	run_arena.max = 100;
	start();
	is_int(n_ended, 0);
	settle();
	ended_by("memory_limit", "");
	gives("[a, a.ok, b.failed]", "[null,false,false]");
	end();
}

static void a_task_that_needs_too_much_memory_fails_alone(void)
{
	begin();
	run_yaml("tasks:\n"
		 "  a: {value: \"0123456789012345678901234567890123456789\"}\n"
		 "  b: {value: \"${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}\"}\n"
		 "  c: {value: \"${b}${b}${b}${b}${b}${b}${b}${b}${b}${b}\"}\n"
		 "  d: {value: \"${c}${c}${c}${c}${c}${c}${c}${c}${c}${c}\"}\n"
		 "  e: {value: \"${d}${d}${d}${d}${d}${d}${d}${d}${d}${d}\", default: big}\n");
	ended_ok();
	gives("[e, e.error.code, len(d)]", "[\"big\",\"memory_limit\",40000]");
	end();
}

/* ------------------------------------------------------------ retry */

static int lines_of_log(void)
{
	int n = 0;

	for (const char *at = log_text; *at; at++)
		n += *at == '\n';
	return n;
}

static void a_retry_counts_its_tries(void)
{
	begin();
	run_yaml("tasks:\n"
		 "  a:\n"
		 "    retry: {times: 3, wait: 100ms, codes: [expr_error]}\n"
		 "    tasks:\n"
		 "      l: {log: try}\n"
		 "      x: {value: \"${1 / query.z}\", after: l}\n");
	is_int(lines_of_log(), 1);
	pass(49);
	is_int(lines_of_log(), 1); /* at least half of 100 ms */
	pass(51);
	is_int(lines_of_log(), 2);
	pass(100);
	is_true(lines_of_log() <= 3);
	pass(100);
	is_int(lines_of_log(), 3);
	is_int(n_ended, 0);
	pass(400);
	is_int(lines_of_log(), 4);
	ended_by("expr_error", "a.x");
	end();
}

static void what_codes_do_not_name_is_not_tried_again(void)
{
	begin();
	run_yaml("tasks:\n  a: {fail: busy, retry: {times: 3, codes: [timeout, 503]}}\n");
	ended_by("busy", "a");
	end();
	begin();
	run_yaml("tasks:\n  a: {value: \"${1 / query.z}\", retry: 5}\n");
	ended_by("expr_error", "a");
	end();
}

static void what_may_pass_is_tried_again_by_default(void)
{
	begin();
	run_yaml("tasks:\n  a: {fail: unavailable, retry: {times: 1, wait: 10ms}}\n");
	is_int(n_ended, 0);
	pass(10);
	ended_by("unavailable", "a");
	is_int(failure_status(&run->failure), 503);
	end();
}

static void the_pause_is_at_most_ten_seconds(void)
{
	begin();
	run_yaml("tasks:\n  a: {fail: unavailable, retry: {times: 2, wait: 9s}}\n");
	clock_advance(9 * NS_PER_S);
	settle();
	clock_advance(10 * NS_PER_S);
	settle();
	ended_by("unavailable", "a");
	end();
}

static void a_timeout_covers_the_pauses(void)
{
	begin();
	run_yaml("tasks:\n  a: {fail: unavailable, timeout: 30ms, retry: {times: 9, wait: 1h}, "
		 "default: 3}\n");
	pass(29);
	is_int(n_ended, 0);
	pass(1);
	ended_ok();
	gives("[a, a.error.code]", "[3,\"timeout\"]");
	end();
}

static void a_retry_can_succeed(void)
{
	begin();
	with_roots("{\"body\": 1}");
	run_yaml("tasks:\n  a: {wait: \"${body}\", retry: {times: 2, wait: 10ms, codes: "
		 "[expr_error]}}\n");
	pass(1);
	ended_ok();
	end();
	begin();
	with_roots("{\"body\": {}}");
	run_yaml("tasks:\n  a: {wait: \"${body}\", retry: {times: 2, wait: 10ms, codes: "
		 "[expr_error]}}\n");
	is_int(n_ended, 0);
	roots = value_null();
	with_roots("{\"body\": 1}");
	pass(11);
	ended_ok();
	gives("a.error", "null");
	end();
}

static void defaults_of_the_file_are_for_every_task(void)
{
	begin();
	run_yaml("defaults: {task: {timeout: 20ms}}\n"
		 "tasks:\n  a: {wait: 1h, optional: true}\n"
		 "  b: {wait: 1h, timeout: 40ms, optional: true}\n");
	pass(39);
	is_int(n_ended, 0);
	pass(1);
	ended_ok();
	gives("[a.ms, b.ms]", "[20,40]");
	end();
}

int main(void)
{
	clock_freeze(UINT64_C(1000) * NS_PER_S, INT64_C(1700000000) * (int64_t)NS_PER_S);
	TEST(an_empty_flow_ends_well);
	TEST(tasks_that_do_not_refer_to_each_other_run_at_once);
	TEST(a_diamond_runs_in_the_order_of_its_references);
	TEST(after_gives_order_without_data);
	TEST(a_chain_of_a_thousand_needs_no_stack);
	TEST(guards_pass_before_anything_else_starts);
	TEST(guards_that_pass_let_the_others_start);
	TEST(the_plan_can_be_looked_at);
	TEST(a_required_failure_stops_the_flow_and_cancels_what_is_live);
	TEST(optional_gives_null);
	TEST(default_replaces_the_main_result);
	TEST(a_default_of_null_is_a_default);
	TEST(a_default_that_fails_is_none);
	TEST(what_a_skipped_task_feeds_still_runs);
	TEST(a_condition_that_is_no_boolean_fails);
	TEST(a_timeout_fails_the_task_only);
	TEST(a_required_timeout_ends_the_flow);
	TEST(the_deadline_of_the_flow_ends_it_with_timeout);
	TEST(a_deadline_that_has_passed_still_ends_once);
	TEST(cancelling_ends_everything_once);
	TEST(cancelling_before_the_start_ends_it_too);
	TEST(without_memory_the_flow_ends_with_memory_limit);
	TEST(a_task_that_needs_too_much_memory_fails_alone);
	TEST(a_retry_counts_its_tries);
	TEST(what_codes_do_not_name_is_not_tried_again);
	TEST(what_may_pass_is_tried_again_by_default);
	TEST(the_pause_is_at_most_ten_seconds);
	TEST(a_timeout_covers_the_pauses);
	TEST(a_retry_can_succeed);
	TEST(defaults_of_the_file_are_for_every_task);
	return tap_done();
}
