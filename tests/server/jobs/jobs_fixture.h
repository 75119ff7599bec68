/* tests/server/jobs/jobs_fixture.h: jobs from YAML, on a loop whose time the test makes. */
#pragma once
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/expr/json.h"
#include "server/jobs/jobs.h"
#include "tests/conf/reading.h"

enum { SPECS_MAX = 16, CONFIGS_MAX = 16 };

/* One configuration, as a generation would hold it. */
struct config {
	struct reading reading;
	struct job_spec *specs[SPECS_MAX];
	size_t n_specs;
	size_t n_pins;
	struct flow *flows;
};

static struct loop *loop;
static struct scheduler *scheduler;
static struct config configs[CONFIGS_MAX];
static size_t n_configs;
static struct buf out;

static inline void pin(struct detacher *detacher, void *generation)
{
	(void)detacher;
	((struct config *)generation)->n_pins++;
}

static inline void unpin(struct detacher *detacher, void *generation)
{
	(void)detacher;
	((struct config *)generation)->n_pins--;
}

static struct detacher detacher = { pin, unpin, LIST_INIT(detacher.runs) };

/* Reads "name: {…}" lines as the jobs of a configuration. */
static inline bool config_read(struct config *config, const char *yaml)
{
	struct flow_compiler compiler = { .arena = &config->reading.arena,
					  .diag = &config->reading.diag };

	reading_start(&config->reading, yaml);
	config->n_specs = config->n_pins = 0;
	for (size_t i = 0; config->reading.root && i < config->reading.root->n_entries; i++) {
		struct job_spec *spec = job_compile(&compiler, &config->reading.root->entries[i]);

		check(config->n_specs < SPECS_MAX);
		if (spec)
			config->specs[config->n_specs++] = spec;
	}
	config->flows = compiler.flows;
	return config->reading.diag.n_errors == 0;
}

static inline void config_free(struct config *config)
{
	for (size_t i = 0; i < config->n_specs; i++)
		job_spec_fini(config->specs[i]);
	flows_fini(config->flows);
	reading_end(&config->reading);
}

static inline struct config *load(const char *yaml)
{
	struct config *config = &configs[n_configs++];

	check(n_configs <= CONFIGS_MAX);
	if (!config_read(config, yaml))
		check_failed(reading_said(&config->reading).ptr, "", 0, "load");
	scheduler_set(scheduler, config, config->specs, config->n_specs);
	return config;
}

static inline void turn(void)
{
	for (int i = 0; i < 3; i++)
		loop_run_once(loop, false);
}

/* The clock goes on, a step at a time. */
static inline void pass(uint64_t ms, uint64_t step_ms)
{
	while (ms > 0) {
		uint64_t step = MIN(ms, step_ms);

		clock_advance(step * NS_PER_MS);
		turn();
		ms -= step;
	}
}

static inline void pass_s(uint64_t s)
{
	pass(s * 1000, 1000);
}

/* The wall clock is set: the other one does not notice. */
static inline void set_wall(int64_t wall_s)
{
	clock_freeze(clock_monotonic_ns(), wall_s * (int64_t)NS_PER_S);
}

static inline int64_t wall_of(int year, int month, int day, int hour, int minute)
{
	const struct civil civil = {
		.year = year, .month = month, .day = day, .hour = hour, .minute = minute
	};

	return civil_count(&civil);
}

static inline void begin_at(int64_t wall_s)
{
	clock_freeze(1000 * NS_PER_S, wall_s * (int64_t)NS_PER_S);
	check(loop_create(&loop) == 0);
	scheduler = scheduler_create(loop, NULL, &detacher, 1 << 20);
	buf_init(&out, 4 << 20);
	n_configs = 0;
}

static inline void finish(void)
{
	scheduler_stop(scheduler, true);
	turn();
	is_int(scheduler_n_running(scheduler), 0);
	scheduler_destroy(scheduler);
	for (size_t i = 0; i < n_configs; i++) {
		is_int(configs[i].n_pins, 0);
		config_free(&configs[i]);
	}
	loop_destroy(loop);
	buf_fini(&out);
	clock_thaw();
}

static inline struct str history(const char *name)
{
	buf_clear(&out);
	check(scheduler_write_history(scheduler, str_of(name), &out));
	check(json_check(buf_str(&out), NULL));
	return buf_str(&out);
}

static inline struct str list(void)
{
	buf_clear(&out);
	scheduler_write_list(scheduler, &out);
	return buf_str(&out);
}

static inline bool has(struct str text, const char *part)
{
	return str_find(text, str_of(part)) >= 0;
}

static inline size_t count(struct str text, const char *part)
{
	size_t n = 0;

	for (ptrdiff_t at; (at = str_find(text, str_of(part))) >= 0; n++)
		text = str_skip(text, (size_t)at + strlen(part));
	return n;
}
