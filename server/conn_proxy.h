/* server/conn_proxy.h: connections and requests that come by way of proxies. Internal to the
 * connection. */
#pragma once
#include "server/connection.h"

/* Waits for the PROXY header (CONN_PROXY), or closes the connection of somebody who may not send
 * one. Then conn_start(). */
void conn_begin_proxy(struct conn *conn, const struct listen_spec *listen);
void conn_read_proxy(struct conn *conn);
void conn_proxy_timed_out(struct conn *conn);

/* Puts client and peer into a request. False without memory. */
bool conn_tell_client(struct conn *conn, struct request *request);

/* The same for what a trusted proxy says of the client. False when that cannot be made sense of:
 * the request is refused with 400. */
bool conn_tell_forwarded(struct conn *conn, struct request *request);
