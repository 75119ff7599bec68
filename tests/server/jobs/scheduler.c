/* tests/server/jobs/scheduler.c: when jobs run, and what becomes of their runs. */
#include "tests/server/jobs/fake_flow.h"
#include "tests/server/jobs/jobs_fixture.h"
#include <errno.h>

static void begin_from(int64_t wall_s)
{
	fake.n_started = fake.n_live = fake.n_live_max = 0;
	fake.takes_ms = 0;
	fake.code = ERROR_NONE;
	begin_at(wall_s);
}

static void begin(void)
{
	begin_from(wall_of(2026, 11, 25, 0, 0));
}

/* ------------------------------------------------------------ every and delay */

static void a_day_of_every_does_not_drift(void)
{
	begin();
	load("a: {every: 30s, tasks: {}}");
	fake.takes_ms = 7;
	pass(86400000, 250);
	is_int(fake.n_started, 2880);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-26T00:00:00.000Z\""));
	is_true(has(history("a"), "\"planned\":\"2026-11-25T23:59:30.000Z\",\"started\":"
				  "\"2026-11-25T23:59:30.000Z\",\"ended\":\"2026-11-25T23:59:30."));
	is_int(count(history("a"), "\"planned\""), 50);
	finish();
}

static void a_late_loop_skips_and_never_bursts(void)
{
	begin();
	load("a: {every: 10s, tasks: {}}");
	pass_s(10);
	is_int(fake.n_started, 1);
	clock_advance(35 * NS_PER_S); /* 20, 30 and 40 have passed */
	turn();
	is_int(fake.n_started, 2);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-25T00:00:40.000Z\",\"started\":"
				  "\"2026-11-25T00:00:45.000Z\""));
	pass_s(4);
	is_int(fake.n_started, 2);
	pass_s(1); /* 50: the grid has not moved */
	is_int(fake.n_started, 3);
	finish();
}

static void every_begins_after_a_period_or_at_the_start(void)
{
	begin();
	load("a: {every: 10s, tasks: {}}\n"
	     "b: {every: 10s, at_start: true, tasks: {}}");
	turn();
	is_int(fake.n_started, 1);
	is_true(has(history("b"), "\"planned\":\"2026-11-25T00:00:00.000Z\""));
	is_str(history("a"), STR("[]"));
	pass_s(9);
	is_int(fake.n_started, 1);
	pass_s(1);
	is_int(fake.n_started, 3);
	finish();
}

static void every_of_milliseconds_keeps_up(void)
{
	begin();
	load("a: {every: 1ms, tasks: {}}");
	pass(1000, 1);
	is_true(fake.n_started >= 990 && fake.n_started <= 1000);
	finish();
}

static void delay_runs_once(void)
{
	begin();
	load("a: {delay: 10s, tasks: {}}");
	is_true(has(list(), "\"next\":\"2026-11-25T00:00:10.000Z\""));
	pass_s(9);
	is_int(fake.n_started, 0);
	pass_s(1);
	is_int(fake.n_started, 1);
	is_true(has(list(), "\"next\":null"));
	pass_s(100);
	is_int(fake.n_started, 1);
	finish();
}

static void jitter_delays_each_run_by_its_own_part(void)
{
	begin();
	load("a: {every: 10s, jitter: 10s, tasks: {}}");
	pass(1000000, 100);
	is_true(fake.n_started >= 98 && fake.n_started <= 100);
	is_int(count(history("a"), "0.000Z\",\"started\""), 50);
	is_true(count(history("a"), "0.000Z\",\"ended\"") < 50 / 2);
	finish();
}

/* ------------------------------------------------------------ cron */

static void cron_runs_at_its_minutes(void)
{
	begin();
	load("a: {cron: '*/15 * * * *', timezone: UTC, tasks: {}}");
	is_true(has(list(), "\"schedule\":\"cron */15 * * * *, UTC\",\"next\":"
			    "\"2026-11-25T00:15:00.000Z\""));
	pass_s(3600);
	is_int(fake.n_started, 4);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-25T01:00:00.000Z\",\"started\":"
				  "\"2026-11-25T01:00:00.000Z\""));
	finish();
}

