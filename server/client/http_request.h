/* server/client/http_request.h: the head of a request, as bytes. Internal. */
#pragma once
#include "server/client/http_call.h"

/* In the arena, in one piece; .ptr is NULL without memory. */
struct str http_request_render(struct arena *arena, const struct http_call_request *request);

/* RFC 9110 §9.2.2: carrying it out twice is as good as once. */
bool http_request_is_idempotent(const struct http_call_request *request);
