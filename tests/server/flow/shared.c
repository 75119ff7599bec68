/* tests/server/flow/shared.c: locks, pools, queues and signals between flows. */
#include "tests/server/flow/try.h"

/* Several runs of one configuration at once, each with its own memory. */
enum { OTHERS_MAX = 8 };

static struct other {
	struct context context;
	struct arena arena;
	struct flow_run run;
	bool ended;
} others[OTHERS_MAX];
static size_t n_others;
static char order[64];

static void other_on_end(struct flow_run *ended)
{
	struct other *other = container_of(ended, struct other, run);
	char name[3] = { (char)('0' + (other - others)), ended->failure.code ? '!' : '\0', '\0' };

	other->ended = true;
	strcat(order, name);
}

static void start_other(const char *flow)
{
	struct other *other = &others[n_others++];

	*other = (struct other){ .context = *context };
	arena_init(&other->arena, 1 << 20);
	other->context.arena = &other->arena;
	flow_run_init(&other->run, try_flow(NULL, str_of(flow)), &other->context, other_on_end);
	flow_run_start(&other->run);
	settle();
}

static void end_others(void)
{
	struct homes_stats stats;

	for (size_t i = 0; i < n_others; i++) {
		if (!others[i].ended)
			flow_run_cancel(&others[i].run);
		settle();
		is_true(others[i].ended);
		arena_fini(&others[i].arena);
	}
	homes_stats(homes, &stats);
	is_int(stats.n_things, 0);
	n_others = 0;
	order[0] = '\0';
	forget();
	end();
}

static void begin_others(const char *yaml)
{
	bool ok;

	begin();
	ok = compile(yaml);
	is_true(ok);
	if (!ok) {
		diag_print(&diag, stdout);
		exit(1);
	}
}

static const char *code(size_t i)
{
	static char out[64];

	snprintf(out, sizeof(out), "%.*s", STR_ARG(failure_code(&others[i].run.failure)));
	return out;
}

static const char *result(size_t i)
{
	static char out[1024];
	struct value value;
	struct buf json;

	if (flow_run_result(&others[i].run, &value) < 0)
		return "error";
	buf_init(&json, sizeof(out) - 1);
	value_write_json(value, &json);
	snprintf(out, sizeof(out), "%.*s", STR_ARG(buf_str(&json)));
	buf_fini(&json);
	return out;
}

/* ------------------------------------------------------------ locks */

static void tasks_with_the_same_lock_run_one_after_the_other(void)
{
	begin_others("flows:\n  f: {tasks: {a: {wait: 10ms, lock: x}}}\n"
		     "  g: {tasks: {a: {wait: 10ms, lock: y}}}\n");
	start_other("f");
	start_other("f");
	start_other("f");
	start_other("g");
	pass(10);
	is_text(order, "03");
	pass(10);
	is_text(order, "031");
	pass(10);
	is_text(order, "0312");
	end_others();
}

static void a_lock_is_given_back_however_the_task_ends(void)
{
	begin_others("flows:\n  bad: {tasks: {a: {tasks: {w: {wait: 5ms}, no: {fail: oh_no, after: "
		     "w}}, lock: x}}}\n"
		     "  slow: {tasks: {a: {wait: 1h, lock: x, timeout: 10ms}}}\n"
		     "  gone: {tasks: {a: {wait: 1h, lock: x}}}\n"
		     "  good: {tasks: {a: {wait: 0, lock: x}}}\n");
	start_other("bad");
	start_other("slow");
	start_other("gone");
	start_other("good");
	pass(5);
	is_text(order, "0!");
	pass(5); /* the wait was part of its timeout */
	is_text(order, "0!1!");
	is_text(code(1), "timeout");
	flow_run_cancel(&others[2].run);
	pass(1);
	is_text(order, "0!1!2!3");
	end_others();
}

static void one_that_is_cancelled_while_it_waits_never_has_the_lock(void)
{
	begin_others("flows:\n  f: {tasks: {a: {wait: 10ms, lock: x}}}\n");
	start_other("f");
	start_other("f");
	start_other("f");
	flow_run_cancel(&others[1].run);
	settle();
	is_text(order, "1!");
	is_text(code(1), "cancelled");
	pass(20);
	is_text(order, "1!02");
	end_others();
}