static void a_time_that_spring_skips_runs_once_at_the_next_minute(void)
{
	begin_from(wall_of(2026, 3, 28, 12, 0));
	load("a: {cron: 30 2 * * *, timezone: Europe/Paris, tasks: {}}");
	pass(36 * 3600000, 30000);
	is_int(fake.n_started, 1);
	is_true(has(history("a"), "\"planned\":\"2026-03-29T01:00:00.000Z\""));
	is_true(has(list(), "\"next\":\"2026-03-30T00:30:00.000Z\""));
	finish();
}

static void a_time_that_autumn_repeats_runs_once(void)
{
	begin_from(wall_of(2026, 10, 24, 12, 0));
	load("a: {cron: 30 2 * * *, timezone: Europe/Paris, tasks: {}}\n"
	     "b: {cron: '30 * * * *', timezone: Europe/Paris, tasks: {}}");
	pass(24 * 3600000, 30000);
	is_int(count(history("a"), "planned"), 1);
	is_true(has(history("a"), "\"planned\":\"2026-10-25T00:30:00.000Z\""));
	is_int(count(history("b"), "planned"), 24); /* each real hour */
	finish();
}

static void a_clock_set_back_runs_nothing_twice(void)
{
	begin();
	load("a: {cron: '10 * * * *', timezone: UTC, tasks: {}}");
	pass_s(900);
	is_int(fake.n_started, 1);
	set_wall(wall_of(2026, 11, 25, 0, 5)); /* ten minutes back */
	pass_s(600);
	is_int(fake.n_started, 1);
	pass_s(3600);
	is_int(fake.n_started, 2);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-25T01:10:00.000Z\""));
	finish();
}

static void a_clock_set_forward_misses_nothing(void)
{
	begin();
	load("a: {cron: '10 * * * *', timezone: UTC, tasks: {}}");
	pass_s(60);
	set_wall(wall_of(2026, 11, 25, 0, 20));
	pass_s(31);
	is_int(fake.n_started, 1);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-25T00:10:00.000Z\",\"started\":"
				  "\"2026-11-25T00:20:"));
	set_wall(wall_of(2026, 11, 25, 2, 30)); /* over 01:10 and 02:10: the later one runs */
	pass_s(31);
	is_int(fake.n_started, 2);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-25T02:10:00.000Z\""));
	is_true(has(list(), "\"next\":\"2026-11-25T03:10:00.000Z\""));
	finish();
}

static void a_clock_that_was_plainly_wrong_begins_anew(void)
{
	begin_from(wall_of(2000, 1, 1, 0, 0));
	load("a: {cron: 0 3 * * *, timezone: UTC, tasks: {}}");
	set_wall(wall_of(2026, 11, 25, 12, 0));
	pass_s(31);
	is_int(fake.n_started, 0);
	is_true(has(history("a"), "\"outcome\":\"skipped\",\"error\":\"missed\""));
	is_true(has(list(), "\"next\":\"2026-11-26T03:00:00.000Z\""));
	set_wall(wall_of(2020, 1, 1, 2, 59));
	pass_s(31);
	is_true(has(list(), "\"next\":\"2020-01-01T03:00:00.000Z\""));
	pass_s(60);
	is_int(fake.n_started, 1);
	finish();
}

/* ------------------------------------------------------------ overlap */

static void overlap_skip_counts_what_it_skips(void)
{
	begin();
	load("a: {every: 10s, tasks: {}}");
	fake.takes_ms = 35000;
	pass_s(45);
	is_int(fake.n_started, 1);
	is_int(fake.n_live, 0);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-25T00:00:40.000Z\",\"started\":null,"
				  "\"ended\":null,\"attempt\":0,\"outcome\":\"skipped\","
				  "\"error\":\"overlap\",\"times\":3},"));
	is_true(has(history("a"), "\"took_ms\":35000,\"attempt\":1,\"outcome\":\"ok\""));
	pass_s(5);
	is_int(fake.n_started, 2);
	finish();
}

static void overlap_queue_runs_them_one_after_the_other(void)
{
	begin();
	load("a: {every: 10s, overlap: queue, tasks: {}}");
	fake.takes_ms = 25000;
	pass_s(31);
	is_int(fake.n_started, 1);
	is_true(has(list(), "\"running\":1,\"waiting\":2"));
	pass_s(5);
	is_int(fake.n_started, 2);
	is_int(fake.n_live_max, 1);
	is_true(has(history("a"), "[{\"planned\":\"2026-11-25T00:00:30.000Z\",\"started\":null"));
	is_true(has(history("a"), "{\"planned\":\"2026-11-25T00:00:20.000Z\",\"started\":"
				  "\"2026-11-25T00:00:35.000Z\""));
	fake.takes_ms = UINT64_MAX;
	pass_s(1900);
	is_true(has(list(), "\"waiting\":100,"));
	is_true(has(history("a"), "\"error\":\"queue_full\""));
	finish();
}

