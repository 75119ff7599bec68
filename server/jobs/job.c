/* server/jobs/job.c: an entry of `jobs:` becomes a struct job_spec. */
#include "server/jobs/source.h"
#include "server/kafka/kafka_source.h"
#include "server/redis/redis_source.h"
#include "server/tally.h"
#include <stdio.h>

#define JOB_ROOTS                                                                                  \
	(ROOT_BIT(ROOT_RUN) | ROOT_BIT(ROOT_JOB) | ROOT_BIT(ROOT_ENV) | ROOT_BIT(ROOT_SECRET))

enum {
	JOB_NAME_MAX = 64,
	JOB_DAYS_MAX = 10000, /* as durations have it */
};

#define JOB_MS_MAX (JOB_DAYS_MAX * INT64_C(86400000))

struct job_config {
	uint64_t every_ms, delay_ms, jitter_ms, timeout_ms;
	struct str cron, timezone;
	int overlap, missed;
	int64_t history;
	bool at_start;
	int64_t concurrency, waiting;
	const struct node *source, *batch, *retry, *when, *tasks;
};

struct job_batch_config {
	int64_t max;
	uint64_t wait_ms;
};

struct job_retry_config {
	int64_t times;
	uint64_t wait_ms;
};

static const char *const overlap_choices[] = { "skip", "queue", "parallel", "cancel_previous",
					       NULL };
static const char *const missed_choices[] = { "skip", "once", "all", NULL };

#define AT(field) offsetof(struct job_retry_config, field)
static const struct setting retry_keys[] = {
	{ "times", SETTING_INT, AT(times), "0", "How often a run that failed is tried again.",
	  .max = 100 },
	{ "wait", SETTING_DURATION, AT(wait_ms), "10s",
	  "How long before the first new attempt; it doubles each time.", .min = 1,
	  .max = INT64_C(86400000) },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct job_batch_config, field)
static const struct setting batch_keys[] = {
	{ "max", SETTING_INT, AT(max), "100", "The most messages of one run.", .min = 1,
	  .max = 10000 },
	{ "wait", SETTING_DURATION, AT(wait_ms), "100ms",
	  "How long the first message waits for others.", .max = INT64_C(3600000) },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct job_config, field)
const struct setting job_keys[] = {
	{ "source", SETTING_NODE, AT(source),
	  .help = "Runs when messages come: from a Redis stream or channel, or from "
		  "topics of Kafka.",
	  .keys = redis_source_keys, .more_keys = kafka_source_keys },
	{ "concurrency", SETTING_INT, AT(concurrency), "1",
	  "How many runs of a source's messages there are at once.", .min = 1, .max = 1000 },
	{ "waiting", SETTING_INT, AT(waiting), "1000",
	  "How many messages of a source wait in memory; the sender is held back then, or, where "
	  "that cannot be, what has no room is dropped.",
	  .min = 1, .max = 1000000 },
	{ "batch", SETTING_NODE, AT(batch),
	  .help = "A run has several messages of its source: at most `max`, which have come in "
		  "`wait`.",
	  .keys = batch_keys },
	{ "every", SETTING_DURATION, AT(every_ms),
	  .help = "Runs at this period, counted from the start; the schedule does not drift.",
	  .min = 1, .max = JOB_MS_MAX },
	{ "delay", SETTING_DURATION, AT(delay_ms),
	  .help = "Runs once, this long after the start, or after the reload that brought it.",
	  .max = JOB_MS_MAX },
	{ "cron", SETTING_TEXT, AT(cron),
	  .help = "Runs by the calendar: minute, hour, day, month, weekday; or @daily and the "
		  "like." },
	{ "timezone", SETTING_TEXT, AT(timezone), "local",
	  .help = "The zone of cron, run.date and run.time: UTC, Europe/Paris, or local, the "
		  "machine's." },
	{ "at_start", SETTING_BOOL, AT(at_start), "false",
	  .help = "Whether the first run of every is at the start and not one period later." },
	{ "overlap", SETTING_CHOICE, AT(overlap), "skip",
	  "What happens to a run that is due while another is not over.",
	  .choices = overlap_choices },
	{ "missed", SETTING_CHOICE, AT(missed), "skip",
	  "What happens to runs that were due while leat was not running.",
	  .choices = missed_choices },
	{ "history", SETTING_INT, AT(history), "50",
	  "How many of its last attempts are kept, in memory and in the store.", 1, 1000 },
	{ "jitter", SETTING_DURATION, AT(jitter_ms), "0",
	  "Each run starts up to this much later than planned.", .max = INT64_C(86400000) },
	{ "timeout", SETTING_DURATION, AT(timeout_ms), "30m", "The deadline of each attempt.",
	  .min = 1, .max = JOB_MS_MAX },
	{ "retry", SETTING_NODE, AT(retry),
	  .help = "How a run that failed is tried again: times and wait.", .keys = retry_keys },
	{ "when", SETTING_CONDITION, AT(when),
	  .help = "A condition on run and job; when it is false the run is skipped." },
	{ "tasks", SETTING_MAP, AT(tasks),
	  .help = "What to do, by name; the order follows from the references.", .required = true },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ the schedule */

static bool job_check_name(struct flow_compiler *compiler, const struct node_entry *entry)
{
	struct str name = entry->key;
	bool ok = name.len > 0 && name.len <= JOB_NAME_MAX && !char_is_digit(name.ptr[0]) &&
		  name.ptr[0] != '-';

	for (size_t i = 0; i < name.len && ok; i++)
		ok = (name.ptr[i] >= 'a' && name.ptr[i] <= 'z') || char_is_digit(name.ptr[i]) ||
		     name.ptr[i] == '_' || name.ptr[i] == '-';
	if (!ok)
		diag_error(compiler->diag, entry->key_place,
			   "\"%.*s\" cannot be the name of a job; write at most %d lower case "
			   "letters, digits, _ and -, a letter or _ first",
			   STR_ARG(str_first(name, 100)), JOB_NAME_MAX);
	return ok;
}

/* Exactly one of every, delay and cron: its entry, or NULL. */
static const struct node_entry *job_find_schedule(struct flow_compiler *compiler,
						  const struct node_entry *entry, int *ret_kind)
{
	static const char *const keys[] = {
		[JOB_EVERY] = "every",
		[JOB_DELAY] = "delay",
		[JOB_CRON] = "cron",
		[JOB_SOURCE] = "source",
	};
	const struct node_entry *found = NULL, *at;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		at = node_entry_find(entry->value, keys[i]);
		if (at && found) {
			diag_error(compiler->diag, at->key_place,
				   "job \"%.*s\" has both %.*s and %s; keep one of them",
				   STR_ARG(entry->key), STR_ARG(found->key), keys[i]);
			return NULL;
		}
		if (at) {
			found = at;
			*ret_kind = (int)i;
		}
	}
	if (!found)
		diag_error(compiler->diag, entry->key_place,
			   "job \"%.*s\" has no schedule; add every, delay, cron or source",
			   STR_ARG(entry->key));
	return found;
}

