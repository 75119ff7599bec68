/* server/jobs/job_run.c: one run of a job, with its attempts.
 *
 * From its start to its end a run pins the generation that it started with, so a reload does not
 * reach into it. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/jobs/scheduler.h"
#include "server/trace/span.h"
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
	run->context = (struct context){ .ops = &job_run_ops,
					 .loop = scheduler->loop,
					 .client = scheduler->client,
					 .redis = scheduler->redis,
					 .arena = &run->arena,
					 .id = str_of(run->id),
					 .detacher = scheduler->detacher,
					 .processes = scheduler->processes,
					 .files = scheduler->files,
					 .jq = scheduler->jq,
					 .homes = scheduler->homes,
					 .actors = scheduler->actors,
					 .store = scheduler->store };
	return run;
}

void job_run_destroy(struct job_run *run)
{
	check(!list_is_linked(&run->link) && !timer_is_running(&run->timer));
	arena_fini(&run->arena);
	free(run);
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

/* It doubles, with up to a quarter more, so that what failed together is not tried together. */
static uint64_t job_run_wait_ms(const struct job_run *run)
{
	uint64_t wait_ms = run->spec->retry_wait_ms
			   << MIN(run->attempt - 1, (unsigned)RETRY_DOUBLE_MAX);

	wait_ms = MIN(wait_ms, (uint64_t)RETRY_WAIT_MAX_MS);
	return wait_ms + (str_hash(str_of(run->id)) + run->attempt) % (wait_ms / 4 + 1);
}

static bool job_run_is_retried(const struct job_run *run)
{
	enum error_code code = run->flow.failure.code;

	return code != ERROR_NONE && code != ERROR_CANCELLED && !run->job->scheduler->stopped &&
	       run->attempt <= (uint64_t)run->spec->retry_times;
}

static const char *job_run_outcome(const struct job_run *run)
{
	enum error_code code = run->flow.failure.code;

	if (code == ERROR_NONE)
		return "ok";
	if (code == ERROR_TIMEOUT)
		return "timeout";
	return code == ERROR_CANCELLED ? "cancelled" : "failed";
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

static void job_run_tell(const struct job_run *run, uint64_t ended_ns)
{
	const struct trace *trace = run->context.trace;
	const struct failure *failure = &run->flow.failure;
	struct span span = { .trace = trace,
			     .kind = SPAN_INTERNAL,
			     .started_ns = run->started_ns,
			     .ended_ns = ended_ns,
			     .name = str_of(run->job->name),
			     .failed = failure->code != ERROR_NONE };

	if (!trace_is_told(trace))
		return;
	span.id = trace->here.span;
	span_add_text(&span, "leat.job.name", str_of(run->job->name));
	span_add_text(&span, "leat.run.id", run->context.id);
	span_add_number(&span, "leat.run.attempt", run->attempt);
	span_add_text(&span, "leat.run.outcome", str_of(job_run_outcome(run)));
	if (span.failed) {
		span_add_text(&span, "error.type", failure_code(failure));
		span.problem = failure->detail;
	}
	tracer_add(trace->tracer, &span);
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

static void job_run_on_end(struct flow_run *flow)
{
	struct job_run *run = container_of(flow, struct job_run, flow);
	uint64_t took_ns = clock_monotonic_ns() - run->started_ns;
	uint64_t wait_ms = job_run_is_retried(run) ? job_run_wait_ms(run) : 0;

	history_end(&run->job->history, run->entry, run->started_wall_ns + (int64_t)took_ns,
		    job_run_outcome(run), failure_code(&flow->failure));
	job_run_log(run, took_ns / NS_PER_MS, wait_ms);
	job_run_tell(run, run->started_ns + took_ns);
	if (wait_ms == 0) {
		job_run_over(run);
		return;
	}
	run->state = JOB_RUN_PAUSING;
	timer_start(&run->timer, wait_ms);
}

/* ------------------------------------------------------------ attempts */

static void job_run_attempt(struct job_run *run)
{
	uint64_t timeout_ms = run->spec->timeout_ms ? run->spec->timeout_ms : TIMEOUT_DEFAULT_MS;

	arena_reset(&run->arena);
	run->state = JOB_RUN_RUNNING;
	run->attempt++;
	run->started_ns = clock_monotonic_ns();
	run->started_wall_ns = clock_wall_ns();
	run->entry = history_begin(&run->job->history, run->planned_wall_ns, run->started_wall_ns,
				   run->attempt);
	run->context.trace = trace_begin(run->job->scheduler->tracer, &run->arena, run->started_ns);
	flow_run_init(&run->flow, run->spec->flow, &run->context, job_run_on_end);
	flow_run_set_deadline(&run->flow, run->started_ns + timeout_ms * NS_PER_MS);
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

void job_run_cancel(struct job_run *run)
{
	if (run->state == JOB_RUN_RUNNING)
		flow_run_cancel(&run->flow);
	else if (run->state == JOB_RUN_PAUSING)
		job_run_over(run);
}
