/* server/request_roots.h: what path, query, headers, cookies, form, body, request and client
 * are. */
#pragma once
#include "server/request.h"

/* context_ops.root() of a request. */
int request_root(struct context *context, enum expr_root root, struct str key, struct value *ret);

/* The body as a form: an object whose members are texts (and files), the first of each name. -EINVAL
 * for a bad escape; -E2BIG for more than 1,000 fields; -ENOMEM. */
int request_form(struct request *request, struct value *ret);
