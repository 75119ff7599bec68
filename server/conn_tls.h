/* server/conn_tls.h: a connection that came by a listener with TLS. */
#pragma once
#include "server/connection.h"

/* Begins the handshake, or closes the connection. Then conn_greet(). */
void conn_secure(struct conn *conn, struct tls_server *server);

/* It was not done in time: closes it. */
void conn_handshake_timed_out(struct conn *conn);