static void overlap_parallel_has_a_bound(void)
{
	begin();
	load("a: {every: 10s, overlap: parallel, tasks: {}}");
	fake.takes_ms = UINT64_MAX;
	pass_s(1100);
	is_int(fake.n_live, JOB_PARALLEL_MAX);
	is_int(scheduler_n_running(scheduler), JOB_PARALLEL_MAX);
	is_true(has(history("a"), "\"outcome\":\"skipped\",\"error\":\"overlap\",\"times\":10"));
	finish();
}

static void overlap_cancel_previous_starts_when_the_old_one_has_ended(void)
{
	begin();
	load("a: {every: 10s, overlap: cancel_previous, tasks: {}}");
	fake.takes_ms = 15000;
	pass_s(21);
	is_int(fake.n_started, 2);
	is_int(fake.n_live_max, 1);
	is_true(has(history("a"), "\"took_ms\":10000,\"attempt\":1,\"outcome\":\"cancelled\","
				  "\"error\":\"cancelled\""));
	is_true(has(list(), "\"failures\":0"));
	finish();
}

/* ------------------------------------------------------------ ends */

static void a_run_that_fails_is_tried_again(void)
{
	begin();
	load("a: {every: 1h, retry: {times: 3, wait: 10s}, tasks: {}}");
	fake.code = ERROR_CONNECT_FAILED;
	pass_s(3600);
	is_int(fake.n_started, 1);
	is_true(has(list(), "\"running\":1"));
	pass_s(9);
	is_int(fake.n_started, 1);
	pass_s(4); /* 10 s and up to a quarter more */
	is_int(fake.n_started, 2);
	pass_s(18);
	is_int(fake.n_started, 2);
	pass_s(8); /* 20 s */
	is_int(fake.n_started, 3);
	fake.code = ERROR_NONE;
	pass_s(51); /* 40 s */
	is_int(fake.n_started, 4);
	is_true(has(list(), "\"running\":0"));
	is_true(has(list(), "\"runs\":1,\"failures\":0"));
	is_int(count(history("a"), "\"outcome\":\"failed\",\"error\":\"connect_failed\""), 3);
	is_true(has(history("a"), "\"attempt\":4,\"outcome\":\"ok\",\"error\":null"));
	finish();
}

static void retries_come_to_an_end(void)
{
	begin();
	load("a: {delay: 1s, retry: 2, tasks: {}}");
	fake.code = ERROR_IO_ERROR;
	pass_s(100);
	is_int(fake.n_started, 3);
	is_true(has(list(), "\"runs\":1,\"failures\":1"));
	is_int(configs[0].n_pins, 0);
	finish();
}

static void timeout_ends_a_run(void)
{
	begin();
	load("a: {every: 1m, timeout: 5s, tasks: {}}");
	fake.takes_ms = UINT64_MAX;
	pass_s(64);
	is_int(fake.n_live, 1);
	pass_s(1);
	is_int(fake.n_live, 0);
	is_true(has(history("a"), "\"took_ms\":5000,\"attempt\":1,\"outcome\":\"timeout\","
				  "\"error\":\"timeout\""));
	finish();
}

static void without_a_timeout_a_run_has_half_an_hour(void)
{
	begin();
	load("a: {delay: 1s, tasks: {}}");
	fake.takes_ms = UINT64_MAX;
	pass_s(1800);
	is_int(fake.n_live, 1);
	pass_s(1);
	is_int(fake.n_live, 0);
	finish();
}

static void when_decides_whether_a_run_starts(void)
{
	begin();
	load("a: {every: 10s, when: 'run.time == \"00:00:20\" && job.name == \"a\"', tasks: {}}\n"
	     "b: {every: 10s, when: '${run.attempt + \"x\"}', tasks: {}}");
	pass_s(30);
	is_int(fake.n_started, 1);
	is_int(count(history("a"), "\"error\":\"when\""), 2);
	is_true(has(history("a"), "\"planned\":\"2026-11-25T00:00:20.000Z\",\"started\":"
				  "\"2026-11-25T00:00:20.000Z\""));
	is_true(has(history("b"), "\"outcome\":\"failed\",\"error\":\"expr_error\",\"times\":3"));
	is_true(has(list(), "\"runs\":0,\"failures\":3"));
	finish();
}

