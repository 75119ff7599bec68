/* server/trace/traceparent.h: the W3C Trace Context fields, read and written.
 *
 *     traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *                  version  trace id                     span id         flags
 *
 * Whatever does not have exactly this form is no traceparent: it is as if nothing had come. */
#pragma once
#include "core/base/str.h"

enum {
	TRACEPARENT_LEN = 55,
	TRACEPARENT_SPAN_AT = 36, /* where the id of the span stands in it */
	TRACE_ID_LEN = 32,
	SPAN_ID_LEN = 16,
	TRACE_SAMPLED = 1,    /* of the flags */
	TRACESTATE_MAX = 512, /* bytes; a longer one is not passed on (W3C §3.3.1.5) */
};

struct traceparent {
	uint64_t high, low; /* the id of the trace: 16 bytes, the first in front; never all 0 */
	uint64_t span;      /* never 0 */
	uint8_t flags;
};

/* Higher versions are read as far as version 00 goes (W3C §3.2.4). */
bool traceparent_read(struct str text, struct traceparent *ret);
void traceparent_write(char out[TRACEPARENT_LEN], const struct traceparent *parent);

/* Lower-case hexadecimal, without a NUL. */
void trace_id_write(char out[TRACE_ID_LEN], const struct traceparent *parent);
void span_id_write(char out[SPAN_ID_LEN], uint64_t span);

/* Whether a tracestate may go on: a list of key=value (W3C §3.3.1), of at most TRACESTATE_MAX bytes. */
bool tracestate_is_good(struct str text);
