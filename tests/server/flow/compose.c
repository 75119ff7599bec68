/* tests/server/flow/compose.c: flows in flows: groups, calls, detached tasks, and their verbs. */
#include "tests/server/flow/try.h"

/* ------------------------------------------------------------ groups */

static void a_group_gives_an_object_of_its_results(void)
{
	begin();
	run_yaml("tasks:\n  g:\n    tasks:\n      a: {value: 1}\n      b: {value: \"${a + 1}\"}\n"
		 "      w: {wait: 0}\n      d: {wait: 0, detach: true}\n");
	pass(1);
	ended_ok();
	gives("[g, g.result.b]", "[{\"a\":1,\"b\":2,\"w\":null},2]");
	end();
}

static void a_group_may_say_its_result(void)
{
	begin();
	run_yaml("tasks:\n  o: {value: 5}\n  g:\n    result: {sum: \"${a + o}\"}\n"
		 "    tasks:\n      a: {value: 1}\n");
	ended_ok();
	gives("g", "{\"sum\":6}");
	end();
}

static void inner_tasks_see_the_outer_ones_and_wait_for_them(void)
{
	begin();
	run_yaml("tasks:\n"
		 "  g:\n"
		 "    tasks:\n"
		 "      h:\n"
		 "        tasks:\n"
		 "          x: {value: \"${o.ms + i}\"}\n"
		 "        result: ${x + o.ms + i}\n"
		 "      i: {value: 1}\n"
		 "  o: {wait: 10ms}\n"
		 "  before: {log: at once}\n");
	is_text(log_text, "info task log task=before text=\"at once\" id=req-1\n");
	pass(10);
	ended_ok();
	gives("g", "{\"h\":22,\"i\":1}");
	end();
}

static void inner_names_are_not_seen_outside(void)
{
	refused("tasks:\n  g:\n    tasks:\n      inner: {value: 1}\n  b: {value: \"${inner}\"}\n",
		"5:17: unknown name \"inner\"");
}

static void an_inner_failure_fails_the_group(void)
{
	begin();
	run_yaml("tasks:\n  g:\n    tasks:\n      h:\n        tasks:\n"
		 "          x: {fail: oh_no, status: 418, detail: tea}\n"
		 "          y: {wait: 1h}\n");
	ended_by("oh_no", "g.h.x");
	is_int(failure_status(&run->failure), 418);
	is_str(run->failure.detail, STR("tea"));
	end();
	begin();
	run_yaml("tasks:\n  g:\n    default: {n: 0}\n    tasks:\n"
		 "      x: {fail: oh_no}\n");
	ended_ok();
	gives("[g, g.error.code, g.error.task, g.error.status]",
	      "[{\"n\":0},\"oh_no\",\"g.x\",500]");
	end();
}

static void a_group_has_one_deadline(void)
{
	begin();
	run_yaml("tasks:\n  g:\n    timeout: 20ms\n    optional: true\n    tasks:\n"
		 "      x: {wait: 1h}\n      y: {wait: 1h}\n");
	pass(19);
	is_int(n_ended, 0);
	pass(1);
	ended_ok();
	gives("[g, g.error.code, g.error.task]", "[null,\"timeout\",\"g.x\"]");
	end();
}

static void a_guard_in_a_group_guards_the_group(void)
{
	begin();
	run_yaml("tasks:\n  g:\n    optional: true\n    tasks:\n      no: {fail: nope}\n"
		 "      x: {log: inside}\n  y: {log: outside}\n");
	ended_ok();
	is_text(log_text, "info task log task=y text=outside id=req-1\n");
	end();
}

/* ------------------------------------------------------------ calls */

static void a_call_gives_the_result_of_the_flow(void)
{
	begin();
	run_yaml("flows:\n  add: {tasks: {s: {value: \"${with.a + with.b}\"}}, result: "
		 "\"${s * 2}\"}\n"
		 "tasks:\n  n: {value: 20}\n  x: {call: add, with: {a: 1, b: \"${n}\"}}\n"
		 "  y: {value: \"${x.result + 0}\"}\n");
	ended_ok();
	gives("[x, y]", "[42,42]");
	end();
}

