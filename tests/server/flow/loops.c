/* tests/server/flow/loops.c: `each:` and `repeat:`. */
#include "tests/server/flow/try.h"

/* ------------------------------------------------------------ each */

static void each_runs_a_task_once_an_element_and_keeps_the_order(void)
{
	begin();
	run_yaml("tasks:\n  l: {value: [30, 10, 20]}\n"
		 "  x: {each: \"${l}\", tasks: {w: {wait: \"${item}\"}, "
		 "v: {value: \"${[index, item]}\", after: w}}, result: \"${v}\"}\n");
	is_int(n_ended, 0);
	pass(30);
	ended_ok();
	gives("x", "[[0,30],[1,10],[2,20]]");
	gives("x.results == x && x.result == x && x.ok", "true");
	gives("x.ms", "30");
	end();
}

static void at_most_concurrency_elements_are_at_work(void)
{
	begin();
	run_yaml("tasks:\n  x: {each: [1, 2, 3, 4, 5], concurrency: 2, wait: 10ms}\n");
	pass(29);
	is_int(n_ended, 0);
	pass(1);
	ended_ok();
	gives("x", "[null,null,null,null,null]");
	end();
	begin();
	run_yaml("tasks:\n  x: {each: [1, 2, 3, 4, 5, 6, 7, 8, 9], wait: 10ms}\n");
	pass(19);
	is_int(n_ended, 0);
	pass(1);
	ended_ok();
	end();
}

static void an_empty_list_gives_an_empty_list(void)
{
	begin();
	run_yaml("tasks:\n  x: {each: [], fail: never}\n  y: {value: \"${len(x)}\"}\n");
	ended_ok();
	gives("[x, x.results, y]", "[[],[],0]");
	end();
}

static void what_is_no_list_is_an_expr_error(void)
{
	begin();
	with_roots("{\"body\": {\"a\": 1}}");
	run_yaml("tasks:\n  x: {each: \"${body}\", value: 1}\n");
	ended_by("expr_error", "x");
	is_str(run->failure.detail, STR("each takes a list, and this is a object"));
	end();
	begin();
	run_yaml("tasks:\n  x: {each: \"${body}\", value: 1, optional: true}\n");
	ended_ok();
	gives("[x, x.results, x.error.code]", "[null,null,\"expr_error\"]");
	end();
}

static void a_list_of_json_is_a_list(void)
{
	begin();
	with_roots("{\"body\": [{\"id\": 1}, {\"id\": 2}]}");
	run_yaml("tasks:\n  x: {each: \"${body}\", value: \"${item.id * 10 + index}\"}\n");
	ended_ok();
	gives("x", "[10,21]");
	end();
}

static void the_first_failure_fails_the_task_and_cancels_the_rest(void)
{
	begin();
	run_yaml("tasks:\n  x: {each: [50, -1, 50, 0], concurrency: 3, wait: \"${item}\"}\n");
	ended_by("expr_error", "x");
	end();
	begin();
	run_yaml("tasks:\n  x:\n    each: [1, 2, 3]\n    concurrency: 1\n    tasks:\n"
		 "      no: {fail: oh_no, when: item == 2, status: 418}\n"
		 "      say: {log: \"${item}\"}\n");
	ended_by("oh_no", "x.no");
	is_int(failure_status(&run->failure), 418);
	is_text(log_text, "info task log task=say text=1 id=req-1\n");
	end();
}

static void default_and_optional_are_for_each_element(void)
{
	begin();
	run_yaml(
		"tasks:\n  x: {each: [1, 0, 2], value: \"${10 / item}\", default: \"${index}\"}\n");
	ended_ok();
	gives("[x, x.ok, x.failed]", "[[10,1,5],true,false]");
	end();
	begin();
	run_yaml("tasks:\n  x: {each: [1, 0, 2], value: \"${10 / item}\", optional: true}\n");
	ended_ok();
	gives("x", "[10,null,5]");
	end();
}

