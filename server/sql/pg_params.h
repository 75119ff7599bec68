/* server/sql/pg_params.h: what libpq is told of a server. */
#pragma once
#include "server/sql/sql_db.h"
#include <libpq-fe.h>

/* Begins to connect; `host` is a name or the folder of a socket, `hostaddr` where it is (NULL: it needs
 * none). NULL: there is no memory. */
PGconn *pg_params_connect(const struct sql_address *address, const char *host, const char *hostaddr,
			  const char *port);