static void what_with_does_not_say_is_null(void)
{
	begin();
	run_yaml("flows:\n  f: {result: \"${[with.a, with]}\"}\n"
		 "tasks:\n  x: {call: f}\n  y: {call: f, with: {b: 1}}\n");
	ended_ok();
	gives("[x, y]", "[[null,null],[null,{\"b\":1}]]");
	end();
}

static void a_flow_without_result_gives_null(void)
{
	begin();
	run_yaml("flows:\n  f: {tasks: {a: {value: 1}}}\ntasks:\n  x: {call: f}\n");
	ended_ok();
	gives("x", "null");
	end();
}

static void groups_in_a_called_flow_see_with(void)
{
	begin();
	run_yaml("flows:\n  f:\n    tasks: {g: {tasks: {a: {value: \"${with.n}\"}}}}\n"
		 "    result: ${g.result.a}\n"
		 "tasks:\n  x: {call: f, with: {n: 3}}\n");
	ended_ok();
	gives("x", "3");
	end();
}

static void a_failure_in_a_called_flow_is_that_of_the_call(void)
{
	begin();
	run_yaml("flows:\n  f: {tasks: {a: {fail: not_found, detail: no such thing}}}\n"
		 "tasks:\n  x: {call: f}\n");
	ended_by("not_found", "x.a");
	is_int(failure_status(&run->failure), 404);
	end();
	begin();
	run_yaml("flows:\n  f: {result: \"${1 / with.n}\"}\n"
		 "tasks:\n  x: {call: f, with: {n: 0}, default: 8}\n");
	ended_ok();
	gives("[x, x.error.code]", "[8,\"expr_error\"]");
	end();
}

static void endless_recursion_ends_with_flow_depth(void)
{
	begin();
	run_yaml("flows:\n  f: {tasks: {a: {call: f}}}\ntasks:\n  x: {call: f}\n");
	settle();
	is_int(n_ended, 1);
	is_str(failure_code(&run->failure), STR("flow_depth"));
	end();
}

static void recursion_that_ends_may_be_deep(void)
{
	begin();
	run_yaml("flows:\n  f:\n    tasks:\n      a: {call: f, with: {n: \"${with.n - 1}\"}, when: "
		 "with.n > 0}\n    result: ${with.n + (a ?? 0)}\n"
		 "tasks:\n  x: {call: f, with: {n: 31}}\n");
	settle();
	ended_ok();
	gives("x", "496");
	end();
	begin();
	run_yaml("flows:\n  f:\n    tasks:\n      a: {call: f, with: {n: \"${with.n - 1}\"}, when: "
		 "with.n > 0}\n"
		 "tasks:\n  x: {call: f, with: {n: 32}, optional: true}\n");
	settle();
	ended_ok();
	gives("x.error.code", "\"flow_depth\"");
	end();
}

static void cancelling_reaches_called_flows(void)
{
	begin();
	run_yaml("flows:\n  f: {tasks: {a: {wait: 1h}, b: {call: g}}}\n"
		 "  g: {tasks: {c: {wait: 2h}}}\n"
		 "tasks:\n  x: {call: f, timeout: 10ms, default: 1}\n");
	pass(10);
	ended_ok();
	gives("[x, x.error.code]", "[1,\"timeout\"]");
	end();
	begin();
	is_true(compile("flows:\n  f: {tasks: {a: {wait: 1h}}}\ntasks:\n  x: {call: f}\n"));
	start();
	flow_run_cancel(run); /* before the called flow has started anything */
	settle();
	is_int(n_ended, 1);
	is_str(failure_code(&run->failure), STR("cancelled"));
	end();
}

/* ------------------------------------------------------------ detached tasks */

static void the_flow_does_not_wait_for_a_detached_task(void)
{
	begin();
	run_yaml("tasks:\n  d: {wait: 1h, detach: true, timeout: 2h}\n  a: {value: 1}\n");
	ended_ok();
	is_int(n_detached, 1);
	forget();
	clock_advance(3600 * NS_PER_S);
	settle();
	is_int(n_detached, 0);
	is_text(log_text, "");
	end();
}

