/* server/conn_input.h: from bytes to requests. Internal to the connection. */
#pragma once
#include "server/connection.h"

enum {
	CONN_RATE_AFTER_MS =
		20000, /* a body that is slower than CONN_RATE_MIN bytes a second after this is refused */
	CONN_RATE_MIN = 500,
};

/* Reads once (unless unused bytes are there) and uses what there is, until it is used up, a
 * request is in work, or an answer must be sent first. False when the socket has nothing more
 * for now. */
bool conn_input(struct conn *conn);

/* of connection.c, for the other parts */
void conn_set_deadline(struct conn *conn, uint64_t delay_ms);
void conn_close(struct conn *conn); /* the memory stays while conn->processing */
void conn_flush(struct conn *conn);
void conn_process(struct conn *conn);
void conn_handle(struct conn *conn);
bool conn_is_too_slow(const struct conn *conn);
extern const struct request_sink conn_sink;
