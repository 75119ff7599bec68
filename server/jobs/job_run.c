/* server/jobs/job_run.c: one run of a job, with its attempts.
 *
 * From its start to its end a run pins the generation that it started with, so a reload does not
 * reach into it. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/jobs/attempt.h"
#include "server/jobs/scheduler.h"
#include "server/trace/trace.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	TIMEOUT_DEFAULT_MS = 30 * 60 * 1000,
	RETRY_WAIT_MAX_MS = 24 * 3600 * 1000,
	RETRY_DOUBLE_MAX = 20,
};

static void job_run_on_pause_end(struct timer *timer);

struct context scheduler_context(const struct scheduler *scheduler, const struct context_ops *ops,
				 struct arena *arena, struct str id)
{
	return (struct context){ .ops = ops,
				 .loop = scheduler->loop,
				 .client = scheduler->client,
				 .redis = scheduler->redis,
				 .arena = arena,
				 .id = id,
				 .detacher = scheduler->detacher,
				 .processes = scheduler->processes,
				 .files = scheduler->files,
				 .jq = scheduler->jq,
				 .homes = scheduler->homes,
				 .actors = scheduler->actors,
				 .topics = scheduler->topics,
				 .store = scheduler->store,
				 .agendas = scheduler->agendas };
}

struct job_run *job_run_create(struct job *job, int64_t planned_wall_ns)
{
	struct scheduler *scheduler = job->scheduler;
	struct job_run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	list_init(&run->link);
	run->job = job;
	run->planned_wall_ns = planned_wall_ns;
	arena_init(&run->arena, scheduler->memory_max);
	run->arena.budget = scheduler->memory_budget;
	timer_init(&run->timer, scheduler->loop, job_run_on_pause_end);
	snprintf(run->id, sizeof(run->id), "%s-%" PRIx64 "-%" PRIu64, job->name,
		 (uint64_t)(planned_wall_ns / (int64_t)NS_PER_MS), ++scheduler->n_made);
	run->context = scheduler_context(scheduler, &job_run_ops, &run->arena, str_of(run->id));
	return run;
}

void job_run_destroy(struct job_run *run)
{
	check(!list_is_linked(&run->link) && !timer_is_running(&run->timer));
	if (run->todo)
		agenda_on_job_over(run->todo, run);
	arena_fini(&run->arena);
	free(run->args);
	free(run);
}

/* ------------------------------------------------------------ its last lines */

/* Line ends within become spaces, and the oldest lines go. */
void job_run_keep_line(struct job_run *run, struct str line)
{
	size_t len = MIN(line.len, (size_t)HISTORY_LOG_MAX / 2);
	size_t drop = 0;

	while (run->log_len - drop + len + 1 > sizeof(run->log)) {
		const char *end = memchr(run->log + drop, '\n', run->log_len - drop);

		check(end);
		drop = (size_t)(end - run->log) + 1;
	}
	run->log_len -= drop;
	memmove(run->log, run->log + drop, run->log_len);
	for (size_t i = 0; i < len; i++) {
		char c = line.ptr[i];

		run->log[run->log_len++] = c == '\n' || c == '\r' ? ' ' : c;
	}
	run->log[run->log_len++] = '\n';
}

/* ------------------------------------------------------------ when */

struct job_when_env {
	struct expr_env env;
	struct job_run *run;
};

static int job_run_when_root(struct expr_env *env, enum expr_root root, struct str key,
			     struct value *ret)
{
	struct job_run *run = container_of(env, struct job_when_env, env)->run;

	return run->context.ops->root(&run->context, root, key, ret);
}

int job_run_when(struct job_run *run)
{
	struct job_when_env when = { { .arena = &run->arena, .root = job_run_when_root }, run };
	bool yes = true;
	int r = run->job->spec->when ? expr_eval_bool(run->job->spec->when, &when.env, &yes) : 0;

	if (r < 0)
		log_warning("job condition failed name=%s error=%s; the run is counted as failed",
			    run->job->name, LOG_QUOTE(str_of(when.env.message)));
	return r < 0 ? r : yes;
}