static void a_detached_task_keeps_copies_of_what_it_reads(void)
{
	begin();
	with_roots("{\"query\": {\"id\": \"7\"}, \"body\": {\"items\": [{\"sku\": \"s1\"}]}, "
		   "\"headers\": {\"x-a\": \"b\"}}");
	run_yaml("tasks:\n"
		 "  a: {value: {n: \"${query.id}\", list: [1, 2, 3]}}\n"
		 "  skip: {value: 1, when: \"false\"}\n"
		 "  bad: {value: \"${1 / query.none}\", optional: true}\n"
		 "  d:\n"
		 "    detach: true\n"
		 "    tasks:\n"
		 "      w: {wait: 10ms}\n"
		 "      l: {log: \"${a.result.n} ${a.result.list} ${a.ok} ${skip.skipped} "
		 "${bad.error.code} ${body.items[0].sku} ${headers.x_a} ${query.id} ${w.ms}\", "
		 "after: "
		 "w}\n");
	ended_ok();
	is_int(n_detached, 1);
	forget();
	pass(10);
	is_int(n_detached, 0);
	is_text(log_text, "info task log task=l text=\"7 [1,2,3] true true expr_error s1 b 7 10\" "
			  "id=req-1\n");
	end();
}

static void a_detached_task_in_a_group_sees_all_around_it(void)
{
	begin();
	with_roots("{\"query\": {\"id\": \"7\"}}");
	run_yaml("flows:\n  f: {tasks: {l: {log: \"called ${with.x}\"}}}\n"
		 "tasks:\n"
		 "  o: {value: 1}\n"
		 "  g:\n"
		 "    tasks:\n"
		 "      i: {value: 2}\n"
		 "      d:\n"
		 "        detach: true\n"
		 "        tasks:\n"
		 "          x: {value: \"${o}${i}${query.id}\"}\n"
		 "          c: {call: f, with: {x: \"${x}\"}}\n"
		 "          e: {tasks: {k: {log: \"inner ${o} ${i} ${x}\", detach: true}}}\n");
	settle();
	ended_ok();
	forget();
	settle();
	is_int(n_detached_begun, 2);
	is_int(n_detached, 0);
	is_true(strstr(log_text, "text=\"called 127\"") != NULL);
	is_true(strstr(log_text, "text=\"inner 1 2 127\"") != NULL);
	end();
}

static void a_detached_task_in_a_called_flow_keeps_with(void)
{
	begin();
	run_yaml("flows:\n  f: {tasks: {d: {log: \"n ${with.n}\", detach: true, after: w}, w: "
		 "{wait: 1ms}}}\n"
		 "tasks:\n  x: {call: f, with: {n: 5}}\n");
	pass(1);
	ended_ok();
	forget();
	settle();
	is_text(log_text, "info task log task=d text=\"n 5\" id=req-1\n");
	end();
}

static void a_detached_failure_is_logged_with_the_request(void)
{
	begin();
	run_yaml("tasks:\n  d: {fail: lost, detail: \"gone \\n x\", detach: true}\n");
	ended_ok();
	settle();
	is_int(n_detached, 0);
	is_text(log_text, "warning detached task failed task=d code=lost detail=\"gone \\n x\" "
			  "id=req-1; nothing waits for it, ignoring\n");
	end();
}

static void a_detached_task_has_a_deadline_of_its_own(void)
{
	begin();
	run_yaml("tasks:\n  d: {wait: 1h, detach: true}\n  e: {wait: 1h, detach: true, timeout: "
		 "20ms}\n");
	ended_ok();
	is_int(n_detached, 2);
	pass(20);
	is_int(n_detached, 1);
	is_true(strstr(log_text, "task=e code=timeout") != NULL);
	clock_advance(30 * NS_PER_S);
	settle();
	is_int(n_detached, 0);
	is_true(strstr(log_text, "task=d code=timeout") != NULL);
	end();
}