/* Where the text of a scalar begins. */
static struct place job_text_place(const struct node *node)
{
	struct place place = node->place;

	if (!node->plain)
		place.col++;
	return place;
}

static bool job_compile_zone(struct flow_compiler *compiler, const struct node_entry *entry,
			     struct job_spec *spec)
{
	const struct node *node = node_find(entry->value, "timezone");

	return zone_find(spec->timezone, node ? node->place : entry->key_place, compiler->diag,
			 &spec->zone);
}

/* What belongs to the clock does not belong to a source, and the other way round. */
static bool job_check_keys(struct flow_compiler *compiler, const struct node_entry *entry,
			   const struct job_spec *spec)
{
	static const char *const of_clock[] = { "timezone", "overlap",  "missed",  "jitter",
						"when",     "at_start", "history", NULL };
	static const char *const of_source[] = { "concurrency", "waiting", "batch", NULL };
	const char *const *keys = spec->kind == JOB_SOURCE ? of_clock : of_source;
	bool ok = true;

	for (; *keys; keys++) {
		const struct node_entry *at = node_entry_find(entry->value, *keys);

		if (!at)
			continue;
		diag_error(compiler->diag, at->key_place,
			   spec->kind == JOB_SOURCE
				   ? "%s belongs to a job that runs by the clock; remove it"
				   : "%s belongs to a job with a source; remove it",
			   *keys);
		ok = false;
	}
	return ok;
}

static bool job_compile_schedule(struct flow_compiler *compiler, const struct node_entry *entry,
				 struct job_spec *spec)
{
	const struct node_entry *at_start = node_entry_find(entry->value, "at_start");
	const struct node_entry *jitter = node_entry_find(entry->value, "jitter");
	const struct node_entry *schedule;
	int kind = JOB_EVERY;

	schedule = job_find_schedule(compiler, entry, &kind);
	if (!schedule)
		return false;
	spec->kind = kind;
	if (!job_check_keys(compiler, entry, spec))
		return false;
	if (kind == JOB_SOURCE)
		return source_compile(compiler, schedule->value, spec);
	if (kind != JOB_EVERY && at_start) {
		diag_error(compiler->diag, at_start->key_place,
			   "at_start belongs to every, not to %.*s; remove it",
			   STR_ARG(schedule->key));
		return false;
	}
	if (kind == JOB_EVERY && jitter && spec->jitter_ms > spec->every_ms) {
		diag_error(compiler->diag, jitter->value->place,
			   "jitter is longer than the period; write at most the time of every");
		return false;
	}
	return kind != JOB_CRON || !spec->cron_text.ptr || /* not a text: said already */
	       cron_parse(spec->cron_text, job_text_place(schedule->value), compiler->diag,
			  &spec->cron);
}

/* ------------------------------------------------------------ the rest */

