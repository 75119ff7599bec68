/* server/http/range.h: which bytes a Range field asks for (RFC 9110 §14). Pure. */
#pragma once
#include "core/base/str.h"

enum { HTTP_RANGES_MAX = 16 };

struct http_range {
	uint64_t from, len; /* len > 0; from + len is at most the size */
};

enum http_range_verdict {
	HTTP_RANGE_WHOLE,         /* no range, one that must be ignored, or more than is sensible */
	HTTP_RANGE_PARTIAL,       /* the ranges, in the order of the field */
	HTTP_RANGE_UNSATISFIABLE, /* 416 */
};

/* More than HTTP_RANGES_MAX ranges, or ranges that together are more than the whole, give the
 * whole. */
enum http_range_verdict http_range_read(struct str field, uint64_t size,
					struct http_range ranges[HTTP_RANGES_MAX],
					size_t *ret_n_ranges);