static void the_wait_for_a_lock_is_bounded(void)
{
	begin_others("flows:\n  f: {tasks: {a: {wait: 1h, lock: x}}}\n"
		     "  g: {tasks: {a: {value: 1, lock: x, default: 2, timeout: 1m}}, result: "
		     "\"${[a, a.error.code]}\"}\n");
	start_other("f");
	start_other("f");
	start_other("g");
	for (int i = 0; i < 30; i++) {
		clock_advance(NS_PER_S);
		settle();
	}
	is_text(order, "1!");
	is_text(code(1), "timeout");
	for (int i = 0; i < 30; i++) {
		clock_advance(NS_PER_S);
		settle();
	}
	is_text(order, "1!2");
	is_text(result(2), "[2,\"timeout\"]");
	end_others();
}

static void the_name_of_a_lock_may_be_computed_but_not_empty(void)
{
	begin_others("flows:\n"
		     "  f: {tasks: {n: {value: \"a/b\"}, l: {wait: 10ms, lock: \"x:${n}\"}}}\n"
		     "  g: {tasks: {n: {value: \"b\"}, l: {wait: 10ms, lock: \"x:a/${n}\"}}}\n"
		     "  e: {tasks: {l: {wait: 0, lock: \"${with.no}\"}}}\n");
	start_other("f");
	start_other("g"); /* another name, though it reads the same */
	start_other("e");
	is_text(order, "2!");
	is_text(code(2), "invalid_input");
	pass(10);
	is_text(order, "2!01");
	end_others();
}

static void a_lock_covers_retries_and_all_elements(void)
{
	begin_others(
		"flows:\n"
		"  f: {tasks: {a: {fail: unavailable, lock: x, retry: {times: 1, wait: 10ms}}}}\n"
		"  g: {tasks: {a: {wait: 0, lock: x}}}\n"
		"  e: {tasks: {a: {each: [1, 2], concurrency: 1, wait: 5ms, lock: x}}}\n");
	start_other("f");
	start_other("g");
	start_other("e");
	start_other("g");
	is_text(order, "");
	pass(11);
	is_text(order, "0!1");
	pass(9);
	is_text(order, "0!123");
	end_others();
}

/* ------------------------------------------------------------ pools */

static void a_pool_bounds_how_many_run(void)
{
	begin_others("shared: {db: {permits: 2, waiting: 2}}\n"
		     "flows:\n  f: {tasks: {a: {wait: 10ms, acquire: db}}}\n");
	for (int i = 0; i < 5; i++)
		start_other("f");
	is_text(order, "4!");
	is_text(code(4), "pool_exhausted");
	is_int(failure_status(&others[4].run.failure), 503);
	pass(10);
	is_text(order, "4!01");
	pass(10);
	is_text(order, "4!0123");
	end_others();
}

static void a_lock_and_a_permit_are_both_given_back(void)
{
	begin_others("shared: {db: {permits: 1}}\n"
		     "flows:\n  f: {tasks: {a: {wait: 10ms, lock: x, acquire: db, timeout: 5ms}}}\n"
		     "  g: {tasks: {a: {wait: 0, acquire: db}}}\n"
		     "  h: {tasks: {a: {wait: 0, lock: x}}}\n");
	start_other("f");
	start_other("g");
	start_other("h");
	start_other("f");
	flow_run_cancel(&others[3].run);
	pass(6);
	is_int(strlen(order), 6);
	end_others();
}

/* ------------------------------------------------------------ signals */

static void a_signal_wakes_those_who_wait(void)
{
	begin_others(
		"flows:\n"
		"  w: {tasks: {a: {await: news}}, result: \"${[a, a.value, a.values]}\"}\n"
		"  s: {tasks: {a: {signal: news, message: {n: \"${1 + 1}\"}}}, result: \"${a}\"}\n"
		"  one: {tasks: {a: {signal: news, wake: 1}}, result: \"${a.result}\"}\n");
	start_other("w");
	start_other("w");
	start_other("one");
	is_text(order, "02");
	is_text(result(0), "[null,null,[null]]");
	is_text(result(2), "1");
	start_other("s");
	is_text(result(3), "1");
	is_text(result(1), "[{\"n\":2},{\"n\":2},[{\"n\":2}]]");
	start_other("s");
	is_text(result(4), "0");
	end_others();
}

