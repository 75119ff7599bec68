/* tests/server/jobs/restore.c: what a job does after a stop, by what the store knows. */
#include "core/io/loop_clock.h"
#include "server/store/store.h"
#include "tests/server/jobs/fake_flow.h"
#include "tests/server/jobs/jobs_fixture.h"
#include <errno.h>

static struct store *store;

static int flush_run(struct store_op *op, struct store_db *db)
{
	(void)op;
	(void)db;
	return 0;
}

static void flush_done(struct store_op *op)
{
	loop_stop(op->loop);
}

/* Everything that was asked of the store has been answered. */
static void settle(void)
{
	struct store_op op = { .loop = loop, .run = flush_run, .on_done = flush_done };

	turn();
	check(store_submit(store, &op, 0) == 0);
	loop_run(loop);
	turn();
}

static void begin(void)
{
	const struct store_settings settings = { ":memory:", 1 << 30, false };
	struct diag diag;

	diag_init(&diag);
	store = store_create(&settings, &diag);
	check(store);
	diag_fini(&diag);
	fake.n_started = fake.n_live = fake.n_live_max = 0;
	fake.takes_ms = 0;
	fake.code = ERROR_NONE;
	begin_at(wall_of(2026, 11, 25, 0, 0));
	scheduler_set_store(scheduler, store);
}

static void end(void)
{
	settle();
	finish();
	store_destroy(store);
}

/* The process ends (its runs are cut, or not even that), and another begins `s` seconds later. */
static void restart_after(uint64_t s, const char *yaml)
{
	settle();
	scheduler_stop(scheduler, true);
	settle();
	scheduler_destroy(scheduler);
	clock_advance(s * NS_PER_S);
	scheduler = scheduler_create(loop, NULL, &detacher, 1 << 20);
	scheduler_set_store(scheduler, store);
	fake.n_started = 0;
	load(yaml);
	settle();
	settle(); /* runs that were made up for, one after the other */
}

static void nothing_is_missed_at_the_first_start(void)
{
	begin();
	load("a: {cron: 0 * * * *, timezone: UTC, missed: all, tasks: {}}");
	settle();
	is_int(fake.n_started, 0);
	is_str(history("a"), STR("[]"));
	end();
}

static void the_history_is_there_after_a_restart(void)
{
	begin();
	load("a: {every: 10s, tasks: {}}");
	settle();
	pass_s(25);
	restart_after(1, "a: {every: 10s, tasks: {}}");
	is_int(count(history("a"), "\"outcome\":\"ok\""), 2);
	is_true(has(history("a"), "\"planned\":\"2026-11-25T00:00:20.000Z\""));
	is_true(has(list(), "\"last\":{\"planned\":\"2026-11-25T00:00:20.000Z\""));
	pass_s(10);
	is_int(count(history("a"), "\"outcome\":\"ok\""), 3);
	end();
}

static void skip_tells_what_was_missed_and_runs_nothing(void)
{
	begin();
	load("a: {cron: 0 * * * *, timezone: UTC, tasks: {}}");
	restart_after(10000, "a: {cron: 0 * * * *, timezone: UTC, tasks: {}}");
	is_int(fake.n_started, 0);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-25T02:00:00.000Z\""));
	is_true(has(history("a"), "\"outcome\":\"skipped\",\"error\":\"missed\""));
	end();
}

static void once_runs_the_latest_that_was_missed(void)
{
	static const char *const yaml =
		"a: {cron: 0 * * * *, timezone: UTC, missed: once, tasks: {}}";

	begin();
	load(yaml);
	restart_after(10000, yaml);
	is_int(fake.n_started, 1);
	is_int(count(history("a"), "\"planned\""), 1);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-25T02:00:00.000Z\""));
	restart_after(60, yaml); /* it is done with */
	is_int(fake.n_started, 0);
	end();
}

