/* server/sql/pg_pool.h: the connections of one database, on its home loop: that of the first task
 * that asked. Tasks of other loops send their jobs there, and get them back, as messages. */
#pragma once
#include "core/io/loop.h"
#include "server/sql/sql_db.h"

struct names;

struct pg_pool {
	struct sql_db *db; /* held */
	struct loop *loop;
	struct names *names;
	char port[8];
	struct list waiting; /* of struct sql_job.link */
	struct list conns, idle;
	size_t n_waiting;
	size_t n_conns, n_opening, n_open; /* all; on their way; of use */
	struct timer retry; /* when the next connection may be tried, while jobs wait */
	struct post poke;   /* somebody has left */
	atomic_bool poked;  /* `poke` is under way */
	struct post halt;   /* all is to stop; posted once */
	bool stopped;
};

/* Home loop: a connection is ready for a job; none could be opened; the memory of one has gone. */
void pg_pool_idle(struct pg_pool *pool);
void pg_pool_failed(struct pg_pool *pool, enum error_code code, const char *message);
void pg_pool_gone(struct pg_pool *pool);

/* What a URL may say of a connection, as libpq calls it; NULL at the end. */
extern const char *const pg_parameters[];
