/* server/jobs/attempt.c */
#include "server/jobs/attempt.h"
#include "server/tally.h"
#include "server/trace/trace.h"

static void attempt_tell(const struct job_attempt *attempt)
{
	const struct trace *trace = attempt->context->trace;
	const struct failure *failure = attempt->failure;
	struct span span = { .trace = trace,
			     .kind = attempt->kind,
			     .started_ns = attempt->started_ns,
			     .ended_ns = attempt->started_ns + attempt->took_ns,
			     .name = attempt->spec->name,
			     .failed = failure->code != ERROR_NONE };

	if (!trace_is_told(trace))
		return;
	span.id = trace->here.span;
	span_add_text(&span, "leat.job.name", attempt->spec->name);
	span_add_text(&span, "leat.run.id", attempt->context->id);
	span_add_number(&span, "leat.run.attempt", attempt->number);
	span_add_text(&span, "leat.run.outcome", str_of(attempt->outcome));
	if (span.failed) {
		span_add_text(&span, "error.type", failure_code(failure));
		span.problem = failure->detail;
	}
	tracer_add(trace->tracer, &span);
}

void job_attempt_begin(const struct job_spec *spec)
{
	if (spec->tally)
		tally_enter(spec->tally);
}

void job_attempt_end(const struct job_attempt *attempt)
{
	struct tally *tally = attempt->spec->tally;

	if (tally) {
		tally_leave(tally);
		tally_add(tally, attempt->took_ns, attempt->failure->code != ERROR_NONE);
	}
	attempt_tell(attempt);
}