static void all_runs_each_that_was_missed_oldest_first(void)
{
	static const char *const yaml =
		"a: {cron: 0 * * * *, timezone: UTC, missed: all, tasks: {}}";

	begin();
	load(yaml);
	restart_after(5 * 3600 + 60, yaml);
	for (int i = 0; i < 5; i++)
		settle();
	is_int(fake.n_started, 5);
	is_int(fake.n_live_max, 1);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-25T05:00:00.000Z\""));
	is_int(count(history("a"), "\"outcome\":\"ok\""), 5);
	end();
}

static void all_is_at_most_a_hundred(void)
{
	static const char *const yaml =
		"a: {cron: \"* * * * *\", timezone: UTC, missed: all, history: 200, tasks: {}}";

	begin();
	load(yaml);
	restart_after(86400, yaml);
	for (int i = 0; i < 100; i++)
		settle();
	is_int(fake.n_started, 100);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-26T00:00:00.000Z\""));
	is_true(has(history("a"), "\"planned\":\"2026-11-25T22:21:00.000Z\""));
	is_false(has(history("a"), "\"planned\":\"2026-11-25T22:20:00.000Z\""));
	end();
}

static void every_is_missed_by_its_period(void)
{
	static const char *const yaml = "a: {every: 1h, missed: all, tasks: {}}";

	begin();
	load(yaml);
	settle();
	pass_s(3600);
	settle();
	is_int(fake.n_started, 1);
	restart_after(2 * 3600 + 60, yaml);
	for (int i = 0; i < 3; i++)
		settle();
	is_int(fake.n_started, 2);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-25T03:00:00.000Z\""));
	end();
}

static void another_schedule_has_missed_nothing(void)
{
	begin();
	load("a: {every: 1h, missed: all, tasks: {}}");
	restart_after(36000, "a: {every: 2h, missed: all, tasks: {}}");
	is_int(fake.n_started, 0);
	end();
}

static void a_clock_that_was_set_back_meanwhile_runs_nothing_twice(void)
{
	static const char *const yaml =
		"a: {cron: 0 * * * *, timezone: UTC, missed: all, tasks: {}}";

	begin();
	load(yaml);
	settle();
	pass_s(3600 + 60);
	is_int(fake.n_started, 1);
	settle();
	set_wall(wall_of(2026, 11, 25, 0, 30));
	restart_after(0, yaml);
	pass_s(3600); /* one o'clock again */
	is_int(fake.n_started, 0);
	pass_s(1800); /* two o'clock */
	is_int(fake.n_started, 1);
	end();
}

static void a_pause_outlives_the_process(void)
{
	static const char *const yaml = "a: {every: 10s, missed: all, tasks: {}}";

	begin();
	load(yaml);
	settle();
	is_int(scheduler_command(scheduler, STR("a"), JOB_PAUSE), 0);
	restart_after(100, yaml);
	is_true(has(list(), "\"paused\":true"));
	pass_s(30);
	is_int(fake.n_started, 0);
	is_int(scheduler_command(scheduler, STR("a"), JOB_RESUME), 0);
	restart_after(5, yaml);
	is_true(has(list(), "\"paused\":false"));
	is_int(fake.n_started, 0); /* what was due in the pause was not missed */
	pass_s(10);
	is_int(fake.n_started, 1);
	end();
}

static const char *statement; /* of sql() */

static int sql_run(struct store_op *op, struct store_db *db)
{
	(void)op;
	return (int)MIN(store_write(db, statement, STORE_NO_ARGS), INT64_C(0));
}

static void sql(const char *text)
{
	struct store_op op = { .loop = loop, .run = sql_run, .on_done = flush_done };

	statement = text;
	check(store_submit(store, &op, 0) == 0);
	loop_run(loop);
	is_int(op.result, 0);
}

