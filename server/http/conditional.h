/* server/http/conditional.h: preconditions (RFC 9110 §13) and the choice of a coding (§12.5.3).
 * Pure. */
#pragma once
#include "server/http/head.h"

/* Of what is there now. */
struct http_validators {
	struct str etag;  /* strong, with its quotes; empty: there is none */
	int64_t modified; /* seconds */
	int64_t now;      /* a date this young is no strong validator (§8.8.2.2) */
	bool weak;        /* the tag: If-Match does not take it */
	bool undated;     /* there is no `modified` */
};

enum http_condition {
	HTTP_CONDITION_HOLDS,
	HTTP_CONDITION_UNCHANGED, /* 304 */
	HTTP_CONDITION_FAILED,    /* 412 */
};

/* For GET and HEAD, in the order of §13.2.2. */
enum http_condition http_condition_check(const struct http_head *head,
					 const struct http_validators *now);

/* True when there is no If-Range, or it is met: then Range counts. */
bool http_if_range_holds(const struct http_head *head, const struct http_validators *now);

/* How much a coding is wanted, from 0 (refused) to 1000. "identity" is 1 when nothing speaks of
 * it. */
unsigned http_coding_quality(const struct http_head *head, struct str coding);

/* How much a media type ("text/html") is wanted by Accept, by what says most of it (§12.5.1):
 * from 0 to 1000, which is also what it is when there is no such field. */
unsigned http_type_quality(const struct http_head *head, struct str type);