static void a_signal_that_nobody_waits_for_is_lost_unless_it_is_kept(void)
{
	begin_others("flows:\n  w: {tasks: {a: {await: n, wait: 10ms}}, result: \"${a}\"}\n"
		     "  lost: {tasks: {a: {signal: n, message: 1}}}\n"
		     "  kept: {tasks: {a: {signal: n, message: 2, keep: 20ms}}}\n");
	start_other("lost");
	start_other("kept");
	pass(19);
	start_other("w");
	is_text(result(2), "2");
	start_other("kept");
	pass(20);
	start_other("w");
	pass(10);
	is_text(code(4), "timeout");
	is_int(failure_status(&others[4].run.failure), 504);
	end_others();
}

static void an_await_with_a_count_gathers(void)
{
	begin_others("flows:\n"
		     "  w: {tasks: {a: {await: \"hooks:${with.id}\", count: 3}}, result: "
		     "\"${a.values}\"}\n"
		     "  s: {tasks: {a: {signal: \"hooks:\", message: x, keep: 1m}}}\n");
	start_other("s");
	start_other("w");
	start_other("s");
	is_text(order, "02");
	start_other("s");
	is_text(order, "0213");
	is_text(result(1), "[\"x\",\"x\",\"x\"]");
	end_others();
}

static void an_await_that_expires_may_have_a_default(void)
{
	begin_others("flows:\n  w: {tasks: {a: {await: n, wait: 5ms, default: none}}, result: "
		     "\"${[a, a.failed, a.error.code]}\"}\n"
		     "  t: {tasks: {a: {await: n, timeout: 5ms}}}\n");
	start_other("w");
	start_other("t");
	pass(5);
	is_text(result(0), "[\"none\",true,\"timeout\"]");
	is_text(code(1), "timeout");
	end_others();
}

/* ------------------------------------------------------------ queues */

static void a_queue_keeps_the_order(void)
{
	begin_others(
		"shared: {jobs: {queue: 3}}\nflows:\n"
		"  put: {tasks: {a: {enqueue: jobs, message: [1, null]}, b: {enqueue: jobs, after: "
		"a}}}\n"
		"  take: {tasks: {a: {dequeue: jobs}}, result: \"${[a, a.value]}\"}\n");
	start_other("take");
	start_other("put");
	is_text(order, "01");
	is_text(result(0), "[[1,null],[1,null]]");
	start_other("take");
	is_text(result(2), "[null,null]");
	start_other("take");
	is_text(order, "012");
	end_others();
}

static void a_full_queue_does_as_it_says(void)
{
	begin_others(
		"shared:\n  r: {queue: 1}\n  w: {queue: 1, full: wait, waiting: 1}\n"
		"  d: {queue: 1, full: drop_oldest}\n"
		"flows:\n  r: {tasks: {a: {enqueue: r, message: 1}}}\n"
		"  w: {tasks: {a: {enqueue: w, message: 1, wait: 10ms}}}\n"
		"  d: {tasks: {a: {enqueue: d, message: 1}, b: {enqueue: d, message: 2, after: a}, "
		"t: {dequeue: d, after: b}}, result: \"${t}\"}\n"
		"  tr: {tasks: {a: {dequeue: r}}}\n  tw: {tasks: {a: {dequeue: w}}}\n");
	start_other("r");
	start_other("r");
	is_text(order, "01!");
	is_text(code(1), "queue_full");
	is_int(failure_status(&others[1].run.failure), 503);
	start_other("w");
	start_other("w");
	start_other("w");
	is_text(order, "01!24!");
	is_text(code(4), "queue_full");
	pass(10);
	is_text(code(3), "timeout");
	start_other("d");
	is_text(result(5), "2");
	start_other("tr");
	start_other("tw");
	end_others();
}