static void a_pause_is_known_also_when_the_store_does_not_work_at_first(void)
{
	begin();
	load("a: {every: 1s, tasks: {}}");
	settle();
	pass_s(3);
	is_int(scheduler_command(scheduler, STR("a"), JOB_PAUSE), 0);
	settle();
	sql("alter table job rename to job_away");
	restart_after(1, "a: {every: 1s, tasks: {}}");
	is_int(scheduler_command(scheduler, STR("a"), JOB_RESUME), -EIO);
	pass_s(5);
	settle();
	is_int(fake.n_started, 0);
	sql("alter table job_away rename to job");
	pass_s(2);
	settle();
	is_true(has(list(), "\"paused\":true"));
	is_int(count(history("a"), "\"outcome\":\"ok\""), 3);
	is_int(scheduler_command(scheduler, STR("a"), JOB_RESUME), 0);
	pass_s(2);
	is_int(fake.n_started, 2);
	end();
}

static void a_store_that_does_not_work_for_long_stops_no_job(void)
{
	begin();
	sql("alter table job rename to job_away");
	load("a: {every: 1s, tasks: {}}");
	for (int i = 0; i < 40; i++) {
		pass_s(1);
		settle();
	}
	is_true(fake.n_started > 5 && fake.n_started < 20);
	end();
}

static void what_a_job_was_away_for_it_has_not_missed(void)
{
	static const char *const yaml =
		"a: {cron: 0 * * * *, timezone: UTC, missed: all, tasks: {}}";

	begin();
	load(yaml);
	settle();
	pass_s(3600);
	is_int(fake.n_started, 1);
	load("b: {every: 1d, tasks: {}}"); /* a reload without it, and one with it */
	settle();
	clock_advance(5 * 3600 * NS_PER_S);
	fake.n_started = 0;
	load(yaml);
	settle();
	settle();
	is_int(fake.n_started, 0);
	is_int(count(history("a"), "\"outcome\":\"ok\""), 1);
	end();
}

static void commands_wait_until_the_job_is_known(void)
{
	begin();
	load("a: {every: 10s, tasks: {}}");
	is_int(scheduler_command(scheduler, STR("a"), JOB_RUN_NOW), -EAGAIN);
	settle();
	is_int(scheduler_command(scheduler, STR("a"), JOB_RUN_NOW), 0);
	is_int(scheduler_command(scheduler, STR("b"), JOB_RUN_NOW), -ENOENT);
	end();
}

/* ------------------------------------------------------------ runs that were cut */

static void cut_a_run(const char *yaml)
{
	begin();
	load(yaml);
	settle();
	fake.takes_ms = UINT64_MAX;
	pass_s(10);
	is_int(fake.n_started, 1);
	fake.takes_ms = 0;
	restart_after(1, yaml);
}

static void a_run_that_was_cut_stays_so_without_retry(void)
{
	cut_a_run("a: {every: 10s, tasks: {}}");
	is_int(fake.n_started, 0);
	is_true(has(history("a"), "\"attempt\":1,\"outcome\":\"interrupted\""));
	end();
}

static void a_run_that_was_cut_follows_retry(void)
{
	cut_a_run("a: {every: 10s, retry: 1, tasks: {}}");
	is_int(fake.n_started, 1);
	is_true(has(history("a"), "\"attempt\":2,\"outcome\":\"ok\""));
	is_true(has(history("a"), "\"attempt\":1,\"outcome\":\"interrupted\""));
	is_int(count(history("a"), "\"planned\":\"2026-11-25T00:00:10.000Z\""), 2);
	restart_after(1, "a: {every: 10s, retry: 1, tasks: {}}");
	is_int(fake.n_started, 0); /* once */
	end();
}

static void a_run_that_was_cut_is_made_up_for_where_missed_says_so(void)
{
	cut_a_run("a: {every: 10s, missed: once, tasks: {}}");
	is_int(fake.n_started, 1);
	end();
}

static void a_run_that_cuts_the_process_each_time_is_given_up(void)
{
	static const char *const yaml = "a: {every: 1d, at_start: true, missed: once, tasks: {}}";
	unsigned n_started = 0;

	begin();
	fake.takes_ms = UINT64_MAX;
	load(yaml);
	settle();
	n_started += fake.n_started;
	for (int i = 0; i < 10; i++) {
		restart_after(1, "a: {every: 1d, missed: once, tasks: {}}");
		n_started += fake.n_started;
	}
	is_int(n_started, 5);
	end();
}

