/* server/client/http_request.c
 *
 * Written twice by the same function: first to nowhere, for the size. What comes from outside
 * must have been checked where it came in; that nothing can break out of its line is checked
 * here all the same. */
#include "server/client/http_request.h"
#include "server/body_source.h"
#include "server/trace/trace.h"
#include <inttypes.h>
#include <stdio.h>

struct writer {
	char *at; /* NULL: only counts */
	size_t size;
	size_t trace_at; /* 0: there is no traceparent */
};

static void writer_add(struct writer *writer, struct str bytes)
{
	if (writer->at && bytes.len)
		memcpy(writer->at + writer->size, bytes.ptr, bytes.len);
	writer->size += bytes.len;
}

static void writer_add_field(struct writer *writer, struct str name, struct str value)
{
	writer_add(writer, name);
	writer_add(writer, STR(": "));
	writer_add(writer, value);
	writer_add(writer, STR("\r\n"));
}

static bool http_request_breaks_line(struct str s)
{
	return str_has(s, '\r') || str_has(s, '\n') || str_has(s, '\0');
}

static bool http_request_breaks_word(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
			return true;
	return false;
}

static void http_request_check(const struct http_call_request *request)
{
	check(request->upstream && request->upstream->n_servers > 0);
	check(request->method_id != HTTP_CONNECT); /* what follows its response is not HTTP */
	check(request->method.len > 0 && !http_request_breaks_word(request->method));
	check(!http_request_breaks_word(request->target));
	check(!http_request_breaks_word(request->host));
	check(request->has_body || (request->body.len == 0 && !request->body_source) ||
	      request->upgrade.len);
	check(!request->body_source || request->body.len == 0);
	check(!http_request_breaks_line(request->upgrade) &&
	      (!request->upgrade.len || request->streams));
	for (size_t i = 0; i < request->n_fields; i++) {
		check(request->fields[i].name.len > 0);
		check(!http_request_breaks_word(request->fields[i].name));
		check(!http_request_breaks_line(request->fields[i].value));
	}
}

/* RFC 9110 §8.6: also without a body, where the method makes one expected. */
static bool http_request_has_length(const struct http_call_request *request)
{
	return request->has_body || request->method_id == HTTP_POST ||
	       request->method_id == HTTP_PUT || request->method_id == HTTP_PATCH;
}

/* How the body ends (RFC 9112 §6). */
static void http_request_write_framing(const struct http_call_request *request,
				       struct writer *writer)
{
	uint64_t size = request->body_source ? request->body_source->size : request->body.len;
	char length[24];

	if (request->wants_trailers && !request->upgrade.len) { /* TE is for the neighbour only */
		writer_add_field(writer, STR("TE"), STR("trailers"));
		writer_add_field(writer, STR("Connection"), STR("TE"));
	}
	if (request->upgrade.len) {
		writer_add_field(writer, STR("Connection"), STR("Upgrade"));
		writer_add_field(writer, STR("Upgrade"), request->upgrade);
	} else if (size == BODY_SIZE_UNKNOWN) {
		writer_add_field(writer, STR("Transfer-Encoding"), STR("chunked"));
	} else if (http_request_has_length(request)) {
		snprintf(length, sizeof(length), "%" PRIu64, size);
		writer_add_field(writer, STR("Content-Length"), str_of(length));
	}
}

static void http_request_write_target(const struct http_call_request *request,
				      struct writer *writer)
{
	struct str target = request->target;
	struct str prefix = request->whole_target ? STR_NONE : request->upstream->prefix;
	bool is_asterisk = prefix.len == 0 && str_eq(target, STR("*"));

	if (request->upstream->via && !request->upstream->tls) { /* RFC 9112 §3.2.2 */
		writer_add(writer, STR("http://"));
		writer_add(writer, request->upstream->authority);
		if (is_asterisk)
			return;
	}
	writer_add(writer, prefix);
	if (!is_asterisk && (target.len == 0 || target.ptr[0] != '/'))
		writer_add(writer, STR("/"));
	writer_add(writer, target);
}

static bool http_request_has(const struct http_call_request *request, struct str name)
{
	for (size_t i = 0; i < request->n_fields; i++)
		if (str_eq_nocase(request->fields[i].name, name))
			return true;
	return false;
}

/* The trace goes on, unless whoever makes the request says what of it does. */
static void http_request_write_trace(const struct http_call_request *request, struct writer *writer)
{
	static const struct str name = STR_INIT("traceparent");
	const struct trace *trace = request->trace;
	char text[TRACEPARENT_LEN];

	if (!trace || http_request_has(request, name))
		return;
	traceparent_write(text, &trace->here);
	writer->trace_at = writer->size + name.len + 2 + TRACEPARENT_SPAN_AT;
	writer_add_field(writer, name, (struct str){ text, TRACEPARENT_LEN });
	if (trace->state.len && !http_request_has(request, STR("tracestate")))
		writer_add_field(writer, STR("tracestate"), trace->state);
}

static void http_request_write(const struct http_call_request *request, struct writer *writer)
{
	const struct upstream_via *via = request->upstream->tls ? NULL : request->upstream->via;
	struct str host = request->host.len && !via ? request->host : request->upstream->authority;

	writer_add(writer, request->method);
	writer_add(writer, STR(" "));
	http_request_write_target(request, writer);
	writer_add(writer, STR(" HTTP/1.1\r\n"));
	writer_add_field(writer, STR("Host"), host);
	if (via && via->authorization.len)
		writer_add_field(writer, STR("Proxy-Authorization"), via->authorization);
	for (size_t i = 0; i < request->n_fields; i++)
		writer_add_field(writer, request->fields[i].name, request->fields[i].value);
	http_request_write_trace(request, writer);
	http_request_write_framing(request, writer);
	writer_add(writer, STR("\r\n"));
}

struct str http_request_render(struct arena *arena, const struct http_call_request *request,
			       size_t *ret_trace_at)
{
	struct writer counter = { 0 }, writer = { 0 };

	http_request_check(request);
	http_request_write(request, &counter);
	writer.at = arena_alloc(arena, counter.size);
	if (!writer.at)
		return STR_NONE;
	http_request_write(request, &writer);
	check(writer.size == counter.size);
	*ret_trace_at = writer.trace_at;
	return (struct str){ writer.at, writer.size };
}

bool http_request_is_idempotent(const struct http_call_request *request)
{
	switch (request->method_id) {
	case HTTP_GET:
	case HTTP_HEAD:
	case HTTP_PUT:
	case HTTP_DELETE:
	case HTTP_OPTIONS:
	case HTTP_TRACE:
		return true;
	case HTTP_POST:
	case HTTP_PATCH:
	case HTTP_CONNECT:
	case HTTP_OTHER:
		return false;
	}
	unreachable();
}
