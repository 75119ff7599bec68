/* server/trace/trace.h: the trace that a request, or a run of a job, belongs to.
 *
 * It is in the arena of its context, whose `trace` points at it; NULL where there is none. With a
 * section `trace:` every request has one, with a span of its own; without it a request has the one
 * that its client has sent, which is passed on as it came. Spans are told of only when `tracer` is
 * there, that is when the trace is sampled. */
#pragma once
#include "server/http/head.h"
#include "server/trace/traceparent.h"
#include "server/trace/tracer.h"

struct context;
struct request;

struct trace {
	struct tracer *tracer;   /* NULL: its spans are not told of */
	struct traceparent here; /* with the span of the request or run; what is called gets it */
	uint64_t parent;         /* of that span; 0: the trace begins here */
	struct str state;        /* tracestate as it came; or empty */
	int64_t wall_ns;         /* what is added to monotonic time for the time of day */
	uint64_t started_ns;
	int status; /* of a request that was answered */
	char id[TRACE_ID_LEN];
};

/* A request of a client: request->context.trace. `tracer` has the settings. False without memory. */
bool trace_begin_request(struct tracer *tracer, struct request *request);

/* It is freed: its span is told. */
void trace_end_request(struct request *request);

/* A run that leat itself begins; NULL without a section `trace:`, or without memory. */
struct trace *trace_begin(struct tracer *tracer, struct arena *arena, uint64_t started_ns);

/* A copy in another arena, for what outlives the first; NULL of NULL, and without memory. */
struct trace *trace_copy(const struct trace *trace, struct arena *arena);

/* The id as text, of a context's; empty where there is none. */
static inline struct str trace_id(const struct trace *trace)
{
	return trace ? (struct str){ trace->id, TRACE_ID_LEN } : STR_NONE;
}

/* Whether its spans are told of. */
static inline bool trace_is_told(const struct trace *trace)
{
	return trace && trace->tracer;
}

/* An id for a span of it; 0 when its spans are not told of. */
static inline uint64_t trace_span(const struct trace *trace)
{
	return trace_is_told(trace) ? tracer_random(trace->tracer) : 0;
}
