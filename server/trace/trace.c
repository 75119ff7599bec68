/* server/trace/trace.c
 *
 * Names of what is told are those of OpenTelemetry's semantic conventions where they have one. The
 * query of a URL is never told: credentials are sent in it. */
#include "server/trace/trace.h"
#include "core/base/clock.h"
#include "server/request.h"
#include "server/trace/span.h"
#include "server/trace/trace_conf.h"
#include <stdio.h>

static struct trace *trace_make(struct arena *arena, uint64_t started_ns)
{
	struct trace *trace = arena_zalloc(arena, sizeof(*trace));

	if (!trace)
		return NULL;
	trace->started_ns = started_ns;
	trace->wall_ns = clock_wall_ns() - (int64_t)clock_monotonic_ns();
	return trace;
}

/* ------------------------------------------------------------ what came */

/* Of several, RFC 9110 makes one list; a traceparent that comes twice is none. */
static bool trace_read_parent(const struct request *request, struct traceparent *ret)
{
	const struct http_head *head = &request->head;
	bool found = false;

	for (size_t i = 0; i < head->n_fields; i++) {
		if (!str_eq_nocase(head->fields[i].name, STR("traceparent")))
			continue;
		if (found || !traceparent_read(head->fields[i].value, ret))
			return false;
		found = true;
	}
	return found;
}

static struct str trace_read_state(struct request *request)
{
	const struct http_head *head = &request->head;
	struct buf state;

	if (!http_head_find(head, STR("tracestate")))
		return STR_NONE;
	buf_init_arena(&state, &request->arena);
	for (size_t i = 0; i < head->n_fields; i++) {
		if (!str_eq_nocase(head->fields[i].name, STR("tracestate")))
			continue;
		if (state.len)
			buf_add_char(&state, ',');
		buf_add(&state, str_trim(head->fields[i].value));
	}
	return !state.error && tracestate_is_good(buf_str(&state)) ? buf_str(&state) : STR_NONE;
}

static bool trace_takes_parent(const struct tracer *tracer, const struct request *request)
{
	switch ((enum trace_parent)tracer->conf->parent) {
	case TRACE_PARENT_ALWAYS:
		return true;
	case TRACE_PARENT_TRUSTED:
		return request->by_proxy;
	case TRACE_PARENT_NEVER:
		return false;
	}
	unreachable();
}

/* ------------------------------------------------------------ the beginning */

/* A trace of leat's own. */
static void trace_begin_anew(struct trace *trace, struct tracer *tracer)
{
	trace->here.high = tracer_random(tracer);
	trace->here.low = tracer_random(tracer);
	/* the high half of a sum has the better bits */
	if ((tracer_random(tracer) >> 32) < tracer->conf->share)
		trace->here.flags = TRACE_SAMPLED;
}

/* Its span, once the rest is known. */
static void trace_settle(struct trace *trace, struct tracer *tracer)
{
	trace->here.span = tracer_random(tracer);
	trace->tracer = trace->here.flags & TRACE_SAMPLED ? tracer : NULL;
	trace_id_write(trace->id, &trace->here);
}

bool trace_begin_request(struct tracer *tracer, struct request *request)
{
	struct traceparent parent;
	bool on = tracer->on, came;
	struct trace *trace;

	came = trace_read_parent(request, &parent) && (!on || trace_takes_parent(tracer, request));
	if (!on && !came)
		return true;
	trace = trace_make(&request->arena, request->started_ns);
	if (!trace)
		return false;
	if (came) {
		trace->here = parent;
		trace->state = trace_read_state(request);
	}
	if (on && came)
		trace->parent = parent.span;
	else if (on)
		trace_begin_anew(trace, tracer);
	if (on)
		trace_settle(trace, tracer);
	else
		trace_id_write(trace->id, &trace->here);
	request->context.trace = trace;
	return true;
}

struct trace *trace_begin(struct tracer *tracer, struct arena *arena, uint64_t started_ns)
{
	struct trace *trace = tracer && tracer->on ? trace_make(arena, started_ns) : NULL;

	if (!trace)
		return NULL;
	trace_begin_anew(trace, tracer);
	trace_settle(trace, tracer);
	return trace;
}

struct trace *trace_copy(const struct trace *trace, struct arena *arena)
{
	struct trace *copy = trace ? arena_alloc(arena, sizeof(*copy)) : NULL;

	if (!copy)
		return NULL;
	*copy = *trace;
	copy->state = arena_str(arena, trace->state);
	return copy;
}

/* ------------------------------------------------------------ the end of a request */

static struct str trace_bare_ip(struct str address)
{
	size_t colon = address.len;

	if (str_starts_with(address, STR("unix:")))
		return STR_NONE;
	while (colon > 0 && address.ptr[colon - 1] != ':')
		colon--;
	address = str_first(address, colon ? colon - 1 : address.len);
	if (address.len > 2 && address.ptr[0] == '[')
		address = str_first(str_skip(address, 1), address.len - 2);
	return address;
}

static void trace_tell_request(const struct request *request, struct span *span)
{
	const struct http_head *head = &request->head;
	struct str pattern = request->route->pattern.path;

	span_add_text(span, "http.request.method", head->method);
	span_add_text(span, "url.path", head->path);
	span_add_text(span, "url.scheme", request->secure ? STR("https") : STR("http"));
	span_add_text(span, "http.route", request_has_no_route(request) ? STR_NONE : pattern);
	span_add_text(span, "server.address", head->host);
	span_add_text(span, "client.address", trace_bare_ip(request->client_addr));
	span_add_text(span, "network.protocol.version", head->minor ? STR("1.1") : STR("1.0"));
	span_add_text(span, "leat.request.id", request->context.id);
	if (request->context.trace->status)
		span_add_number(span, "http.response.status_code", request->context.trace->status);
	else
		span_add_text(span, "error.type", STR("cancelled"));
}

void trace_end_request(struct request *request)
{
	const struct trace *trace = request->context.trace;
	char name[160];
	struct span span;

	if (!trace_is_told(trace))
		return;
	span = (struct span){ .trace = trace,
			      .kind = SPAN_SERVER,
			      .id = trace->here.span,
			      .parent = trace->parent,
			      .started_ns = trace->started_ns,
			      .ended_ns = clock_monotonic_ns(),
			      .failed = trace->status >= 500 || !trace->status };
	if (request_has_no_route(request))
		snprintf(name, sizeof(name), "%.*s", STR_ARG(str_first(request->head.method, 32)));
	else
		snprintf(name, sizeof(name), "%.*s %.*s",
			 STR_ARG(str_first(request->head.method, 32)),
			 STR_ARG(str_first(request->route->pattern.path, 120)));
	span.name = str_of(name);
	trace_tell_request(request, &span);
	tracer_add(trace->tracer, &span);
}