static void cancelling_the_flow_leaves_detached_tasks(void)
{
	begin();
	run_yaml("tasks:\n  d: {wait: 10ms, detach: true}\n  a: {wait: 1h}\n");
	flow_run_cancel(run);
	settle();
	is_int(n_ended, 1);
	forget();
	is_int(n_detached, 1);
	pass(10);
	is_int(n_detached, 0);
	is_text(log_text, "");
	end();
}

static void a_shutdown_cancels_detached_tasks(void)
{
	begin();
	run_yaml("tasks:\n  d: {wait: 1h, detach: true}\n  e: {tasks: {x: {wait: 1h}}, detach: "
		 "true}\n");
	ended_ok();
	is_int(n_detached, 2);
	detacher_cancel(&detacher);
	settle();
	is_int(n_detached, 0);
	end();
}

static void a_detached_task_may_be_skipped_or_guarded(void)
{
	begin();
	run_yaml("tasks:\n  d: {log: x, detach: true, when: \"false\"}\n");
	settle();
	ended_ok();
	is_text(log_text, "");
	end();
	begin();
	run_yaml("tasks:\n  d: {log: x, detach: true}\n  no: {fail: nope}\n");
	ended_by("nope", "no");
	is_int(n_detached_begun, 0);
	end();
}

static void inputs_that_do_not_fit_are_a_logged_failure(void)
{
	begin();
	run_yaml("tasks:\n  a: {value: \"0123456789012345678901234567890123456789\"}\n"
		 "  w: {wait: 1ms, after: a}\n"
		 "  d: {log: \"${a}\", detach: true, after: w}\n");
	context->arena->max = 64;
	pass(1);
	ended_ok();
	is_int(n_detached_begun, 0);
	is_true(strstr(log_text, "task=d code=memory_limit") != NULL);
	end();
}

/* ------------------------------------------------------------ small verbs */

static void wait_takes_durations_and_milliseconds(void)
{
	begin();
	with_roots("{\"body\": {\"a\": 7, \"b\": \"8ms\"}}");
	run_yaml("tasks:\n  a: {wait: \"${body.a}\"}\n  b: {wait: \"${body.b}\"}\n"
		 "  c: {wait: \"${4 + 5}\"}\n  d: {wait: \"${body.a}ms\"}\n  e: {wait: 0}\n"
		 "  f: {wait: \"${0 - 1}\", optional: true}\n"
		 "  g: {wait: \"${body}\", optional: true}\n");
	pass(9);
	ended_ok();
	gives("[a.ms, b.ms, c.ms, d.ms, f.error.code, g.error.code, a]",
	      "[7,8,9,7,\"expr_error\",\"expr_error\",null]");
	end();
}

static void log_escapes_what_comes_from_outside(void)
{
	begin();
	with_roots("{\"query\": {\"q\": \"x\\ntask=forged\\u001b[0m\"}}");
	run_yaml("tasks:\n  a: {log: \"q ${query.q}\", level: warning}\n");
	ended_ok();
	is_text(log_text, "warning task log task=a text=\"q x\\ntask=forged\\x1b[0m\" id=req-1\n");
	end();
}

static void fail_has_a_code_a_status_and_a_detail(void)
{
	begin();
	with_roots("{\"query\": {\"sku\": \"s 1\"}}");
	run_yaml("tasks:\n  a: {fail: out_of_stock, status: 409, detail: \"no ${query.sku}\"}\n");
	ended_by("out_of_stock", "a");
	is_int(failure_status(&run->failure), 409);
	gives("error",
	      "{\"code\":\"out_of_stock\",\"detail\":\"no s 1\",\"status\":409,\"task\":\"a\"}");
	end();
	begin();
	run_yaml("tasks:\n  a: {fail: rate_limited}\n");
	is_int(failure_status(&run->failure), 429);
	end();
}