static void a_pause_between_two_attempts_outlives_the_process(void)
{
	static const char *const yaml = "a: {every: 1h, retry: {times: 1, wait: 10m}, tasks: {}}";

	begin();
	load(yaml);
	settle();
	fake.code = ERROR_UPSTREAM_STATUS;
	pass_s(3600);
	is_int(fake.n_started, 1);
	fake.code = ERROR_NONE;
	restart_after(1, yaml);
	is_int(fake.n_started, 1);
	is_true(has(history("a"), "\"attempt\":2,\"outcome\":\"ok\""));
	restart_after(1, yaml);
	is_int(fake.n_started, 0);
	end();
}

static void what_waited_for_its_turn_runs_after_a_restart(void)
{
	static const char *const yaml = "a: {every: 10s, overlap: queue, retry: 1, tasks: {}}";

	begin();
	load(yaml);
	settle();
	fake.takes_ms = UINT64_MAX;
	pass_s(30); /* one runs, two wait */
	is_int(count(history("a"), "\"outcome\":\"waiting\""), 2);
	fake.takes_ms = 0;
	restart_after(1, yaml);
	settle();
	settle();
	is_int(fake.n_started, 3);
	is_int(fake.n_live_max, 1);
	is_int(count(history("a"), "\"outcome\":\"ok\""), 3);
	end();
}

static void a_store_that_is_full_stops_no_run(void)
{
	const struct store_settings settings = { ":memory:", 1 << 18, false };
	struct store_stats stats;
	struct diag diag;

	begin();
	store_destroy(store);
	diag_init(&diag);
	store = store_create(&settings, &diag);
	diag_fini(&diag);
	scheduler_set_store(scheduler, store);
	load("a: {every: 1s, history: 1000, tasks: {}}\nb: {every: 1s, history: 1000, tasks: {}}\n"
	     "c: {every: 1s, history: 1000, tasks: {}}\nd: {every: 1s, history: 1000, tasks: {}}\n"
	     "e: {every: 1s, history: 1000, tasks: {}}\nf: {every: 1s, history: 1000, tasks: "
	     "{}}\n");
	settle();
	for (int i = 0; i < 1200; i++) {
		pass_s(1);
		if (i % 100 == 0)
			settle();
	}
	settle();
	store_stats(store, &stats);
	is_true(stats.degraded && stats.n_failed > 0);
	is_int(fake.n_started, 1200 * 6);
	is_int(count(history("a"), "\"planned\""), 1000);
	end();
}

int main(void)
{
	TEST(nothing_is_missed_at_the_first_start);
	TEST(the_history_is_there_after_a_restart);
	TEST(skip_tells_what_was_missed_and_runs_nothing);
	TEST(once_runs_the_latest_that_was_missed);
	TEST(all_runs_each_that_was_missed_oldest_first);
	TEST(all_is_at_most_a_hundred);
	TEST(every_is_missed_by_its_period);
	TEST(another_schedule_has_missed_nothing);
	TEST(a_clock_that_was_set_back_meanwhile_runs_nothing_twice);
	TEST(a_pause_outlives_the_process);
	TEST(a_pause_is_known_also_when_the_store_does_not_work_at_first);
	TEST(a_store_that_does_not_work_for_long_stops_no_job);
	TEST(what_a_job_was_away_for_it_has_not_missed);
	TEST(commands_wait_until_the_job_is_known);
	TEST(a_run_that_was_cut_stays_so_without_retry);
	TEST(a_run_that_was_cut_follows_retry);
	TEST(a_run_that_was_cut_is_made_up_for_where_missed_says_so);
	TEST(a_run_that_cuts_the_process_each_time_is_given_up);
	TEST(a_pause_between_two_attempts_outlives_the_process);
	TEST(what_waited_for_its_turn_runs_after_a_restart);
	TEST(a_store_that_is_full_stops_no_run);
	return tap_done();
}
