/* server/sql/maria.h: between maria.c (connections), maria_run.c (jobs) and maria_value.c. MariaDB
 * and MySQL are the same here, but where it is said. */
#pragma once
#include "server/sql/sql_answer.h"
#include "server/sql/sql_cache.h"
#include "server/sql/sql_threads.h"

/* its header declares a list_add() of its own */
#define list_add maria_list_add
#include <mysql.h>
#undef list_add

struct maria_session {
	struct sql_session session; /* first */
	MYSQL *mysql;
	int fd; /* a copy of its socket: for whoever interrupts it, while libmariadb may close its own */
	unsigned long id;            /* by which the server is told to kill it */
	struct sql_cache statements; /* of MYSQL_STMT */
};

static inline struct maria_session *maria_session_of(struct sql_session *session)
{
	return container_of(session, struct maria_session, session);
}

/* ---- maria.c */
MYSQL *maria_connect(const struct sql_db *db, struct sql_job *job);

/* ---- maria_run.c */
void maria_run(struct sql_session *session, struct sql_job *job);

/* The job has failed by an error of the library or the server. */
void maria_fail(struct maria_session *session, struct sql_job *job, unsigned code,
		const char *sqlstate, const char *message);

/* ---- maria_value.c: the arguments and columns of one statement */
struct maria_column {
	union {
		long long integer;
		double real;
		float single;
	};
	unsigned long len;
	my_bool is_null, cut;
};

/* NULL: no memory. */
MYSQL_BIND *maria_bind_args(struct sql_job *job, const struct sql_statement *statement);
MYSQL_BIND *maria_bind_columns(struct arena *arena, const MYSQL_FIELD *fields, unsigned n_fields,
			       struct maria_column *columns);

/* The value of a column of the row at hand; what is long goes into `scratch`. */
struct sql_value maria_value(MYSQL_STMT *stmt, const MYSQL_FIELD *field,
			     const struct maria_column *column, unsigned number, bool numbers,
			     struct buf *scratch);
