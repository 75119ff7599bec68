/* server/trace/span.c: OTLP 1.x in its JSON form: ids are hexadecimal, 64-bit numbers are texts. */
#include "server/trace/span.h"
#include "core/base/check.h"
#include "server/expr/json.h"
#include "server/trace/trace.h"
#include <inttypes.h>

void span_add_text(struct span *span, const char *key, struct str text)
{
	if (text.len == 0)
		return;
	check(span->n_facts < SPAN_FACTS_MAX);
	span->facts[span->n_facts++] = (struct span_fact){ .key = key, .text = text };
}

void span_add_number(struct span *span, const char *key, int64_t number)
{
	check(span->n_facts < SPAN_FACTS_MAX);
	span->facts[span->n_facts++] = (struct span_fact){ .key = key, .number = number };
}

/* Cut between characters. */
static struct str span_cut(struct str text)
{
	size_t len = MIN(text.len, (size_t)SPAN_TEXT_MAX);

	while (len > 0 && len < text.len && (text.ptr[len] & 0xc0) == 0x80)
		len--;
	return str_first(text, len);
}

static void span_write_id(const char *key, uint64_t id, struct buf *out)
{
	char text[SPAN_ID_LEN];

	span_id_write(text, id);
	buf_printf(out, ",\"%s\":\"%.*s\"", key, SPAN_ID_LEN, text);
}

static void span_write_time(const struct span *span, const char *key, uint64_t ns, struct buf *out)
{
	buf_printf(out, ",\"%s\":\"%" PRId64 "\"", key, (int64_t)ns + span->trace->wall_ns);
}

void span_write_fact(const struct span_fact *fact, struct buf *out)
{
	buf_printf(out, "{\"key\":\"%s\",\"value\":{", fact->key);
	if (fact->text.ptr) {
		buf_add(out, STR("\"stringValue\":"));
		json_write_text(span_cut(fact->text), out);
	} else {
		buf_printf(out, "\"intValue\":\"%" PRId64 "\"", fact->number);
	}
	buf_add(out, STR("}}"));
}

static void span_write_status(const struct span *span, struct buf *out)
{
	if (!span->failed)
		return;
	buf_add(out, STR(",\"status\":{\"code\":2"));
	if (span->problem.len) {
		buf_add(out, STR(",\"message\":"));
		json_write_text(span_cut(span->problem), out);
	}
	buf_add_char(out, '}');
}

void span_write(const struct span *span, struct buf *out)
{
	const struct trace *trace = span->trace;

	buf_printf(out, "{\"traceId\":\"%.*s\"", TRACE_ID_LEN, trace->id);
	span_write_id("spanId", span->id, out);
	if (span->parent)
		span_write_id("parentSpanId", span->parent, out);
	if (trace->state.len) {
		buf_add(out, STR(",\"traceState\":"));
		json_write_text(trace->state, out);
	}
	buf_printf(out, ",\"flags\":%d,\"kind\":%d,\"name\":", trace->here.flags, span->kind);
	json_write_text(span_cut(span->name), out);
	span_write_time(span, "startTimeUnixNano", span->started_ns, out);
	span_write_time(span, "endTimeUnixNano", MAX(span->ended_ns, span->started_ns), out);
	buf_add(out, STR(",\"attributes\":["));
	for (size_t i = 0; i < span->n_facts; i++) {
		if (i)
			buf_add_char(out, ',');
		span_write_fact(&span->facts[i], out);
	}
	buf_add_char(out, ']');
	span_write_status(span, out);
	buf_add_char(out, '}');
}
