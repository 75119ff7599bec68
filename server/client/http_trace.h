/* server/client/http_trace.h: each try of a call as a span. Internal.
 *
 * The server gets the try's id with its traceparent, which is rendered once and changed in its place
 * from try to try. */
#pragma once
#include "server/client/http_call.h"

/* A try begins; the head of the request is rendered. */
void http_trace_begin(struct http_call *call);

/* It ends; what it has is still there. */
void http_trace_end(struct http_call *call, enum outcome outcome, enum http_call_error error,
		    const char *detail);
