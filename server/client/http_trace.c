/* server/client/http_trace.c */
#include "server/client/http_trace.h"
#include "core/base/clock.h"
#include "server/client/client.h"
#include "server/client/http_answer.h"
#include "server/trace/span.h"
#include "server/trace/trace.h"

static const char *http_trace_error_type(enum http_call_error error)
{
	switch (error) {
	case HTTP_CALL_OK:
		break;
	case HTTP_CALL_TIMEOUT:
		return "timeout";
	case HTTP_CALL_CONNECT_FAILED:
		return "connect_failed";
	case HTTP_CALL_DNS_FAILED:
		return "dns_failed";
	case HTTP_CALL_TLS_FAILED:
		return "tls_failed";
	case HTTP_CALL_BAD_RESPONSE:
		return "bad_response";
	case HTTP_CALL_TOO_LARGE:
		return "too_large";
	case HTTP_CALL_MEMORY:
		return "memory_limit";
	case HTTP_CALL_POOL_EXHAUSTED:
		return "pool_exhausted";
	case HTTP_CALL_BREAKER_OPEN:
		return "breaker_open";
	case HTTP_CALL_BODY_LOST:
		return "aborted";
	case HTTP_CALL_UNAVAILABLE:
		return "unavailable";
	}
	return "cancelled";
}

void http_trace_begin(struct http_call *call)
{
	const struct trace *trace = call->request.trace;

	if (!call->request.span)
		return;
	call->try_span = trace_span(trace);
	call->try_started_ns = clock_monotonic_ns();
	if (call->trace_at && call->head.ptr)
		span_id_write((char *)(uintptr_t)call->head.ptr + call->trace_at, call->try_span);
}

/* The path without the query, which may have credentials in it. */
static struct str http_trace_path(const struct http_call *call)
{
	ptrdiff_t query = str_find_char(call->request.target, '?');

	return query < 0 ? call->request.target : str_first(call->request.target, (size_t)query);
}

static void http_trace_tell(const struct http_call *call, struct span *span)
{
	const struct upstream *upstream = call->request.upstream;
	int status = call->answer ? call->answer->response.status : 0;

	span_add_text(span, "http.request.method", call->request.method);
	span_add_text(span, "leat.upstream", upstream->name);
	span_add_text(span, "url.path", http_trace_path(call));
	span_add_text(span, "url.scheme", upstream->tls ? STR("https") : STR("http"));
	if (call->shelf) {
		span_add_text(span, "server.address", call->shelf->peer->host);
		span_add_number(span, "server.port", net_addr_port(&call->shelf->peer->addr));
	} else {
		span_add_text(span, "server.address", upstream->servers[0].host);
		span_add_number(span, "server.port", upstream->servers[0].port);
	}
	if (status)
		span_add_number(span, "http.response.status_code", status);
	if (call->n_retries)
		span_add_number(span, "http.request.resend_count", call->n_retries);
	span->failed |= status >= 400;
}

void http_trace_end(struct http_call *call, enum outcome outcome, enum http_call_error error,
		    const char *detail)
{
	const struct trace *trace = call->request.trace;
	struct span span;

	if (!call->try_span)
		return;
	span = (struct span){ .trace = trace,
			      .kind = SPAN_CLIENT,
			      .id = call->try_span,
			      .parent = call->request.span,
			      .started_ns = call->try_started_ns,
			      .ended_ns = clock_monotonic_ns(),
			      .name = call->request.method,
			      .failed = outcome != OUTCOME_OK };
	http_trace_tell(call, &span);
	if (outcome != OUTCOME_OK) {
		span_add_text(&span, "error.type", str_of(http_trace_error_type(error)));
		span.problem = str_of(detail);
	}
	call->try_span = 0;
	tracer_add(trace->tracer, &span);
}