/* ------------------------------------------------------------ roots */

static struct context *context_of_first(void)
{
	struct fake_run *first = list_first(&fake.runs, struct fake_run, link);

	check(first);
	return first->run->context;
}

static struct value root_of(enum expr_root root, const char *key)
{
	struct context *context = context_of_first();
	struct value value = value_null();

	is_int(context->ops->root(context, root, key ? str_of(key) : STR_NONE, &value), 0);
	return value;
}

static void a_run_knows_its_planned_time_in_the_zone_of_the_job(void)
{
	struct value whole;

	begin();
	load("a-b: {cron: '30 0 * * *', timezone: Asia/Tokyo, tasks: {}}");
	fake.takes_ms = UINT64_MAX;
	pass(15 * 3600000 + 1800000 + 2000, 2000);
	is_int(fake.n_live, 1);
	is_str(value_str(root_of(ROOT_RUN, "date")), STR("2026-11-26"));
	is_str(value_str(root_of(ROOT_RUN, "time")), STR("00:30:00"));
	is_str(value_str(root_of(ROOT_RUN, "planned")), STR("2026-11-25T15:30:00.000Z"));
	is_str(value_str(root_of(ROOT_RUN, "name")), STR("a-b"));
	is_int(root_of(ROOT_RUN, "attempt").integer, 1);
	is_true(str_starts_with(value_str(root_of(ROOT_RUN, "id")), STR("a-b-")));
	is_str(value_str(root_of(ROOT_JOB, "name")), STR("a-b"));
	is_str(value_str(root_of(ROOT_JOB, "timezone")), STR("Asia/Tokyo"));
	is_true(value_is_null(root_of(ROOT_RUN, "nothing")));
	whole = root_of(ROOT_RUN, NULL);
	is_int(whole.kind, VALUE_OBJECT);
	is_int(whole.len, 7);
	is_true(fake.compiled_roots == (ROOT_BIT(ROOT_RUN) | ROOT_BIT(ROOT_JOB) |
					ROOT_BIT(ROOT_ENV) | ROOT_BIT(ROOT_SECRET)));
	finish();
}

static void a_run_without_memory_says_so(void)
{
	struct context *context;
	struct value value;

	begin();
	load("a: {every: 1s, tasks: {}}");
	fake.takes_ms = UINT64_MAX;
	pass_s(1);
	context = context_of_first();
	while (arena_alloc(context->arena, 16))
		;
	is_int(context->ops->root(context, ROOT_RUN, STR("date"), &value), -ENOMEM);
	is_int(context->ops->root(context, ROOT_RUN, STR("planned"), &value), -ENOMEM);
	is_int(context->ops->root(context, ROOT_JOB, STR_NONE, &value), -ENOMEM);
	finish();
}

/* ------------------------------------------------------------ commands */

static void a_paused_job_waits_until_it_is_resumed(void)
{
	begin();
	load("a: {every: 10s, tasks: {}}");
	is_int(scheduler_command(scheduler, STR("b"), JOB_PAUSE), -ENOENT);
	is_int(scheduler_command(scheduler, STR("a"), JOB_PAUSE), 0);
	is_true(has(list(), "\"next\":null,\"paused\":true"));
	pass_s(35);
	is_int(fake.n_started, 0);
	is_int(scheduler_command(scheduler, STR("a"), JOB_RUN_NOW), 0);
	turn();
	is_int(fake.n_started, 1);
	is_int(scheduler_command(scheduler, STR("a"), JOB_RESUME), 0);
	is_true(has(list(), "\"next\":\"2026-11-25T00:00:40.000Z\",\"paused\":false"));
	pass_s(4);
	is_int(fake.n_started, 1);
	pass_s(1);
	is_int(fake.n_started, 2);
	finish();
}

