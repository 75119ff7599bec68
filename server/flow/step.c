/* server/flow/step.c: one task in one run: its tries, its deadline, what it becomes when it fails.
 *
 *   WAITING --> (when?) --> RUNNING <--> PAUSED      (retry)
 *                  |           |           |
 *               SKIPPED     OK, FAILED, CANCELLED --> task_end() --> flow_run_on_step()
 *
 * The verb ends each try by step_done(), perhaps inside its start(); what follows a task's end
 * happens from the loop's ready list, so no chain of tasks needs stack. The timer is that of
 * `timeout:`, or, in PAUSED, that of the next try when this comes sooner. */
#include "server/flow/step.h"
#include "core/base/backoff.h"
#include "core/base/clock.h"
#include "server/tally.h"
#include "server/trace/trace.h"
#include <errno.h>

struct expr_env *step_env(struct step_run *run)
{
	return &run->run->env;
}

struct arena *step_arena(struct step_run *run)
{
	return run->run->context->arena;
}

/* ------------------------------------------------------------ the end */

static void step_end(struct step_run *run, enum step_status status)
{
	static const enum outcome outcomes[] = {
		[STEP_OK] = OUTCOME_OK,
		[STEP_SKIPPED] = OUTCOME_OK,
		[STEP_FAILED] = OUTCOME_FAILED,
		[STEP_CANCELLED] = OUTCOME_CANCELLED,
	};

	run->status = (uint8_t)status;
	run->ended_ns = clock_monotonic_ns();
	timer_stop(&run->timer);
	if (run->step->tally && status != STEP_SKIPPED && status != STEP_CANCELLED)
		tally_add(run->step->tally, run->ended_ns - run->started_ns, status == STEP_FAILED);
	if (run->span && status != STEP_SKIPPED)
		step_tell(run);
	if (run->held)
		step_hold_release(run);
	task_end(&run->task, outcomes[status]);
}

struct failure step_errno_failure(struct step_run *run, int error)
{
	struct str message = str_of(step_env(run)->message);

	if (error == -ENOMEM)
		return (struct failure){ .code = ERROR_MEMORY_LIMIT,
					 .task = run->step->name,
					 .detail = STR("limits.memory is reached") };
	if (error == -EMSGSIZE)
		message = STR("a value is nested too deeply");
	else if (message.len == 0 && error != -EBADMSG)
		message = STR("an expression cannot be evaluated");
	return (struct failure){ .code = error_of_evaluation(error),
				 .task = run->step->name,
				 .detail = arena_str(step_arena(run), message) };
}

/* All tries are over. A default that cannot be evaluated is no default. */
static void step_end_failed(struct step_run *run)
{
	const struct step *step = run->step;
	int r;

	run->run->context->degraded = true;
	if (step->fallback) {
		run->run->env.message[0] = '\0';
		r = template_tree_eval(step->fallback, step_env(run), &run->fallback);
		if (r < 0) {
			run->failure = step_errno_failure(run, r);
			run->fallback_failed = true;
		}
	}
	step_end(run, STEP_FAILED);
}

/* ------------------------------------------------------------ tries */

static bool status_is_passing(int status)
{
	return status == 502 || status == 503 || status == 504;
}

/* What may go better the next time. */
static bool failure_is_passing(const struct failure *failure)
{
	switch (failure->code) {
	case ERROR_CONNECT_FAILED:
	case ERROR_DNS_FAILED:
	case ERROR_TIMEOUT:
	case ERROR_POOL_EXHAUSTED:
	case ERROR_UNAVAILABLE:
		return true;
	case ERROR_UPSTREAM_STATUS:
		return status_is_passing(failure->upstream_status);
	case ERROR_NONE:
	case ERROR_TLS_FAILED:
	case ERROR_BAD_RESPONSE:
	case ERROR_TOO_LARGE:
	case ERROR_QUEUE_FULL:
	case ERROR_BREAKER_OPEN:
	case ERROR_RATE_LIMITED:
	case ERROR_CANCELLED:
	case ERROR_ABORTED:
	case ERROR_INVALID_INPUT:
	case ERROR_IO_ERROR:
	case ERROR_NOT_FOUND:
	case ERROR_SQL_ERROR:
	case ERROR_REDIS_ERROR:
	case ERROR_KAFKA_ERROR:
	case ERROR_JQ_FAILED:
	case ERROR_EXEC_FAILED:
	case ERROR_GPU_FAILED:
	case ERROR_EXPR_ERROR:
	case ERROR_LOOP_LIMIT:
	case ERROR_FLOW_DEPTH:
	case ERROR_MEMORY_LIMIT:
	case ERROR_CUSTOM:
	case N_ERROR_CODES:
		return false;
	}
	unreachable();
}

static bool step_is_idempotent(const struct step *step)
{
	return step->calls ? step->group->idempotent : step->idempotent;
}

static bool step_may_retry(const struct step_run *run)
{
	const struct retry *retry = run->step->retry;
	const struct failure *failure = &run->failure;

	if (!retry || run->n_tries == 0 || run->n_tries > retry->times || run->cancelling ||
	    run->run->stopping || run->run->scope.cancelled)
		return false;
	if (!retry->has_codes)
		return failure_is_passing(failure) && (step_is_idempotent(run->step) || !run->sent);
	return (retry->codes >> failure->code & 1) ||
	       (failure->code == ERROR_UPSTREAM_STATUS &&
		statuses_has(&retry->statuses, failure->upstream_status));
}

