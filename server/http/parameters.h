/* server/http/parameters.h: "form-data; name=\"a\"; filename=b": a value with parameters (RFC 9110
 * §5.6.6). */
#pragma once
#include "core/base/str.h"

struct http_parameter {
	struct str name;  /* as it was written: compare it without case */
	struct str value; /* of a quoted string what is between the quotes, escapes and all */
	bool quoted;
};

/* Takes what stands before the first ';' off `rest`, trimmed; the parameters are left. */
struct str http_parameters_begin(struct str *rest);

/* 1 with the next parameter; 0: there are no more; -1: it is malformed. An empty one (";;") is
 * passed over, as RFC 9110 allows. */
int http_parameters_next(struct str *rest, struct http_parameter *ret);
