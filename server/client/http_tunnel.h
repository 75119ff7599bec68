/* server/client/http_tunnel.h: the part of a call between a connection to an HTTP proxy and the
 * handshake with the server behind it: CONNECT (RFC 9110 §9.3.6). Internal to server/client. */
#pragma once
#include "server/client/http_call.h"
#include "server/client/http_conn.h"

/* Asks for the tunnel; the call is in CALL_TUNNEL. Goes on with http_call_is_tunnelled(), perhaps from
 * within. */
void http_tunnel_start(struct http_call *call, struct http_conn *conn);

/* In http_reach.c. `problem` is NULL: it is a connection to the server now; else why it is not. */
void http_call_is_tunnelled(struct http_call *call, const char *problem);