static void step_pause(struct step_run *run)
{
	enum { PAUSE_MAX_MS = 10000 };
	uint64_t now = clock_monotonic_ns();

	run->status = STEP_PAUSED;
	run->resume_ns = now + backoff_ns(run->step->retry->wait_ms, PAUSE_MAX_MS, run->n_tries);
	timer_start_at(&run->timer, MIN(run->resume_ns, run->timeout_ns));
}

void step_fail(struct step_run *run, const struct failure *failure)
{
	check_that(run->status == STEP_RUNNING, "task=%s status=%u", run->step->name.ptr,
		   run->status);
	run->failure = *failure;
	if (failure->code == ERROR_NONE) {
		step_end(run, STEP_OK);
		return;
	}
	if (run->failure.task.len)
		run->failure.task = arena_printf(step_arena(run), "%s.%.*s", run->step->name.ptr,
						 STR_ARG(failure->task));
	if (run->failure.task.len == 0)
		run->failure.task = run->step->name;
	if (run->timed_out) {
		run->failure.code = ERROR_TIMEOUT;
		run->failure.status = 0;
		run->failure.detail = STR("its timeout passed");
	} else if (run->task.cancelled) {
		run->failure.code = ERROR_CANCELLED;
		step_end(run, STEP_CANCELLED);
		return;
	}
	if (step_may_retry(run))
		step_pause(run);
	else
		step_end_failed(run);
}

void step_fail_wrapped(struct step_run *run, const struct failure *failure)
{
	struct failure own = *failure;

	if (str_starts_with(own.task, run->step->name))
		own.task = str_skip(own.task, run->step->name.len + 1);
	step_fail(run, &own);
}

void step_done(struct step_run *run, enum error_code code, struct str detail)
{
	const struct failure failure = { .code = code, .detail = detail };

	step_fail(run, &failure);
}

void step_done_errno(struct step_run *run, int error)
{
	struct failure failure;

	if (error == 0) {
		step_done(run, ERROR_NONE, STR_NONE);
		return;
	}
	failure = step_errno_failure(run, error);
	failure.task = STR_NONE;
	step_fail(run, &failure);
}

void step_try(struct step_run *run)
{
	run->status = STEP_RUNNING;
	run->n_tries++;
	run->sent = false;
	memset(run->state, 0, run->step->verb->state_size);
	run->run->env.message[0] = '\0';
	run->step->verb->start(run);
}

/* ------------------------------------------------------------ from outside */

static void step_stop_verb(struct step_run *run)
{
	if (run->cancelling || (run->status != STEP_RUNNING && run->status != STEP_HOLDING))
		return;
	run->cancelling = true;
	if (run->status == STEP_HOLDING)
		step_hold_cancel(run);
	else if (run->step->verb->cancel)
		run->step->verb->cancel(run);
}

static void step_on_timer(struct timer *timer)
{
	struct step_run *run = container_of(timer, struct step_run, timer);

	if (run->status == STEP_PAUSED && run->resume_ns <= run->timeout_ns) {
		if (run->timeout_ns != UINT64_MAX)
			timer_start_at(&run->timer, run->timeout_ns);
		step_try(run);
		return;
	}
	run->timed_out = true;
	if (run->status == STEP_RUNNING || run->status == STEP_HOLDING) {
		step_stop_verb(run);
		return;
	}
	/* between two tries: what failed stays told by the code of the deadline */
	run->status = STEP_RUNNING;
	run->cancelling = true;
	step_done(run, ERROR_TIMEOUT, STR_NONE);
}

static void step_task_start(struct task *task)
{
	struct step_run *run = container_of(task, struct step_run, task);
	const struct step *step = run->step;
	bool wanted = true;
	int r = 0;

	run->started_ns = clock_monotonic_ns();
	run->span = run->run->span ? trace_span(run->run->context->trace) : 0;
	run->timeout_ns = step->timeout_ms ? run->started_ns + step->timeout_ms * NS_PER_MS
					   : UINT64_MAX;
	if (step->when) {
		run->run->env.message[0] = '\0';
		r = expr_eval_bool(step->when, step_env(run), &wanted);
	}
	if (r < 0) {
		run->failure = step_errno_failure(run, r);
		step_end_failed(run);
	} else if (!wanted || !step_may_run(run)) {
		step_end(run, STEP_SKIPPED);
	} else {
		if (run->timeout_ns != UINT64_MAX)
			timer_start_at(&run->timer, run->timeout_ns);
		if (run->hold)
			step_hold_take(run);
		else
			step_try(run);
	}
}

static void step_task_cancel(struct task *task)
{
	struct step_run *run = container_of(task, struct step_run, task);

	if (run->status == STEP_PAUSED) {
		run->failure.code = ERROR_CANCELLED;
		step_end(run, STEP_CANCELLED);
	} else {
		step_stop_verb(run);
	}
}

static void step_on_end(struct task *task)
{
	struct step_run *run = container_of(task, struct step_run, task);

	if (run->status == STEP_WAITING) { /* the scope ended it without its start() */
		run->status = STEP_CANCELLED;
		run->failure.code = ERROR_CANCELLED;
		run->failure.task = run->step->name;
	}
	flow_run_on_step(run->run, run);
}

static const struct task_ops step_task_ops = {
	.name = "step",
	.start = step_task_start,
	.cancel = step_task_cancel,
};

void step_start(struct step_run *step, struct flow_run *run, uint32_t index)
{
	check(step == &run->steps[index]);
	task_init(&step->task, &step_task_ops, step_on_end);
	timer_init(&step->timer, run->scope.loop, step_on_timer);
	task_start(&step->task, &run->scope);
}
