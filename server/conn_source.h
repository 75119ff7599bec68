/* server/conn_source.h: sending a body that comes piece by piece. Internal to the connection. */
#pragma once
#include "server/body_sender.h"
#include "server/connection.h"

/* One answer's body while it is sent; in the request's arena. */
struct conn_source {
	struct conn *conn;
	struct body_sender sender;
	struct ready turn; /* the rest in another turn: this one's share is used */
	int status;        /* for the log */
	bool endless;      /* as the reply says */
};

/* The body of `reply` will come from its source: conn->source is set. False without memory. */
bool conn_source_begin(struct conn *conn, const struct reply *reply);

/* The first piece, if there is one already, to be sent together with the head. Returns how many
 * parts, or a negative errno. */
int conn_source_first(struct conn *conn, struct iovec parts[BODY_PIECE_PARTS]);

/* Goes on, with nothing queued. 1: the body is sent; 0: it waits for room, for its source or for
 * another turn; or a negative errno: it has to be cut. */
int conn_source_send(struct conn *conn);

/* Nothing is queued: what comes next is up to the source. */
bool conn_source_is_waiting(const struct conn *conn);

/* It is sent, or will not be: writes the access line. Harmless when there is none. */
void conn_source_end(struct conn *conn);
