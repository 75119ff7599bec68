/* server/http/freshness.h: what a shared cache may keep, for how long, and when it may use it (RFC
 * 9111 §3, §4; RFC 5861). Pure: times are given.
 *
 * Stricter than it has to be in two things: what sets a cookie is not kept, and a directive that is
 * doubtful makes an answer less fresh. A lifetime is guessed only where the caller says so, and
 * never of an answer to a request with a cookie. */
#pragma once
#include "server/http/cache_control.h"

/* One exchange with the server. */
struct http_exchanged {
	enum http_method method;
	const struct http_field *request;
	size_t n_request;
	int status;
	const struct http_field *response;
	size_t n_response;
	int64_t now;   /* wall clock, in seconds, when the head of the response was there */
	int64_t delay; /* how long after the request that was, in seconds */
};

/* What the caller says of answers that do not say it themselves; in seconds. */
struct http_heuristics {
	int64_t ttl; /* 0: none; of those that have a status that may be guessed of */
	int64_t while_revalidate, if_error;
};

/* How an answer may be kept. */
struct http_lifetime {
	int64_t age;                        /* now (§4.2.3) */
	int64_t fresh;                      /* of how much age it is fresh (§4.2.1) */
	int64_t while_revalidate, if_error; /* how long after that it may be used so */
	bool strict; /* once stale it may not be used without asking, whatever a client says */
};

/* True when it may be kept (§3), and *ret how. */
bool http_may_keep(const struct http_exchanged *exchanged, const struct http_heuristics *heuristics,
		   struct http_lifetime *ret);

/* The lifetime of one that may be kept, or whose head was made new by a 304. */
void http_lifetime_read(const struct http_exchanged *exchanged,
			const struct http_heuristics *heuristics, struct http_lifetime *ret);

enum http_reuse {
	HTTP_REUSE_FRESH,
	HTTP_REUSE_STALE,    /* the client, or stale-while-revalidate, allows it */
	HTTP_REUSE_VALIDATE, /* the server has to be asked */
};

/* Of an answer of that age and lifetime, what the Cache-Control of a request allows (§4.2.4,
 * §5.2.1). */
enum http_reuse http_may_reuse(const struct http_cache_control *request, int64_t age,
			       const struct http_lifetime *lifetime);

/* As http_cache_control_read(), with what HTTP/1.0 said (§5.4: Pragma). */
void http_request_control_read(const struct http_field *fields, size_t n_fields,
			       struct http_cache_control *ret);

/* Whether a response of that status ends what was kept of its URI, after an unsafe method (§4.4). */
bool http_invalidates(enum http_method method, int status);

/* The fields that Vary names, in lower case, sorted, each once, separated by commas: at most
 * HTTP_VARY_MAX bytes. False: it is `*`, or too much of it. */
enum { HTTP_VARY_MAX = 512, HTTP_VARY_NAMES_MAX = 16 };
bool http_vary_read(const struct http_field *fields, size_t n_fields, char out[HTTP_VARY_MAX],
		    size_t *ret_len);
