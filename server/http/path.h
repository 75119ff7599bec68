/* server/http/path.h: the path of a request, decoded and normalised once, before routing
 * (DECISIONS 13).
 *
 * The raw path is split at '/', then each segment is decoded once: a bad escape or a NUL is an
 * error. Segments that are then "." or ".." are removed (RFC 3986 §5.2.4). "%2F" is data inside
 * its segment. */
#pragma once
#include "core/base/arena.h"

enum { HTTP_SEGMENTS_MAX = 256 }; /* past it the request is refused with 414 */

struct http_path {
	size_t n_segments;    /* "/" has one, which is empty; "/a/" has two, the last one empty */
	struct str *segments; /* decoded */
	struct str *raw;      /* the same segments as they were sent */
	bool changed;         /* dot segments were removed */
};

/* Slices point into `raw` where nothing had to be decoded, else into memory of the arena. Both
 * arrays are the caller's, of HTTP_SEGMENTS_MAX. 0; -EINVAL (400); -E2BIG (414); -ENOMEM. */
int http_path_parse(struct str raw, struct arena *arena, struct http_path *path);

/* Decodes %XX (and '+' as a space, when plus_is_space). A slice of `text` when there is nothing
 * to decode. -EINVAL for a bad escape or a NUL; -ENOMEM. */
int http_decode(struct str text, bool plus_is_space, struct arena *arena, struct str *ret);

/* The next pair of a query or a form body (application/x-www-form-urlencoded, WHATWG URL §5.1):
 * false at the end. Not decoded. Empty pairs are passed over. */
bool http_query_next(struct str *rest, struct str *ret_name, struct str *ret_value);
