/* server/http/cache_control.h: what Cache-Control says (RFC 9111 §5.2, RFC 5861, RFC 8246). Pure.
 *
 * Where it is not clear what was meant, the answer is used less: a number that is none counts as
 * 0, of two the smaller holds, and a directive that is for some fields only counts as if it were
 * for all (§5.2.2.4, §5.2.2.7 allow that). Unknown directives are passed over. */
#pragma once
#include "server/http/head.h"

enum { HTTP_DELTA_MAX = INT32_MAX }; /* seconds; what is more counts as this (§1.2.2) */

/* A number of seconds, where it was said. */
struct http_delta {
	bool said;
	int64_t seconds;
};

struct http_cache_control {
	/* of both */
	bool no_store, no_cache, no_transform;
	struct http_delta max_age, stale_if_error;
	/* of requests */
	bool only_if_cached;
	bool any_stale; /* max-stale without a number */
	struct http_delta max_stale, min_fresh;
	/* of responses */
	bool is_public, is_private, must_revalidate, proxy_revalidate, must_understand, immutable;
	struct http_delta s_maxage, stale_while_revalidate;
};

/* Of all such fields of a head together. */
void http_cache_control_read(const struct http_field *fields, size_t n_fields,
			     struct http_cache_control *ret);
