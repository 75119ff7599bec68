/* server/conn_input.h: from bytes to requests. Internal to the connection. */
#pragma once
#include "server/connection.h"

/* Reads once (unless unused bytes are there) and uses what there is, until it is used up, a
 * request is in work, an answer must be sent first, or the body is held back. False when the
 * socket has nothing more for now. */
bool conn_input(struct conn *conn);
void conn_forget_input(struct conn *conn); /* drops what was read and not used */

/* of connection.c, for the other parts */
void conn_close(struct conn *conn); /* the memory stays while conn->processing */
void conn_flush(struct conn *conn);
void conn_flush_alone(struct conn *conn); /* outside of a round; it may be freed */
void conn_process(struct conn *conn);

/* The end of a round that did not begin with what was read: what was put out goes out, and what was
 * read is used. It may be freed. Within a round there is nothing to do. */
void conn_move_on(struct conn *conn);
void conn_go_on_sending(struct conn *conn); /* it may be freed */

/* Goes to CONN_HANDLE and starts the request, or does so when what stands before it is sent. */
void conn_handle(struct conn *conn);

/* The answer of a request whose body may still be coming: one that is itself still being made goes out
 * beside it; any other ends it. */
void conn_answer_at_work(struct conn *conn, const struct reply *reply);
extern const struct request_sink conn_sink;
