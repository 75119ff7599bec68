/* server/conn_time.h: deadlines of a connection, and the client's leaving. Internal to the
 * connection. */
#pragma once
#include "server/connection.h"

void conn_set_deadline(struct conn *conn, uint64_t delay_ms);
void conn_no_deadline(struct conn *conn);

/* While an answer goes out: timeouts.write, unless its source has nothing to send. */
void conn_set_write_deadline(struct conn *conn);
void conn_on_timer(struct timer *timer);

/* The socket has bytes (or an end) that nothing has told of yet. */
bool conn_has_unread(struct conn *conn);

/* A peer that speaks libprocess: it takes the end of a connection for the end of all that it knows
 * here, so an idle one stays open. */
bool conn_is_link(struct conn *conn);

/* The client has nothing to do but to wait for what others are making. */
bool conn_is_waited_for(const struct conn *conn);

/* It has at least half-closed while it was waited for. */
void conn_on_peer_closed(struct conn *conn);