/* ------------------------------------------------------------ the end of an attempt */

uint64_t job_retry_wait_ms(const struct job_spec *spec, unsigned attempt, struct str id)
{
	uint64_t wait_ms = spec->retry_wait_ms << MIN(attempt - 1, (unsigned)RETRY_DOUBLE_MAX);

	wait_ms = MIN(wait_ms, (uint64_t)RETRY_WAIT_MAX_MS);
	return wait_ms + (str_hash(id) + attempt) % (wait_ms / 4 + 1);
}

uint64_t job_timeout_ms(const struct job_spec *spec)
{
	return spec->timeout_ms ? spec->timeout_ms : TIMEOUT_DEFAULT_MS;
}

static bool job_run_may_retry(const struct job_run *run)
{
	enum error_code code = run->flow.failure.code;

	return code != ERROR_NONE && code != ERROR_CANCELLED &&
	       run->attempt <= (uint64_t)run->spec->retry_times;
}

/* By the end of the process, not by overlap. */
static bool job_run_is_cut(const struct job_run *run)
{
	return run->flow.failure.code == ERROR_CANCELLED && run->job->scheduler->stopped;
}

static const char *job_run_outcome(const struct job_run *run)
{
	enum error_code code = run->flow.failure.code;

	if (code == ERROR_NONE)
		return "ok";
	if (code == ERROR_TIMEOUT)
		return "timeout";
	if (code == ERROR_CANCELLED)
		return job_run_is_cut(run) ? "interrupted" : "cancelled";
	return "failed";
}

static void job_run_log(const struct job_run *run, uint64_t took_ms, uint64_t wait_ms)
{
	const struct failure *failure = &run->flow.failure;
	char again[64] = "";

	if (failure->code == ERROR_NONE) {
		log_info("job run ended name=%s outcome=ok took_ms=%" PRIu64 " attempt=%u id=%s",
			 run->job->name, took_ms, run->attempt, run->id);
		return;
	}
	if (wait_ms)
		snprintf(again, sizeof(again), " retry_in_ms=%" PRIu64, wait_ms);
	log_warning("job run ended name=%s outcome=%s took_ms=%" PRIu64 " attempt=%u id=%s "
		    "error=%s task=%s detail=%s%s",
		    run->job->name, job_run_outcome(run), took_ms, run->attempt, run->id,
		    LOG_QUOTE(failure_code(failure)), LOG_QUOTE(failure->task),
		    LOG_QUOTE(failure->detail), again);
}

static void job_run_tell(const struct job_run *run, uint64_t took_ns)
{
	job_attempt_end(&(struct job_attempt){ .spec = run->spec,
					       .context = &run->context,
					       .failure = &run->flow.failure,
					       .outcome = job_run_outcome(run),
					       .kind = SPAN_INTERNAL,
					       .number = run->attempt,
					       .started_ns = run->started_ns,
					       .took_ns = took_ns });
}

static void job_run_over(struct job_run *run)
{
	struct detacher *detacher = run->job->scheduler->detacher;
	void *generation = run->generation;
	bool failed = run->flow.failure.code != ERROR_NONE &&
		      run->flow.failure.code != ERROR_CANCELLED;

	timer_stop(&run->timer);
	job_on_run_over(run, failed);
	detacher->end(detacher, generation); /* last: the spec may go with it */
}