static void retries_are_those_of_an_element(void)
{
	begin();
	run_yaml("tasks:\n  x: {each: [1, 2], fail: unavailable, retry: {times: 2, wait: 10ms}, "
		 "optional: true}\n");
	is_int(n_ended, 0);
	pass(30);
	ended_ok();
	gives("x", "[null,null]");
	end();
}

static void when_and_timeout_are_those_of_the_whole(void)
{
	begin();
	run_yaml("tasks:\n  x: {each: [1, 2], when: \"false\", fail: no}\n");
	ended_ok();
	gives("[x, x.skipped]", "[null,true]");
	end();
	begin();
	run_yaml("tasks:\n  x: {each: [1, 2, 3], concurrency: 1, wait: 10ms, timeout: 25ms}\n");
	pass(24);
	is_int(n_ended, 0);
	pass(1);
	ended_by("timeout", "x");
	end();
}

static void a_cancelled_flow_ends_its_elements(void)
{
	begin();
	run_yaml("tasks:\n  x: {each: [1, 2, 3], concurrency: 2, wait: 1h, default: 1}\n");
	flow_run_cancel(run);
	settle();
	ended_by("cancelled", "x");
	end();
}

static void each_nests(void)
{
	begin();
	run_yaml("tasks:\n  x:\n    each: [[1, 2], [], [3]]\n    tasks:\n"
		 "      y: {each: \"${item}\", value: \"${item * 2}\"}\n    result: \"${y}\"\n");
	ended_ok();
	gives("x", "[[2,4],[],[6]]");
	end();
}

static void each_may_be_detached_and_may_start_detached_tasks(void)
{
	begin();
	run_yaml("tasks:\n  l: {value: [1, 2]}\n"
		 "  x: {each: \"${l}\", log: \"a ${item}\", detach: true}\n"
		 "  y: {each: \"${l}\", concurrency: 1, tasks: {d: {log: \"b ${item} ${index}\", "
		 "detach: true}}}\n");
	ended_ok();
	settle();
	is_true(strstr(log_text, "text=\"a 1\"") && strstr(log_text, "text=\"a 2\""));
	is_true(strstr(log_text, "text=\"b 1 0\"") && strstr(log_text, "text=\"b 2 1\""));
	end();
}

static void each_waits_for_what_its_inner_expressions_name(void)
{
	begin();
	run_yaml("tasks:\n  x: {each: [1, 2], value: \"${item + n}\"}\n"
		 "  w: {wait: 5ms}\n  n: {value: 10, after: w}\n");
	pass(5);
	ended_ok();
	gives("x", "[11,12]");
	end();
}

static void a_long_list_costs_little_more_than_its_results(void)
{
	size_t before;

	begin();
	arena_fini(&run_arena);
	arena_init(&run_arena, 16 << 20);
	{
		struct value *items =
			arena_alloc_array(&context_arena, 50000, sizeof(struct value));
		struct member *members = arena_alloc_array(&context_arena, 1, sizeof(*members));

		for (int i = 0; i < 50000; i++)
			items[i] = value_int(i);
		members[0] = (struct member){ value_text(STR("body")), value_list(items, 50000) };
		roots = value_object(members, 1);
	}
	is_true(compile("tasks:\n  x: {each: \"${body}\", tasks: {a: {value: \"${index}\"}, b: "
			"{value: \"${item - index}\", after: a}}, result: \"${b}\"}\n"));
	before = run_arena.used;
	start();
	for (int i = 0; i < 100000 && !n_ended; i++)
		loop_run_once(loop, false);
	ended_ok();
	is_true(run_arena.used - before < 50000 * 16 + (512 << 10));
	gives("[len(x), x[49999]]", "[50000,0]");
	end();
}

