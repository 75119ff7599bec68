/* server/policy/cors.h: requests of pages from elsewhere (https://fetch.spec.whatwg.org/#http-cors-protocol). */
#pragma once
#include "server/policy/policy.h"

/* A CORS preflight: OPTIONS with Origin and Access-Control-Request-Method, which is *ret_method. It
 * is answered by the policy that holds for that method, whatever the path has for OPTIONS. */
bool cors_is_preflight(const struct http_head *head, struct str *ret_method);

extern const struct setting cors_keys[];