static void one_that_waits_for_a_message_is_bounded_and_can_be_cancelled(void)
{
	begin_others("shared: {q: {queue: 1}}\nflows:\n  t: {tasks: {a: {dequeue: q, wait: 5ms}}}\n"
		     "  p: {tasks: {a: {enqueue: q, message: 1}}}\n");
	start_other("t");
	start_other("t");
	flow_run_cancel(&others[1].run);
	pass(5);
	is_text(order, "1!0!");
	is_text(code(0), "timeout");
	start_other("p");
	start_other("t");
	is_text(order, "1!0!23");
	end_others();
}

/* ------------------------------------------------------------ at load */

static void what_is_shared_is_declared(void)
{
	refused("shared: {pool: {permits: 1}}\ntasks:\n  a: {wait: 0, acquire: polo}\n",
		"3:25: there is no pool \"polo\" in `shared:`; did you mean \"pool\"?");
	refused("tasks:\n  a: {wait: 0, acquire: db}\n",
		"2:25: there is no pool \"db\"; declare it under `shared:` as {permits: 4}");
	refused("shared: {db: {permits: 1}}\ntasks:\n  a: {enqueue: db}\n",
		"3:16: \"db\" is a pool, and `enqueue` takes a queue");
	refused("tasks:\n  a: {dequeue: [q]}\n", "2:16: `dequeue` takes the name of a queue");
	refused("shared: {db: {}}\n", "1:10: \"db\" is a pool or a queue");
	refused("shared: {db: {permits: 1, queue: 2}}\n", "1:10: \"db\" is a pool or a queue");
	refused("shared: {db: {permits: 1, full: wait}}\n", "1:27: `full` belongs to a queue");
	refused("shared: {db: {permits: 0}}\n", "1:24: ");
	refused("shared: {Db: {permits: 1}}\n", "1:10: \"Db\" cannot be the name");
	refused("shared: {q: {queue: 1, full: block}}\n", "1:30: ");
	refused("tasks:\n  a: {wait: 0, lock: \"\"}\n", "2:22: `lock` takes a name");
	refused("tasks:\n  a: {wait: 0, lock: \"${secret.x}\"}\n",
		"2:22: a secret cannot be in `lock`");
	refused("tasks:\n  a: {signal: x, wake: some}\n", "2:24: `wake` is all, or a number");
	refused("tasks:\n  a: {await: x, message: 1}\n", "2:17: `message` belongs to");
	refused("tasks:\n  a: {await: x, get: users:/}\n", "2:17: a task has one verb");
	refused("tasks:\n  a: {await: x, count: 0}\n", "2:24: ");
}

static void they_are_shown(void)
{
	struct flow_task_info info;

	begin();
	is_true(compile("shared: {db: {permits: 2}}\ntasks:\n"
			"  a: {each: [1], wait: 1ms, lock: \"u:${query.id}\", acquire: db}\n"
			"  b: {wait: 5s, await: x}\n"));
	flow_task_info(main_flow, 0, &info);
	is_str(info.notes, STR("each [...], 8 at once; lock u:${query.id}; acquire db"));
	flow_task_info(main_flow, 1, &info);
	is_str(info.verb, STR("await"));
	is_str(info.summary, STR("x"));
	end();
}

int main(void)
{
	clock_freeze(UINT64_C(1000) * NS_PER_S, INT64_C(1700000000) * (int64_t)NS_PER_S);
	TEST(tasks_with_the_same_lock_run_one_after_the_other);
	TEST(a_lock_is_given_back_however_the_task_ends);
	TEST(one_that_is_cancelled_while_it_waits_never_has_the_lock);
	TEST(the_wait_for_a_lock_is_bounded);
	TEST(the_name_of_a_lock_may_be_computed_but_not_empty);
	TEST(a_lock_covers_retries_and_all_elements);
	TEST(a_pool_bounds_how_many_run);
	TEST(a_lock_and_a_permit_are_both_given_back);
	TEST(a_signal_wakes_those_who_wait);
	TEST(a_signal_that_nobody_waits_for_is_lost_unless_it_is_kept);
	TEST(an_await_with_a_count_gathers);
	TEST(an_await_that_expires_may_have_a_default);
	TEST(a_queue_keeps_the_order);
	TEST(a_full_queue_does_as_it_says);
	TEST(one_that_waits_for_a_message_is_bounded_and_can_be_cancelled);
	TEST(what_is_shared_is_declared);
	TEST(they_are_shown);
	return tap_done();
}