static void item_and_index_exist_only_inside(void)
{
	refused("tasks:\n  x: {each: [1], value: 1}\n  y: {value: \"${item}\"}\n", "3:17: ");
	refused("tasks:\n  x: {each: [1], value: 1, when: item > 0}\n", "2:34: ");
	refused("tasks:\n  x: {each: \"${index}\", value: 1}\n", "2:16: ");
	refused("tasks:\n  x: {each: [1], value: \"${x}\"}\n",
		"2:28: the task \"x\" refers to itself");
	refused("tasks:\n  x: {each: [\"${secret.x}\"], value: 1}\n",
		"2:13: a secret cannot be in");
	refused("tasks:\n  x: {concurrency: 3, value: 1}\n",
		"2:7: `concurrency` belongs to `each`");
	refused("tasks:\n  x: {each: [1], concurrency: 0, value: 1}\n", "2:31: ");
	refused("tasks:\n  x: {each: [1], value: 1}\n  y: {value: \"${x.body}\"}\n", "3:");
	refused("tasks:\n  x: {each: [1], value: 1, vlaue: 2}\n", "2:28: unknown key \"vlaue\"");
}

/* ------------------------------------------------------------ repeat */

static void repeat_goes_on_until_its_condition_holds(void)
{
	begin();
	run_yaml("tasks:\n  x: {value: \"${repeat.index * 2}\", repeat: {until: x >= 6}}\n");
	ended_ok();
	gives("[x, x.results]", "[[0,2,4,6],[0,2,4,6]]");
	end();
	begin();
	run_yaml("tasks:\n  n: {value: 3}\n"
		 "  x: {value: \"${repeat}\", repeat: {while: \"${repeat.index + 1 < n}\"}}\n");
	ended_ok();
	gives("x", "[{\"index\":0},{\"index\":1},{\"index\":2}]");
	end();
}

static void its_own_name_is_the_round_before(void)
{
	begin();
	run_yaml("tasks:\n  x: {value: \"${(x ?? 1) * 3}\", repeat: {until: x > 50}}\n");
	ended_ok();
	gives("x", "[3,9,27,81]");
	end();
	begin();
	run_yaml("tasks:\n  x:\n    repeat: {while: \"${x.result.sum < 10}\"}\n    tasks:\n"
		 "      a: {wait: 1ms}\n"
		 "      b: {value: \"${(x.result.sum ?? 0) + 4}\", after: a}\n"
		 "    result: {sum: \"${b}\", first: \"${x.skipped}\"}\n");
	pass(3);
	ended_ok();
	gives("x", "[{\"sum\":4,\"first\":true},{\"sum\":8,\"first\":false},"
		   "{\"sum\":12,\"first\":false}]");
	end();
}

static void too_many_rounds_are_loop_limit(void)
{
	begin();
	run_yaml("tasks:\n  x: {value: 1, repeat: {until: x == 2, max: 5}}\n");
	ended_by("loop_limit", "x");
	is_int(failure_status(&run->failure), 500);
	end();
	begin();
	run_yaml("tasks:\n  x: {value: 1, repeat: {until: x == 2}, optional: true}\n");
	ended_ok();
	gives("[x, len(x.results), x.error.code]", "[null,1000,\"loop_limit\"]");
	end();
	begin();
	run_yaml("tasks:\n  x: {value: \"${repeat.index}\", repeat: {until: x == 4, max: 5}}\n");
	ended_ok();
	end();
}

static void rounds_have_a_pause_between_them(void)
{
	begin();
	run_yaml("tasks:\n  x: {value: \"${repeat.index}\", "
		 "repeat: {until: x == 2, delay: 10ms}}\n");
	pass(19);
	is_int(n_ended, 0);
	pass(1);
	ended_ok();
	end();
	begin();
	run_yaml("tasks:\n  x: {value: 1, repeat: {until: \"false\", delay: 10ms}, timeout: "
		 "25ms}\n");
	pass(25);
	ended_by("timeout", "x");
	end();
	begin();
	run_yaml("tasks:\n  x: {value: 1, repeat: {until: \"false\", delay: 1h}}\n");
	flow_run_cancel(run);
	settle();
	ended_by("cancelled", "x");
	end();
	begin();
	run_yaml("tasks:\n  x: {wait: 1h, repeat: {until: \"false\"}}\n");
	flow_run_cancel(run);
	settle();
	ended_by("cancelled", "x");
	end();
}