static void a_delay_that_passed_in_a_pause_runs_at_its_end(void)
{
	begin();
	load("a: {delay: 10s, tasks: {}}\nb: {cron: '* * * * *', timezone: UTC, tasks: {}}");
	scheduler_command(scheduler, STR("a"), JOB_PAUSE);
	scheduler_command(scheduler, STR("b"), JOB_PAUSE);
	pass_s(90);
	scheduler_command(scheduler, STR("a"), JOB_RESUME);
	scheduler_command(scheduler, STR("b"), JOB_RESUME);
	pass_s(1);
	is_int(fake.n_started, 1);
	pass_s(29);
	is_int(fake.n_started, 2);
	finish();
}

static void running_now_obeys_overlap(void)
{
	begin();
	load("a: {every: 1h, tasks: {}}\nb: {every: 1h, overlap: queue, tasks: {}}");
	fake.takes_ms = 1000;
	is_int(scheduler_command(scheduler, STR("a"), JOB_RUN_NOW), 0);
	is_int(scheduler_command(scheduler, STR("a"), JOB_RUN_NOW), -EBUSY);
	is_int(scheduler_command(scheduler, STR("b"), JOB_RUN_NOW), 0);
	is_int(scheduler_command(scheduler, STR("b"), JOB_RUN_NOW), 0);
	is_int(scheduler_command(scheduler, STR("c"), JOB_RUN_NOW), -ENOENT);
	pass_s(1);
	is_int(fake.n_started, 3);
	pass_s(5);
	is_int(scheduler_command(scheduler, STR("a"), JOB_RUN_NOW), 0);
	is_true(has(list(), "\"next\":\"2026-11-25T01:00:00.000Z\""));
	finish();
}

static void the_list_is_json_in_the_order_of_the_file(void)
{
	struct buf whole;

	begin();
	load("z: {every: 90s, tasks: {}}\na: {delay: 1h, tasks: {}}");
	is_true(str_starts_with(list(), STR("{\"name\":\"z\",\"schedule\":\"every 1m30s\",\"next\":"
					    "\"2026-11-25T00:01:30.000Z\",\"paused\":false,"
					    "\"running\":0,\"waiting\":0,\"last\":null,\"runs\":0,"
					    "\"failures\":0},{\"name\":\"a\"")));
	buf_init(&whole, 1 << 20);
	buf_printf(&whole, "[%.*s]", STR_ARG(list()));
	is_true(json_check(buf_str(&whole), NULL));
	buf_fini(&whole);
	is_false(scheduler_write_history(scheduler, STR("b"), &out));
	pass_s(90);
	is_true(has(list(), "\"last\":{\"planned\":\"2026-11-25T00:01:30.000Z\""));
	finish();
}

/* ------------------------------------------------------------ reload, stop */

static void a_reload_keeps_the_schedule_of_what_is_unchanged(void)
{
	begin();
	load("a: {every: 1m, tasks: {}}\nb: {every: 1m, tasks: {}}\nd: {delay: 30s, tasks: {}}");
	pass_s(40);
	is_int(fake.n_started, 1);
	scheduler_command(scheduler, STR("a"), JOB_PAUSE);
	scheduler_command(scheduler, STR("a"), JOB_RESUME);
	load("d: {delay: 30s, tasks: {}}\na: {every: 1m, timeout: 1m, tasks: {}}\n"
	     "b: {every: 50s, tasks: {}}\ne: {delay: 30s, tasks: {}}");
	pass_s(19);
	is_int(fake.n_started, 1);
	pass_s(1); /* a: at its old time */
	is_int(fake.n_started, 2);
	pass_s(10); /* e: from the reload; d ran already */
	is_int(fake.n_started, 3);
	is_int(count(history("d"), "planned"), 1);
	pass_s(20); /* b: anew */
	is_int(count(history("b"), "planned"), 1);
	is_true(has(history("b"), "\"planned\":\"2026-11-25T00:01:30.000Z\""));
	finish();
}

static void runs_of_what_is_gone_end_with_what_they_began_with(void)
{
	struct config *first, *second;

	begin();
	first = load("a: {every: 10s, tasks: {}}\nb: {every: 10s, overlap: queue, tasks: {}}");
	fake.takes_ms = 15000;
	pass_s(21);
	is_int(first->n_pins, 2);
	second = load("a: {every: 10s, tasks: {}}");
	is_int(first->n_pins, 2);
	is_false(scheduler_write_history(scheduler, STR("b"), &out));
	is_int(scheduler_command(scheduler, STR("b"), JOB_RUN_NOW), -ENOENT);
	pass_s(4);
	is_int(first->n_pins, 0);
	is_int(second->n_pins, 0);
	pass_s(5);
	is_int(second->n_pins, 1);
	is_int(fake.n_started, 3); /* what waited of b was dropped */
	finish();
}

