/* tests/server/native/clash.c: what a module must not do with its tasks ends the daemon with a line
 * that names the module, the function, and what was wrong. */
#include "tests/server/native/loaded.h"

static void run_clash(void *words)
{
	char yaml[200];

	begin_with("clash");
	snprintf(yaml, sizeof(yaml), "tasks: { n: { clash: %s } }", (const char *)words);
	run_yaml(yaml);
	await_end();
}

static bool dies(const char *how, const char *words)
{
	return aborts_saying(run_clash, (void *)(uintptr_t)how, words);
}

static void a_task_is_started_or_given_away_once(void)
{
	is_true(dies("start_twice", "a task is started, or given away, once"));
	is_true(dies("start_twice", "in leat->start(): module=clash call=clash"));
	is_true(dies("start_what_is_given", "a task is started, or given away, once"));
	is_true(dies("start_what_has_ended", "the task has not ended"));
	is_true(dies("start_what_has_ended", "in leat->start(): module=clash call=clash"));
	is_true(dies("in_itself", "a composite is not in itself"));
	is_true(dies("no_task", "the task is there"));
}

static void composites_take_tasks_in_their_time(void)
{
	is_true(dies("push_late", "a composite that has ended takes no more tasks"));
	is_true(dies("add_late", "a parallel gets its tasks before its start"));
	is_true(dies("node_late", "a graph is whole before it is started or given away"));
	is_true(dies("foreign_edge", "an edge is between two nodes of its graph"));
	is_true(dies("cycle", "the edges of a graph make a cycle: 0 -> 1 -> 0"));
	is_true(dies("cycle", "in leat->start(): module=clash call=clash"));
}

static void each_function_is_for_its_kind_of_task(void)
{
	is_true(dies("count_a_timer", "what is counted is a counter"));
	is_true(dies("push_to_a_parallel", "what is pushed to is a series"));
	is_true(dies("time_of_a_timer", "what has a time is a series, a parallel or a graph"));
	is_true(dies("status_of_a_timer", "the task is an HTTP request"));
	is_true(dies("early_outcome", "a task has an outcome when it has ended"));
	is_true(dies("bad_policy", "the policy is one of enum leat_policy"));
	is_true(dies("odd_headers", "headers are pairs of name and value"));
}

static void a_result_is_set_once_and_whole(void)
{
	is_true(dies("two_results", "a result is set once"));
	is_true(dies("half_a_result", "the result is whole when the call ends"));
}

static void tasks_are_used_on_their_loop(void)
{
	is_true(dies("other_thread", "a call of the loop is used on that loop's thread"));
	is_true(dies("other_thread", "in leat->start(): module=clash call=clash"));
	is_true(dies("tasks_on_the_pool",
		     "tasks are for verbs with start(): this call runs on the compute pool"));
}

static void a_promise_is_completed_once(void)
{
	is_true(dies("promise_twice", "a promise is completed once"));
	is_true(dies("promise_twice", "in leat->promise_fail(): module=clash"));
	is_true(dies("ask_a_spent_promise", "the promise has not been used up"));
	is_true(dies("no_promise", "the promise is there"));
}

static void use_kept(void *arg)
{
	(void)arg;
	begin_with("clash");
	run_yaml("tasks: { n: { clash: keep }, m: { clash: use_kept_call, after: n } }");
}

static void a_call_is_not_used_after_its_end(void)
{
	is_true(aborts_saying(use_kept, NULL, "the call has not ended"));
	is_true(aborts_saying(use_kept, NULL, "in leat->timer(): module=clash call=clash"));
}

int main(void)
{
	TEST(a_task_is_started_or_given_away_once);
	TEST(composites_take_tasks_in_their_time);
	TEST(each_function_is_for_its_kind_of_task);
	TEST(a_result_is_set_once_and_whole);
	TEST(tasks_are_used_on_their_loop);
	TEST(a_promise_is_completed_once);
	TEST(a_call_is_not_used_after_its_end);
	return tap_done();
}
