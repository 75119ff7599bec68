/* server/live/handshake.h: the opening handshake of WebSocket (RFC 6455 §4.2, RFC 7692 §5).
 *
 * A head in, a verdict out: no sockets, no memory. */
#pragma once
#include "server/http/head.h"
#include "server/live/deflate.h"

enum { HANDSHAKE_ACCEPT_LEN = 28, HANDSHAKE_EXTENSION_MAX = 128 };

/* What a route takes. */
struct handshake_rules {
	const struct str *protocols; /* subprotocols */
	size_t n_protocols;
	const struct str
		*origins; /* "https://app.example.org", or "*"; none: its own host's only */
	size_t n_origins;
	bool deflate;  /* compresses, for clients that offer it */
	bool takeover; /* with a window that is kept */
	bool secure;   /* the request came over TLS */
};

struct handshake {
	int status;         /* 101; or 400, 403, 426 */
	const char *detail; /* why not */
	char accept[HANDSHAKE_ACCEPT_LEN];
	struct str protocol; /* of the rules; .len 0: none */
	struct deflate_terms deflate;
};

void handshake_read(const struct http_head *head, const struct handshake_rules *rules,
		    struct handshake *ret_handshake);

/* What Sec-WebSocket-Extensions answers to deflate.on. */
struct str handshake_extension(const struct deflate_terms *terms,
			       char out[HANDSHAKE_EXTENSION_MAX]);

/* The value of Sec-WebSocket-Accept for that key. */
void handshake_accept(struct str key, char out[HANDSHAKE_ACCEPT_LEN]);

/* Whether a page of that origin may connect. `origin` is the value of the field. */
bool handshake_origin_is_good(const struct http_head *head, const struct handshake_rules *rules,
			      struct str origin);