/* What is to be tried again when the process has ended is said in the record: the next process does it. */
static void job_run_record_end(struct job_run *run, int64_t ended_wall_ns, uint64_t wait_ms)
{
	const struct failure *failure = &run->flow.failure;
	struct job *job = run->job;
	struct history_entry *entry;
	char line[512];

	if (failure->code != ERROR_NONE) {
		snprintf(line, sizeof(line), "%.*s: %.*s%s%.*s", STR_ARG(failure_code(failure)),
			 STR_ARG(str_first(failure->task, 80)), failure->task.len ? ": " : "",
			 STR_ARG(str_first(failure->detail, 300)));
		job_run_keep_line(run, str_of(line));
	}
	history_end(&job->history, run->entry, ended_wall_ns, job_run_outcome(run),
		    failure_code(failure));
	history_set_log(&job->history, run->entry, (struct str){ run->log, run->log_len });
	entry = history_find(&job->history, run->entry);
	if (entry &&
	    (wait_ms || job_run_is_cut(run) || (job->scheduler->stopped && job_run_may_retry(run))))
		entry->retry_wall_ns = ended_wall_ns + (int64_t)(wait_ms * NS_PER_MS);
	record_entry(job, run->entry);
}

static void job_run_on_end(struct flow_run *flow)
{
	struct job_run *run = container_of(flow, struct job_run, flow);
	uint64_t took_ns = clock_monotonic_ns() - run->started_ns;
	bool again = job_run_may_retry(run) && !run->job->scheduler->stopped;
	uint64_t wait_ms = 0;

	if (again)
		wait_ms = job_retry_wait_ms(run->spec, run->attempt, str_of(run->id));
	job_run_record_end(run, run->started_wall_ns + (int64_t)took_ns, wait_ms);
	job_run_log(run, took_ns / NS_PER_MS, wait_ms);
	job_run_tell(run, took_ns);
	if (wait_ms == 0) {
		job_run_over(run);
		return;
	}
	run->state = JOB_RUN_PAUSING;
	timer_start(&run->timer, wait_ms);
}

/* ------------------------------------------------------------ attempts */

static void job_run_record_start(struct job_run *run)
{
	struct history *history = &run->job->history;
	struct history_entry *entry = run->has_entry ? history_find(history, run->entry) : NULL;

	if (!entry) {
		run->entry = history_begin(history, run->planned_wall_ns, run->started_wall_ns,
					   run->attempt);
		entry = history_find(history, run->entry);
	}
	entry->outcome = "running";
	entry->started_wall_ns = run->started_wall_ns;
	entry->attempt = run->attempt;
	entry->generation = run->spec->generation_number;
	snprintf(entry->id, sizeof(entry->id), "%s", run->id);
	run->has_entry = false; /* the next attempt has another */
	record_entry(run->job, run->entry);
}

static void job_run_attempt(struct job_run *run)
{
	arena_reset(&run->arena);
	run->state = JOB_RUN_RUNNING;
	run->attempt++;
	job_attempt_begin(run->spec);
	run->started_ns = clock_monotonic_ns();
	run->started_wall_ns = clock_wall_ns();
	run->log_len = 0;
	job_run_record_start(run);
	run->context.trace = trace_begin(run->job->scheduler->tracer, &run->arena, run->started_ns);
	flow_run_init(&run->flow, run->spec->flow, &run->context, job_run_on_end);
	flow_run_set_deadline(&run->flow, run->started_ns + job_timeout_ms(run->spec) * NS_PER_MS);
	flow_run_start(&run->flow);
}

static void job_run_on_pause_end(struct timer *timer)
{
	job_run_attempt(container_of(timer, struct job_run, timer));
}

void job_run_start(struct job_run *run)
{
	struct detacher *detacher = run->job->scheduler->detacher;

	run->spec = run->job->spec;
	run->generation = run->context.generation = run->job->generation;
	detacher->begin(detacher, run->generation);
	job_run_attempt(run);
}

/* At the end of the process the record goes on saying that it is to be tried again. */
static void job_run_forget_retry(struct job_run *run)
{
	struct history_entry *entry = history_find(&run->job->history, run->entry);

	if (!entry || run->job->scheduler->stopped)
		return;
	entry->retry_wall_ns = 0;
	record_entry(run->job, run->entry);
}

void job_run_cancel(struct job_run *run)
{
	if (run->state == JOB_RUN_RUNNING)
		flow_run_cancel(&run->flow);
	else if (run->state == JOB_RUN_PAUSING) {
		job_run_forget_retry(run);
		job_run_over(run);
	}
}
