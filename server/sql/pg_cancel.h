/* server/sql/pg_cancel.h: PQcancel() blocks while it connects: on a thread of its own. */
#pragma once
#include "core/io/loop.h"

struct pg_conn;
struct pg_cancel;

/* The server is told to stop what the connection is doing; then pg_conn_on_cancelled(), on the
 * home loop, unless the connection has left. NULL: it cannot be told. */
struct pg_cancel *pg_cancel_start(struct pg_conn *conn);
void pg_cancel_leave(struct pg_cancel *cancel); /* NULL is accepted */
