/* server/http/body.h: the body of an HTTP/1 message, cut out of the bytes of its connection.
 *
 * Chunked bodies are read by llhttp with checks of our own in its callbacks (size of a chunk
 * before it comes, bytes of extensions and trailers, CRLFs). A body of known length is counted
 * down. */
#pragma once
#include "server/http/trailers.h"

struct http_body; /* only for chunked ones: about 300 bytes, made by http_body_create() */

enum http_body_step {
	HTTP_BODY_MORE, /* all bytes are used; more are needed */
	HTTP_BODY_DATA, /* *ret_data has some; call again with the rest */
	HTTP_BODY_END,  /* the message ended; what is not used belongs to the next one */
	HTTP_BODY_BAD,  /* *ret_status is 400, 413 or 431; or 503 without memory for trailers */
};

struct http_body_limits {
	uint64_t body_max;
	size_t extensions_max; /* bytes of chunk extensions of a message: past it 400 */
	size_t trailers_max;   /* bytes of trailers: past it 431 */
	bool keep_trailers;    /* else they are checked and dropped */
};

/* Reads the body of the request (or response) whose head had Transfer-Encoding: chunked. NULL
 * without memory. */
struct http_body *http_body_create(const struct http_body_limits *limits, bool is_response);
void http_body_destroy(struct http_body *body);

/* The trailers that were kept of a message that has ended, in their order. Slices of the body's own
 * memory. Returns how many. */
size_t http_body_trailers(const struct http_body *body,
			  struct http_field fields[HTTP_TRAILERS_MAX]);

/* Uses bytes from the front of `bytes`; *ret_used says how many. Data is a slice of `bytes`. */
enum http_body_step http_body_read(struct http_body *body, struct str bytes, size_t *ret_used,
				   struct str *ret_data, int *ret_status);