static bool job_check_missed(struct flow_compiler *compiler, const struct node_entry *entry,
			     int missed)
{
	const struct node *node = node_find(entry->value, "missed");

	if (missed == MISSED_SKIP || !node || !node_entry_find(entry->value, "delay"))
		return true;
	diag_error(compiler->diag, node->place,
		   "missed belongs to every and cron: delay counts from each start; remove it");
	return false;
}

static bool job_compile_retry(struct flow_compiler *compiler, const struct node *node,
			      struct job_spec *spec)
{
	struct job_retry_config config = { 0 };
	const struct settings_part part = { retry_keys, &config };
	bool ok;

	if (node && node_is_scalar(node) && node->kind != NODE_NULL) {
		settings_defaults(retry_keys, &config, compiler->arena);
		ok = setting_read_value(setting_find(retry_keys, STR("times")), node, &config,
					compiler->arena, compiler->diag);
	} else {
		ok = settings_read(&part, 1, node, "retry", compiler->arena, compiler->diag) == 0;
	}
	spec->retry_times = config.times;
	spec->retry_wait_ms = config.wait_ms;
	return ok;
}

static bool job_compile_batch(struct flow_compiler *compiler, const struct node *node,
			      struct job_spec *spec)
{
	struct job_batch_config config = { 0 };
	const struct settings_part part = { batch_keys, &config };
	bool ok;

	if (!node)
		return true;
	if (node_is_scalar(node) && node->kind != NODE_NULL) {
		settings_defaults(batch_keys, &config, compiler->arena);
		ok = setting_read_value(setting_find(batch_keys, STR("max")), node, &config,
					compiler->arena, compiler->diag);
	} else {
		ok = settings_read(&part, 1, node, "batch", compiler->arena, compiler->diag) == 0;
	}
	spec->batch_max = (size_t)config.max;
	spec->batch_wait_ms = config.wait_ms;
	return ok;
}

static bool job_compile_when(struct flow_compiler *compiler, const struct node *node,
			     struct job_spec *spec)
{
	const struct expr_names names = { .roots = JOB_ROOTS, .constant = compiler->constant };
	struct expr_compiler expr = { compiler->arena, compiler->diag, &names, NULL };

	if (node)
		spec->when = template_compile_condition(&expr, node);
	return !node || spec->when;
}

static bool job_compile_flow(struct flow_compiler *compiler, const struct node *tasks,
			     struct job_spec *spec)
{
	spec->flow = flow_declare(compiler, spec->name);
	return tasks && flow_compile(compiler, spec->flow, tasks, NULL,
				     spec->kind == JOB_SOURCE ? JOB_ROOTS | ROOT_BIT(ROOT_MESSAGE)
							      : JOB_ROOTS);
}

static void job_take_config(struct job_spec *spec, const struct job_config *config)
{
	spec->every_ms = config->every_ms;
	spec->delay_ms = config->delay_ms;
	spec->at_start = config->at_start;
	spec->cron_text = config->cron;
	spec->timezone = config->timezone;
	spec->overlap = (enum job_overlap)config->overlap;
	spec->missed = (enum job_missed)config->missed;
	spec->history_max = (size_t)config->history;
	spec->timeout_ms = config->timeout_ms;
	spec->jitter_ms = config->jitter_ms;
	spec->concurrency = (size_t)config->concurrency;
	spec->waiting_max = (size_t)config->waiting;
}

struct job_spec *job_compile(struct flow_compiler *compiler, const struct node_entry *entry)
{
	struct job_spec *spec = arena_zalloc(compiler->arena, sizeof(*spec));
	struct job_config config = { 0 };
	const struct settings_part part = { job_keys, &config };
	char what[128];
	bool ok = job_check_name(compiler, entry);

	check(spec);
	snprintf(what, sizeof(what), "job \"%.*s\"", STR_ARG(str_first(entry->key, 100)));
	spec->name = entry->key;
	spec->place = entry->key_place;
	if (settings_read(&part, 1, entry->value, what, compiler->arena, compiler->diag) > 0)
		ok = false;
	if (entry->value->kind != NODE_MAP)
		return NULL;
	job_take_config(spec, &config);
	ok = job_compile_schedule(compiler, entry, spec) && ok;
	ok = job_check_missed(compiler, entry, config.missed) && ok;
	ok = job_compile_retry(compiler, config.retry, spec) && ok;
	ok = job_compile_batch(compiler, config.batch, spec) && ok;
	ok = job_compile_when(compiler, config.when, spec) && ok;
	ok = job_compile_flow(compiler, config.tasks, spec) && ok;
	ok = job_compile_zone(compiler, entry, spec) && ok;
	spec->tally = tally_take("job", spec->name);
	if (ok)
		return spec;
	job_spec_fini(spec);
	return NULL;
}

void job_spec_fini(struct job_spec *spec)
{
	if (!spec)
		return;
	zone_destroy(spec->zone);
	spec->zone = NULL;
	tally_give(take(&spec->tally));
}
