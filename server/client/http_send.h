/* server/client/http_send.h: a request's body that comes from a source, on its way over a
 * connection. Internal to server/client.
 *
 * It belongs to the call while there is one, then to the stream that the call has left: an answer
 * may come, and be passed on, before the body is whole. */
#pragma once
#include "server/body_sender.h"
#include "server/client/http_conn.h"

struct http_send;
typedef void http_send_fn(struct http_conn *conn, int result);

struct http_send {
	struct body_sender sender;
	struct http_conn *conn; /* NULL: not on one */
	http_send_fn *
		on_more; /* the source had more, and this came of it: as http_send_go_on(); or NULL: no longer
				  of interest */
	bool begun; /* the source was asked for a piece once */
	bool raw;   /* no framing: what follows a protocol switch */
};

/* In the arena. NULL without memory. The source stays its owner's, and must outlive the call and
 * its stream. */
struct http_send *http_send_create(struct arena *arena, struct body_source *source);

/* On a connection, behind a head that frames it. False when it was begun on another, and cannot
 * be had once more. */
bool http_send_begin(struct http_send *send, struct http_conn *conn, http_send_fn *on_more);

/* Whether a request could be sent once more, from the start. */
bool http_send_can_repeat(const struct http_send *send);

/* Sends, with nothing queued. 1: nothing is left; 0: it waits for room or for its source (see
 * http_send_is_waiting()); or a negative errno: the socket's (stream.error), or the source's. */
int http_send_go_on(struct http_send *send);
bool http_send_is_waiting(const struct http_send *send); /* it is not the peer who is slow */
bool http_send_is_whole(const struct http_send *send);

/* The connection goes. Harmless for NULL, and when it is on none. */
void http_send_stop(struct http_send *send);
