/* tests/server/jobs/flows.c: jobs that run flows: the other tests of jobs only pretend to. */
#include "tests/server/jobs/jobs_fixture.h"

static void begin(void)
{
	begin_at(wall_of(2026, 11, 25, 0, 0));
}

static void a_job_runs_its_tasks(void)
{
	begin();
	load("a:\n"
	     "  every: 10s\n"
	     "  tasks:\n"
	     "    w: {wait: 100ms}\n"
	     "    v: {value: \"${run.date} ${run.time} ${job.name} ${run.attempt}\", after: [w]}\n"
	     "    x: {fail: wrong_value, "
	     "when: \"v != '2026-11-25 00:00:10 a 1'\"}\n");
	pass(10050, 10);
	is_true(has(list(), "\"running\":1"));
	pass(200, 10);
	is_true(has(history("a"), "\"attempt\":1,\"outcome\":\"ok\",\"error\":null"));
	is_true(has(history("a"), "\"took_ms\":1"));
	finish();
}

static void a_failing_task_is_tried_again_with_a_new_attempt(void)
{
	begin();
	load("a:\n"
	     "  delay: 1s\n"
	     "  retry: {times: 2, wait: 1s}\n"
	     "  tasks:\n"
	     "    f: {fail: not_yet, when: \"run.attempt < 3\"}\n");
	pass_s(20);
	is_int(count(history("a"), "\"outcome\":\"failed\",\"error\":\"not_yet\""), 2);
	is_true(has(history("a"), "\"attempt\":3,\"outcome\":\"ok\""));
	finish();
}

static void a_deadline_and_a_newer_run_cancel_the_tasks(void)
{
	begin();
	load("a: {every: 10s, timeout: 2s, tasks: {w: {wait: 1h}}}\n"
	     "b: {every: 10s, overlap: cancel_previous, tasks: {w: {wait: 1h}}}\n");
	pass_s(25);
	is_int(count(history("a"), "\"took_ms\":2000,\"attempt\":1,\"outcome\":\"timeout\""), 2);
	is_int(count(history("b"), "\"took_ms\":10000,\"attempt\":1,\"outcome\":\"cancelled\""), 1);
	is_int(count(history("b"), "\"outcome\":\"running\""), 1);
	finish();
}

static void a_job_without_tasks_ends_well(void)
{
	begin();
	load("a: {every: 10s, tasks: {}}");
	pass_s(20);
	is_int(count(history("a"), "\"outcome\":\"ok\""), 2);
	finish();
}

static void tasks_that_are_wrong_name_their_place(void)
{
	struct config config;

	is_false(config_read(&config, "a: {every: 10s, tasks: {w: {value: '${body}'}}}"));
	is_int(config.reading.diag.n_errors, 1);
	is_true(has(reading_said(&config.reading), "a.yaml:1:"));
	is_int(config.n_specs, 0);
	config_free(&config);
}

int main(void)
{
	log_set_level(LOG_ERROR);
	TEST(a_job_runs_its_tasks);
	TEST(a_failing_task_is_tried_again_with_a_new_attempt);
	TEST(a_deadline_and_a_newer_run_cancel_the_tasks);
	TEST(a_job_without_tasks_ends_well);
	TEST(tasks_that_are_wrong_name_their_place);
	return tap_done();
}