static void a_job_that_comes_back_is_planned_anew(void)
{
	begin();
	load("a: {every: 10s, tasks: {}}");
	fake.takes_ms = 30000;
	pass_s(15);
	load("b: {every: 1h, tasks: {}}");
	pass_s(1);
	load("a: {every: 10s, tasks: {}}");
	is_true(has(list(),
		    "\"next\":\"2026-11-25T00:00:26.000Z\",\"paused\":false,\"running\":1"));
	pass_s(10);
	is_true(has(history("a"), "\"error\":\"overlap\""));
	finish();
}

static void stopping_starts_nothing_and_waits(void)
{
	begin();
	load("a: {every: 10s, overlap: queue, tasks: {}}\n"
	     "b: {every: 10s, retry: {times: 9, wait: 1h}, tasks: {}}");
	fake.takes_ms = 25000;
	fake.code = ERROR_IO_ERROR;
	pass_s(15);
	is_int(scheduler_n_running(scheduler), 2);
	scheduler_stop(scheduler, false);
	pass_s(10);
	is_int(scheduler_n_running(scheduler), 2);
	pass_s(10);
	is_int(scheduler_n_running(scheduler), 0);
	is_int(fake.n_started, 2);
	is_int(scheduler_command(scheduler, STR("a"), JOB_RUN_NOW), -EBUSY);
	is_true(has(list(), "\"next\":null"));
	finish();
}

static void stopping_ends_what_waits_for_its_next_attempt(void)
{
	begin();
	load("a: {every: 10s, retry: {times: 9, wait: 1h}, tasks: {}}");
	fake.code = ERROR_IO_ERROR;
	pass_s(15);
	is_int(scheduler_n_running(scheduler), 1);
	load("b: {every: 1h, tasks: {}}"); /* a is gone, but not over */
	is_int(scheduler_n_running(scheduler), 1);
	scheduler_stop(scheduler, false);
	is_int(scheduler_n_running(scheduler), 0);
	finish();
}

int main(void)
{
	log_set_level(LOG_ERROR);
	TEST(a_day_of_every_does_not_drift);
	TEST(a_late_loop_skips_and_never_bursts);
	TEST(every_begins_after_a_period_or_at_the_start);
	TEST(every_of_milliseconds_keeps_up);
	TEST(delay_runs_once);
	TEST(jitter_delays_each_run_by_its_own_part);
	TEST(cron_runs_at_its_minutes);
	TEST(a_time_that_spring_skips_runs_once_at_the_next_minute);
	TEST(a_time_that_autumn_repeats_runs_once);
	TEST(a_clock_set_back_runs_nothing_twice);
	TEST(a_clock_set_forward_misses_nothing);
	TEST(a_clock_that_was_plainly_wrong_begins_anew);
	TEST(overlap_skip_counts_what_it_skips);
	TEST(overlap_queue_runs_them_one_after_the_other);
	TEST(overlap_parallel_has_a_bound);
	TEST(overlap_cancel_previous_starts_when_the_old_one_has_ended);
	TEST(a_run_that_fails_is_tried_again);
	TEST(retries_come_to_an_end);
	TEST(timeout_ends_a_run);
	TEST(without_a_timeout_a_run_has_half_an_hour);
	TEST(when_decides_whether_a_run_starts);
	TEST(a_run_knows_its_planned_time_in_the_zone_of_the_job);
	TEST(a_run_without_memory_says_so);
	TEST(a_paused_job_waits_until_it_is_resumed);
	TEST(a_delay_that_passed_in_a_pause_runs_at_its_end);
	TEST(running_now_obeys_overlap);
	TEST(the_list_is_json_in_the_order_of_the_file);
	TEST(a_reload_keeps_the_schedule_of_what_is_unchanged);
	TEST(runs_of_what_is_gone_end_with_what_they_began_with);
	TEST(a_job_that_comes_back_is_planned_anew);
	TEST(stopping_starts_nothing_and_waits);
	TEST(stopping_ends_what_waits_for_its_next_attempt);
	return tap_done();
}
