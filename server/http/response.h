/* server/http/response.h: the head of an HTTP/1 response, as a client reads it.
 *
 * As strict as for requests where framing is concerned (two lengths, length with chunked, bad
 * field names, obs-fold, bare CR or LF: all refused, since a response that can be read in two
 * ways can be used to poison what is behind it). */
#pragma once
#include "server/http/head.h"

enum http_framing {
	HTTP_FRAMING_NONE, /* no body: HEAD, 1xx, 204, 304, or length 0 */
	HTTP_FRAMING_LENGTH,
	HTTP_FRAMING_CHUNKED,
	HTTP_FRAMING_CLOSE, /* until the peer closes (RFC 9112 §6.3 rule 8) */
};

struct http_response_head {
	int status; /* 100 to 599 */
	struct str reason;
	uint8_t minor;
	bool keep_alive; /* false for HTTP_FRAMING_CLOSE */
	enum http_framing framing;
	uint64_t length; /* for HTTP_FRAMING_LENGTH */
	size_t n_fields;
	struct http_field *fields; /* the caller's array of HTTP_FIELDS_MAX */
};

/* As http_head_scan(); HTTP_BAD has no status: it is a bad_response. */
enum http_step http_response_scan(struct http_scan *scan, struct str bytes,
				  const struct http_limits *limits, size_t *ret_size);

/* `request` is the method that is answered (HEAD has no body). 0 or -EBADMSG. */
int http_response_parse(struct str bytes, enum http_method request,
			const struct http_limits *limits, struct http_response_head *head);
const struct http_field *http_response_find(const struct http_response_head *head, struct str name);