static void a_failed_round_fails_the_task_unless_it_may(void)
{
	begin();
	run_yaml("tasks:\n  x: {value: \"${1 / (1 - repeat.index)}\", repeat: {until: "
		 "\"false\"}}\n");
	ended_by("expr_error", "x");
	end();
	begin();
	run_yaml("tasks:\n  x: {value: \"${1 / (repeat.index - 1) / repeat.index}\", optional: "
		 "true, "
		 "repeat: {until: x.ok}}\n");
	ended_ok();
	gives("x", "[null,null,0]");
	end();
}

static void a_condition_that_is_no_boolean_fails_the_task(void)
{
	begin();
	run_yaml("tasks:\n  x: {value: 1, repeat: {until: x}}\n");
	ended_by("expr_error", "x");
	end();
}

static void each_element_may_be_repeated(void)
{
	begin();
	run_yaml("tasks:\n  x: {each: [1, 5], value: \"${(x ?? 0) + item}\", repeat: {until: x > "
		 "3}}\n");
	ended_ok();
	gives("x", "[[1,2,3,4],[5]]");
	end();
}

static void repeat_has_one_condition(void)
{
	refused("tasks:\n  x: {value: 1, repeat: {max: 3}}\n",
		"2:25: repeat has one condition, `while` or `until`");
	refused("tasks:\n  x: {value: 1, repeat: {while: \"true\", until: \"true\"}}\n",
		"2:25: repeat has one condition");
	refused("tasks:\n  x: {value: 1, repeat: {untli: \"true\"}}\n",
		"2:26: unknown key \"untli\"");
	refused("tasks:\n  x: {value: 1, repeat: {until: y.ok}}\n", "2:33: unknown name \"y\"");
	refused("tasks:\n  x: {value: 1, repeat: 5}\n", "2:25: ");
	refused("tasks:\n  x: {value: \"${repeat.index}\"}\n", "2:17: ");
	refused("tasks:\n  x: {value: 1, repeat: {until: x.body}}\n", "2:");
	refused("tasks:\n  x: {value: 1, repeat: {until: \"y > 1\"}}\n  y: {value: \"${x}\"}\n",
		"2:34: these tasks wait for each other: x → y → x");
}

static void they_are_shown(void)
{
	struct flow_task_info info;

	begin();
	run_yaml("tasks:\n  x: {each: [1], concurrency: 3, value: 1, repeat: {until: x == 1}, "
		 "timeout: 1s, default: 2}\n");
	flow_task_info(main_flow, 0, &info);
	is_str(info.name, STR("x"));
	is_str(info.verb, STR("value"));
	is_str(info.notes, STR("each [...], 3 at once; repeat until x == 1, at most 1000 times"));
	is_int(info.timeout_ms, 1000);
	is_true(info.has_default);
	end();
}

int main(void)
{
	clock_freeze(UINT64_C(1000) * NS_PER_S, INT64_C(1700000000) * (int64_t)NS_PER_S);
	TEST(each_runs_a_task_once_an_element_and_keeps_the_order);
	TEST(at_most_concurrency_elements_are_at_work);
	TEST(an_empty_list_gives_an_empty_list);
	TEST(what_is_no_list_is_an_expr_error);
	TEST(a_list_of_json_is_a_list);
	TEST(the_first_failure_fails_the_task_and_cancels_the_rest);
	TEST(default_and_optional_are_for_each_element);
	TEST(retries_are_those_of_an_element);
	TEST(when_and_timeout_are_those_of_the_whole);
	TEST(a_cancelled_flow_ends_its_elements);
	TEST(each_nests);
	TEST(each_may_be_detached_and_may_start_detached_tasks);
	TEST(each_waits_for_what_its_inner_expressions_name);
	TEST(a_long_list_costs_little_more_than_its_results);
	TEST(item_and_index_exist_only_inside);
	TEST(repeat_goes_on_until_its_condition_holds);
	TEST(its_own_name_is_the_round_before);
	TEST(too_many_rounds_are_loop_limit);
	TEST(rounds_have_a_pause_between_them);
	TEST(a_failed_round_fails_the_task_unless_it_may);
	TEST(a_condition_that_is_no_boolean_fails_the_task);
	TEST(each_element_may_be_repeated);
	TEST(repeat_has_one_condition);
	TEST(they_are_shown);
	return tap_done();
}
