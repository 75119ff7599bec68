/* server/request_query.h: what a client says by names and values: queries and forms. */
#pragma once
#include "server/request.h"

/* ${query} and its like, out of `text`: the first value of `key` (with `all`: the list of its
 * values), or without a key (.ptr NULL) an object of all names. 0 or -ENOMEM. */
int request_root_query(struct request *request, struct str text, bool all, struct str key,
		       struct value *ret);

/* The same of the body, by its type; null when it is no form. */
int request_root_form(struct request *request, bool all, struct str key, struct value *ret);

/* The body as a form: an object whose members are texts (and files), the first of each name. -EINVAL
 * for a bad escape; -E2BIG for more than 1,000 fields; -ENOMEM. */
int request_form(struct request *request, struct value *ret);
