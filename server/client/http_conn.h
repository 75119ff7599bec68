/* server/client/http_conn.h: one connection to a server of an upstream: with a call, with the body
 * of a response that is passed on, or idle. Internal.
 *
 * An idle connection must stay silent: bytes, the end or an error on it close it at once. (What TLS
 * says for itself is none of them: servers give tickets when they like.) */
#pragma once
#include "core/io/stream.h"
#include "server/client/client.h"
#include "server/client/knock.h"

struct http_call;
struct http_stream;

struct http_conn {
	struct stream stream;
	struct shelf *shelf;      /* used */
	struct http_call *call;   /* or `body`; neither: idle */
	struct http_stream *body; /* the rest of a response, behind its head */
	struct list link;         /* in its shelf's idle list, while idle */
	struct timer again;       /* the call had more to read than its share of a turn */
	uint64_t idle_until_ns;
	bool reused; /* a response was read from it before */
	bool permit; /* it has a permit of the fleet's, which goes with it */
};

/* With the socket that knocking has connected. NULL without memory: then the socket is still the knock's. The
 * connection, and the permit that the caller has taken for it, are its to close() or keep(). */
struct http_conn *http_conn_open(struct shelf *shelf, struct knock *knock, bool permit);

/* Begins the handshake of an upstream with TLS. 0, or -ENOMEM. */
int http_conn_secure(struct http_conn *conn, const struct upstream *upstream, stream_fn *on_secure);

/* Why the handshake failed: a static text. The next connection is not resumed. */
const char *http_conn_secure_failure(struct http_conn *conn);

/* The idle connection that was used last, or NULL. */
struct http_conn *http_conn_take(struct shelf *shelf);

/* Makes it idle, or hands it to a call that waits for one, or closes it when it may not be used again
 * or there are enough. */
void http_conn_keep(struct http_conn *conn, const struct upstream *upstream);
void http_conn_close(struct http_conn *conn);
