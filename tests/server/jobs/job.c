/* tests/server/jobs/job.c: what may stand in a job, and what is said about what may not. */
#include "tests/server/jobs/fake_flow.h"
#include "tests/server/jobs/jobs_fixture.h"

/* One check: these jobs give exactly one message. */
static void says(const char *yaml, const char *want)
{
	struct config config;
	struct str said, first = STR("");

	config_read(&config, yaml);
	said = reading_said(&config.reading);
	if (said.len > 0)
		str_next_part(&said, '\n', &first);
	is_str(first, str_of(want));
	is_int(config.reading.diag.n_entries, *want != 0);
	config_free(&config);
}

static void keys_have_defaults(void)
{
	struct config config;
	const struct job_spec *spec;

	is_true(config_read(&config, "a: {every: 30s, tasks: {}}"));
	spec = config.specs[0];
	is_str(spec->name, STR("a"));
	is_int(spec->kind, JOB_EVERY);
	is_int(spec->every_ms, 30000);
	is_int(spec->overlap, OVERLAP_SKIP);
	is_str(spec->timezone, STR("local"));
	is_true(spec->zone != NULL);
	is_int(spec->timeout_ms, 1800000);
	is_int(spec->jitter_ms, 0);
	is_int(spec->retry_times, 0);
	is_int(spec->retry_wait_ms, 10000);
	is_false(spec->at_start);
	is_null(spec->when);
	config_free(&config);
}

static void every_key_is_read(void)
{
	struct config config;
	const struct job_spec *spec;

	is_true(config_read(&config, "export-items:\n"
				     "  cron: 0 3 * * *\n"
				     "  timezone: Europe/Paris\n"
				     "  missed: skip\n"
				     "  overlap: cancel_previous\n"
				     "  jitter: 5m\n"
				     "  timeout: 40m\n"
				     "  retry: {times: 3, wait: 10m}\n"
				     "  when: ${run.attempt == 1}\n"
				     "  tasks: {}\n"));
	spec = config.specs[0];
	is_int(spec->kind, JOB_CRON);
	is_str(spec->cron_text, STR("0 3 * * *"));
	is_text(zone_name(spec->zone), "Europe/Paris");
	is_int(spec->overlap, OVERLAP_CANCEL_PREVIOUS);
	is_int(spec->jitter_ms, 300000);
	is_int(spec->timeout_ms, 2400000);
	is_int(spec->retry_times, 3);
	is_int(spec->retry_wait_ms, 600000);
	is_true(spec->when != NULL);
	config_free(&config);
	is_true(config_read(&config, "a: {every: 1s, at_start: true, retry: 5, tasks: {}}"));
	is_true(config.specs[0]->at_start);
	is_int(config.specs[0]->retry_times, 5);
	is_int(config.specs[0]->retry_wait_ms, 10000);
	config_free(&config);
}

static void a_job_has_exactly_one_schedule(void)
{
	says("a: {tasks: {}}",
	     "a.yaml:1:1: error: job \"a\" has no schedule; add every, delay, cron or source");
	says("a: {every: 1s, delay: 1s, tasks: {}}",
	     "a.yaml:1:16: error: job \"a\" has both every and delay; keep one of them");
	says("a: {cron: '@daily', every: 1s, tasks: {}}",
	     "a.yaml:1:5: error: job \"a\" has both every and cron; keep one of them");
}

static void what_does_not_fit_is_refused(void)
{
	says("A: {every: 1s, tasks: {}}",
	     "a.yaml:1:1: error: \"A\" cannot be the name of a job; write at most 64 lower case "
	     "letters, digits, _ and -, a letter or _ first");
	says("a: {delay: 1s, at_start: true, tasks: {}}",
	     "a.yaml:1:16: error: at_start belongs to every, not to delay; remove it");
	says("a: {every: 1s, jitter: 2s, tasks: {}}",
	     "a.yaml:1:24: error: jitter is longer than the period; write at most the time of "
	     "every");
	says("a: {delay: 1s, missed: once, tasks: {}}",
	     "a.yaml:1:24: error: missed belongs to every and cron: delay counts from each start; "
	     "remove it");
	says("a: {every: 1s, overlap: skp, tasks: {}}",
	     "a.yaml:1:25: error: \"overlap\" is skip, queue, parallel or cancel_previous, not the "
	     "text \"skp\"; did you mean \"skip\"?");
	says("a: {evry: 1s, delay: 1s, tasks: {}}",
	     "a.yaml:1:5: error: unknown key \"evry\" in job \"a\"; did you mean \"every\"?");
	says("a: {every: 0, tasks: {}}",
	     "a.yaml:1:12: error: \"every\" is from 1ms to 10000d, not 0; write a value in that "
	     "range");
	says("a: {every: 1s}", "a.yaml:1:4: error: job \"a\" needs the key \"tasks\"; What to do, "
			       "by name; the order follows from the references.");
	says("a: 5", "a.yaml:1:4: error: job \"a\" is a map of keys, not a number; write key: "
		     "value");
}

static void places_are_exact(void)
{
	struct config config;

	says("a: {every: 1s, when: nothing == 1, tasks: {}}",
	     "a.yaml:1:22: error: unknown name \"nothing\"; a text needs quotes: 'nothing'");
	is_false(config_read(&config, "a: {cron: '0 25 * * *', tasks: {}}"));
	is_true(str_starts_with(reading_said(&config.reading), STR("a.yaml:1:14: error: ")));
	config_free(&config);
	is_false(config_read(&config, "a: {cron: 0 3 * * *, timezone: Europe/Pari, tasks: {}}"));
	is_true(str_starts_with(reading_said(&config.reading), STR("a.yaml:1:32: error: ")));
	is_true(has(reading_said(&config.reading), "Europe/Paris"));
	config_free(&config);
	is_false(config_read(&config, "a: {every: 1s, when: \"${run.x +}\", tasks: {}}"));
	is_int(config.reading.diag.n_errors, 1);
	config_free(&config);
	is_false(config_read(&config, "a: {every: 1s, when: \"body.x\", tasks: {}}"));
	is_int(config.reading.diag.n_errors, 1);
	config_free(&config);
}

static void all_errors_are_found_in_one_go(void)
{
	struct config config;

	is_false(config_read(&config, "a: {cron: '0 25 * * *', timezone: Mars/Base, missed: all,\n"
				      "    retry: {tims: 1}, when: 1 +, tasks: {}}\n"
				      "b: {tasks: {}}\n"));
	is_int(config.reading.diag.n_errors, 5);
	is_int(config.n_specs, 0);
	config_free(&config);
}

static void a_flow_that_is_wrong_makes_the_job_wrong(void)
{
	struct config config;

	fake.compile_fails = true;
	(void)config_read(&config, "a: {every: 1s, tasks: {}}");
	is_int(config.n_specs, 0);
	fake.compile_fails = false;
	config_free(&config);
	job_spec_fini(NULL);
}

int main(void)
{
	TEST(keys_have_defaults);
	TEST(every_key_is_read);
	TEST(a_job_has_exactly_one_schedule);
	TEST(what_does_not_fit_is_refused);
	TEST(places_are_exact);
	TEST(all_errors_are_found_in_one_go);
	TEST(a_flow_that_is_wrong_makes_the_job_wrong);
	return tap_done();
}
