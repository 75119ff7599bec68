/* server/sql/pg_conn.h: one connection to PostgreSQL, on the home loop of its database.
 *
 *   LOOKUP --> CONNECT --> SET_UP --> IDLE --> PREPARE --> RUN --> END --> IDLE
 *       \_________\___________\________\__________\_________\_______\--> closed
 *
 *   LOOKUP   its host is looked up
 *   CONNECT  libpq connects, shakes hands and logs in
 *   SET_UP   the settings of the session are on their way
 *   IDLE     in the pool; it is watched, so that one that the server closes is noticed
 *   PREPARE  statements of its job that it does not know yet are on their way
 *   RUN      statements are; what comes back is written as JSON at once
 *   END      COMMIT or ROLLBACK is; nothing follows
 *
 * All is in libpq's pipeline mode: what does not depend on each other is sent at once, and
 * `expects` says what each result that comes is of. All of it runs on the home loop. */
#pragma once
#include "core/io/names.h"
#include "server/sql/pg_pool.h"
#include "server/sql/sql_answer.h"
#include "server/sql/sql_cache.h"
#include <libpq-fe.h>

enum pg_state {
	PG_LOOKUP,
	PG_CONNECT,
	PG_SET_UP,
	PG_IDLE,
	PG_PREPARE,
	PG_RUN,
	PG_END,
	PG_CLOSED, /* its memory goes with the loop's next ready list */
};

enum pg_expect_kind {
	PG_EXPECT_COMMAND,  /* SET, DEALLOCATE, BEGIN, COMMIT, ROLLBACK */
	PG_EXPECT_PREPARE,  /* that a statement was parsed */
	PG_EXPECT_DESCRIBE, /* its types */
	PG_EXPECT_ROWS,     /* of a statement of the job */
	PG_EXPECT_SYNC,     /* the end of a pipeline */
};

struct pg_expect {
	enum pg_expect_kind kind;
	size_t statement; /* of the job */
};

/* A statement that the server knows. */
struct pg_statement {
	char name[24];
	unsigned n_params, n_columns;
	unsigned *types; /* of the parameters */
};

struct pg_conn {
	struct list link; /* in pool->conns, all */
	struct list idle; /* in pool->idle, those used last in front */
	struct pg_pool *pool;
	enum pg_state state;
	PGconn *pg; /* NULL in LOOKUP */
	struct watch watch;
	uint32_t events;
	struct timer timer; /* of connecting, of being idle, of a cancel */
	struct lookup lookup;
	struct sql_job *job;
	struct sql_cache statements;
	struct buf
		doomed; /* names that the server may forget: one DEALLOCATE each, NUL behind it */
	uint64_t n_prepared;
	struct buf scratch;
	/* of the job at hand */
	struct pg_statement **prepared; /* by statement */
	struct pg_expect *expects;
	size_t n_expects, n_expects_room, expect_at;
	size_t n_sent; /* statements */
	struct sql_answer answer;
	bool answering;   /* `answer` has begun */
	bool had_nothing; /* libpq gave nothing where the end of a pipeline was to come */
	bool begun;       /* BEGIN was sent */
	bool again;       /* it is tried for the second time */
	struct pg_cancel
		*cancel; /* PQcancel is at work on its thread: the connection waits for it */
	struct ready forget;
};

/* A new one, which becomes IDLE, or is closed and tells the pool why. */
void pg_conn_open(struct pg_pool *pool);
void pg_conn_close(struct pg_conn *conn); /* its job, if any, is finished as it is */

/* An IDLE one carries the job out. */
void pg_conn_start(struct pg_conn *conn, struct sql_job *job);

/* Its job has failed, or is cancelled: the server is told to stop it. */
void pg_conn_interrupt(struct pg_conn *conn);
void pg_conn_on_cancelled(struct pg_conn *conn); /* it was told */

/* ---- of pg_run.c: the job at hand */
void pg_run_init(struct pg_conn *conn);
void pg_run_start(struct pg_conn *conn);
void pg_run_next(struct pg_conn *conn); /* the results of the next command come now */
void pg_run_result(struct pg_conn *conn, PGresult *result); /* NULL: the results of one are over */
void pg_run_step(struct pg_conn *conn);                     /* all that was expected has come */

/* Closes the connection when it cannot be sent. False then. */
bool pg_conn_expect(struct pg_conn *conn, int sent, enum pg_expect_kind kind, size_t statement);
bool pg_conn_flush(struct pg_conn *conn);
bool pg_conn_flush_request(
	struct pg_conn *conn); /* the server answers what it has, without a sync */

/* The job is done: the connection serves the next. */
void pg_conn_done(struct pg_conn *conn);

/* The server's message, on one line, without its "ERROR: " and what follows the first line. */
struct str pg_message(const char *message);
