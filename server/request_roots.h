/* server/request_roots.h: what path, query, headers, cookies, form, body, request and client
 * are. */
#pragma once
#include "server/request.h"

/* context_ops.root() of a request. */
int request_root(struct context *context, enum expr_root root, struct str key, struct value *ret);