static void codes_have_their_statuses(void)
{
	static const struct {
		const char *code;
		int status;
	} rows[] = {
		{ "invalid_input", 400 },  { "not_found", 404 },      { "rate_limited", 429 },
		{ "timeout", 504 },        { "connect_failed", 502 }, { "upstream_status", 502 },
		{ "pool_exhausted", 503 }, { "unavailable", 503 },    { "cancelled", 499 },
		{ "memory_limit", 500 },   { "too_large", 502 },      { "flow_depth", 500 },
	};
	enum error_code code;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		is_true(error_code_find(str_of(rows[i].code), &code));
		is_text(error_code_name(code), rows[i].code);
		is_int(error_code_status(code), rows[i].status);
	}
	is_false(error_code_find(STR("nothing"), &code));
	is_false(error_code_find(STR(""), &code));
	is_text(error_code_name(ERROR_UNAVAILABLE), "unavailable");
}

static void a_field_that_a_verb_does_not_have_is_a_load_error(void)
{
	refused("tasks:\n  a: {value: 1}\n  b: {value: \"${a.status}\"}\n",
		"3:19: this task has no \"status\"; it has result, ok, failed, skipped, error and "
		"ms");
	refused("tasks:\n  b: {value: \"${w.body}\"}\n  w: {wait: 1s}\n",
		"2:19: this task has no \"body\"; it has ok, failed, skipped, error and ms");
	refused("tasks:\n  b: {value: \"${g.resutl}\"}\n  g: {tasks: {x: {wait: 1s}}}\n",
		"2:19: a task has no \"resutl\"; did you mean \"result\"?");
	refused("tasks:\n  w: {get: http://h/}\nresult: ${w.row}\n",
		"3:13: this task has no \"row\"; it has body, text, status, headers, ok, ");
}

static void what_has_never_been_tried_has_no_fields(void)
{
	begin();
	with_roots("{\"query\": {\"x\": \"text\"}}");
	run_yaml("tasks:\n  a: {get: http://127.0.0.1:1/, when: query.x, optional: true}\n"
		 "  b: {call: f, when: query.x, optional: true}\n"
		 "  c: {tasks: {d: {wait: 0}}, when: query.x, default: 3}\n"
		 "flows: {f: {result: 1}}\n");
	ended_ok();
	gives("[a.status, a.body, a.text, a.headers, b.result, c.result, a.failed]",
	      "[null,null,null,null,null,3,true]");
	end();
}

int main(void)
{
	clock_freeze(UINT64_C(1000) * NS_PER_S, INT64_C(1700000000) * (int64_t)NS_PER_S);
	TEST(a_group_gives_an_object_of_its_results);
	TEST(a_group_may_say_its_result);
	TEST(inner_tasks_see_the_outer_ones_and_wait_for_them);
	TEST(inner_names_are_not_seen_outside);
	TEST(an_inner_failure_fails_the_group);
	TEST(a_group_has_one_deadline);
	TEST(a_guard_in_a_group_guards_the_group);
	TEST(a_call_gives_the_result_of_the_flow);
	TEST(what_with_does_not_say_is_null);
	TEST(a_flow_without_result_gives_null);
	TEST(groups_in_a_called_flow_see_with);
	TEST(a_failure_in_a_called_flow_is_that_of_the_call);
	TEST(endless_recursion_ends_with_flow_depth);
	TEST(recursion_that_ends_may_be_deep);
	TEST(cancelling_reaches_called_flows);
	TEST(the_flow_does_not_wait_for_a_detached_task);
	TEST(a_detached_task_keeps_copies_of_what_it_reads);
	TEST(a_detached_task_in_a_group_sees_all_around_it);
	TEST(a_detached_task_in_a_called_flow_keeps_with);
	TEST(a_detached_failure_is_logged_with_the_request);
	TEST(a_detached_task_has_a_deadline_of_its_own);
	TEST(cancelling_the_flow_leaves_detached_tasks);
	TEST(a_shutdown_cancels_detached_tasks);
	TEST(a_detached_task_may_be_skipped_or_guarded);
	TEST(inputs_that_do_not_fit_are_a_logged_failure);
	TEST(wait_takes_durations_and_milliseconds);
	TEST(log_escapes_what_comes_from_outside);
	TEST(fail_has_a_code_a_status_and_a_detail);
	TEST(codes_have_their_statuses);
	TEST(a_field_that_a_verb_does_not_have_is_a_load_error);
	TEST(what_has_never_been_tried_has_no_fields);
	return tap_done();
}
