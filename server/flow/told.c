/* server/flow/told.c: a task as a span of the trace that its run belongs to. */
#include "server/flow/step.h"
#include "server/trace/span.h"
#include "server/trace/trace.h"

static const char *step_outcome(const struct step_run *run)
{
	switch ((enum step_status)run->status) {
	case STEP_OK:
		return "ok";
	case STEP_CANCELLED:
		return "cancelled";
	case STEP_FAILED:
		return run->step->fallback && !run->fallback_failed ? "default"
		       : run->step->optional                        ? "optional"
								    : "failed";
	case STEP_WAITING:
	case STEP_HOLDING:
	case STEP_RUNNING:
	case STEP_PAUSED:
	case STEP_SKIPPED:
		break;
	}
	unreachable();
}

void step_tell(struct step_run *run)
{
	const struct trace *trace = run->run->context->trace;
	const struct step *step = run->step;
	struct span span = { .trace = trace,
			     .kind = SPAN_INTERNAL,
			     .id = run->span,
			     .parent = run->run->span,
			     .started_ns = run->started_ns,
			     .ended_ns = run->ended_ns,
			     .name = step->name,
			     .failed = run->status == STEP_FAILED };

	span_add_text(&span, "leat.task.verb", step->verb_name);
	span_add_text(&span, "leat.task.outcome", str_of(step_outcome(run)));
	if (run->n_tries > 1)
		span_add_number(&span, "leat.task.tries", run->n_tries);
	if (run->status != STEP_OK) {
		span_add_text(&span, "error.type", failure_code(&run->failure));
		span.problem = run->failure.detail;
	}
	tracer_add(trace->tracer, &span);
}
