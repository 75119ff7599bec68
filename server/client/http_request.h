/* server/client/http_request.h: the head of a request, as bytes. Internal. */
#pragma once
#include "server/client/http_call.h"

/* In the arena, in one piece; .ptr is NULL without memory. *ret_trace_at: where the id of the span
 * stands in its traceparent; 0: it has none that is leat's. */
struct str http_request_render(struct arena *arena, const struct http_call_request *request,
			       size_t *ret_trace_at);

/* RFC 9110 §9.2.2: carrying it out twice is as good as once. */
bool http_request_is_idempotent(const struct http_call_request *request);
