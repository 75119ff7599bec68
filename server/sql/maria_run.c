/* server/sql/maria_run.c: a job carried out by MariaDB or MySQL. */
#include "server/sql/maria.h"
#include <errmsg.h>
#include <mysqld_error.h>

enum { ER_TIMEOUT_MARIADB = 1969, ER_TIMEOUT_MYSQL = 3024, ER_CHECK_MYSQL = 3819 };

/* ------------------------------------------------------------ what went wrong */

/* What is violated has the SQLSTATE that it has with PostgreSQL: here they are all 23000. */
static const char *maria_state(unsigned code, const char *sqlstate)
{
	switch (code) {
	case ER_DUP_ENTRY:
	case ER_DUP_ENTRY_WITH_KEY_NAME:
	case ER_DUP_KEY:
		return "23505";
	case ER_NO_REFERENCED_ROW:
	case ER_NO_REFERENCED_ROW_2:
	case ER_ROW_IS_REFERENCED:
	case ER_ROW_IS_REFERENCED_2:
		return "23503";
	case ER_BAD_NULL_ERROR:
	case ER_NO_DEFAULT_FOR_FIELD:
		return "23502";
	case ER_CONSTRAINT_FAILED:
	case ER_CHECK_MYSQL:
		return "23514";
	default:
		return sqlstate;
	}
}

/* Errors of the library itself: the connection is of no use any more. */
static bool maria_is_broken(unsigned code)
{
	return code >= CR_MIN_ERROR && code <= CR_MAX_ERROR && code != CR_OUT_OF_MEMORY;
}

void maria_fail(struct maria_session *own, struct sql_job *job, unsigned code, const char *sqlstate,
		const char *message)
{
	own->session.broken |= maria_is_broken(code);
	if (sql_job_is_over(job))
		return;
	if (code == ER_TIMEOUT_MARIADB || code == ER_TIMEOUT_MYSQL)
		sql_job_fail(job, ERROR_TIMEOUT, sqlstate, "%s", message);
	else if (maria_is_broken(code))
		sql_job_fail(job, ERROR_SQL_ERROR, "08006", "the connection was lost: %u: %s", code,
			     message);
	else
		sql_job_fail(job, ERROR_SQL_ERROR, maria_state(code, sqlstate), "%u: %s", code,
			     message);
}

static bool maria_fail_stmt(struct maria_session *own, struct sql_job *job, MYSQL_STMT *stmt)
{
	if (mysql_stmt_errno(stmt))
		maria_fail(own, job, mysql_stmt_errno(stmt), mysql_stmt_sqlstate(stmt),
			   mysql_stmt_error(stmt));
	else /* where it came instead of a row */
		maria_fail(own, job, mysql_errno(own->mysql), mysql_sqlstate(own->mysql),
			   mysql_error(own->mysql));
	return false;
}

static bool maria_fail_memory(struct sql_job *job)
{
	sql_job_fail(job, ERROR_MEMORY_LIMIT, NULL, "no memory for the rows");
	return false;
}

/* ------------------------------------------------------------ statements */

static MYSQL_STMT *maria_prepare(struct maria_session *own, struct sql_job *job, struct str text,
				 bool *ret_kept)
{
	MYSQL_STMT *stmt = sql_cache_find(&own->statements, text);

	*ret_kept = true;
	if (stmt)
		return stmt;
	stmt = mysql_stmt_init(own->mysql);
	if (!stmt) {
		maria_fail_memory(job);
		return NULL;
	}
	if (mysql_stmt_prepare(stmt, text.ptr, (unsigned long)text.len) != 0) {
		maria_fail_stmt(own, job, stmt);
		mysql_stmt_close(stmt);
		return NULL;
	}
	*ret_kept = sql_cache_add(&own->statements, text, stmt);
	return stmt;
}

struct maria_rows {
	MYSQL_STMT *stmt;
	MYSQL_RES *meta;
	const MYSQL_FIELD *fields;
	unsigned n_fields;
	struct maria_column *columns;
	struct buf scratch;
};

static bool rows_begin(struct maria_session *own, struct sql_job *job,
		       struct sql_statement *statement, struct maria_rows *rows,
		       struct sql_answer *answer)
{
	const char **names = arena_alloc_array(&job->arena, rows->n_fields, sizeof(*names));
	MYSQL_BIND *binds;

	rows->fields = mysql_fetch_fields(rows->meta);
	rows->columns = arena_zalloc(&job->arena, rows->n_fields * sizeof(*rows->columns));
	if (!names || !rows->columns)
		return maria_fail_memory(job);
	binds = maria_bind_columns(&job->arena, rows->fields, rows->n_fields, rows->columns);
	if (!binds)
		return maria_fail_memory(job);
	for (unsigned i = 0; i < rows->n_fields; i++)
		names[i] = rows->fields[i].name;
	if (mysql_stmt_bind_result(rows->stmt, binds) != 0)
		return maria_fail_stmt(own, job, rows->stmt);
	return sql_answer_begin(answer, job, statement, names, rows->n_fields);
}

static bool rows_take_one(struct sql_job *job, struct maria_rows *rows, struct sql_answer *answer)
{
	for (unsigned i = 0; i < rows->n_fields; i++) {
		struct sql_value value = maria_value(rows->stmt, &rows->fields[i],
						     &rows->columns[i], i, job->numbers,
						     &rows->scratch);

		if (rows->scratch.error)
			return maria_fail_memory(job);
		sql_answer_value(answer, &value);
	}
	return sql_answer_row(answer) && !sql_job_is_over(job);
}

static bool rows_take(struct maria_session *own, struct sql_job *job,
		      struct sql_statement *statement, struct maria_rows *rows)
{
	struct sql_answer answer;
	int r;

	if (!rows_begin(own, job, statement, rows, &answer))
		return false;
	while ((r = mysql_stmt_fetch(rows->stmt)) == 0 || r == MYSQL_DATA_TRUNCATED)
		if (!rows_take_one(job, rows, &answer))
			return false;
	if (r != MYSQL_NO_DATA)
		return maria_fail_stmt(own, job, rows->stmt);
	return sql_answer_end(&answer);
}

/* Rows that are not taken to their end, or end in an error, leave libmariadb waiting for more: the
 * connection is closed. An insert, whose key may well be there already, is read as a whole. */
static bool maria_rows(struct maria_session *own, struct sql_job *job,
		       struct sql_statement *statement, MYSQL_STMT *stmt)
{
	struct maria_rows rows = { .stmt = stmt, .n_fields = mysql_stmt_field_count(stmt) };
	bool ok;

	if (rows.n_fields == 0)
		return true;
	if (statement->inserts && mysql_stmt_store_result(stmt) != 0)
		return maria_fail_stmt(own, job, stmt);
	rows.meta = mysql_stmt_result_metadata(stmt);
	if (!rows.meta)
		return maria_fail_memory(job);
	buf_init(&rows.scratch, SIZE_MAX);
	ok = rows_take(own, job, statement, &rows);
	buf_fini(&rows.scratch);
	mysql_free_result(rows.meta);
	own->session.broken |= !ok && !statement->inserts;
	return ok;
}

static void maria_count(struct sql_statement *statement, MYSQL_STMT *stmt)
{
	my_ulonglong affected = mysql_stmt_affected_rows(stmt);

	if (statement->reads)
		return;
	statement->has_affected = affected <= INT64_MAX;
	statement->affected = (int64_t)affected;
	statement->last_id = (int64_t)mysql_stmt_insert_id(stmt);
	statement->has_last_id = statement->inserts && statement->last_id > 0;
}

static bool maria_execute(struct maria_session *own, struct sql_job *job,
			  struct sql_statement *statement, MYSQL_STMT *stmt)
{
	MYSQL_BIND *binds = maria_bind_args(job, statement);

	if (!binds)
		return maria_fail_memory(job);
	if (statement->n_args > 0 && mysql_stmt_bind_param(stmt, binds) != 0)
		return maria_fail_stmt(own, job, stmt);
	job->sent = true;
	if (mysql_stmt_execute(stmt) != 0)
		return maria_fail_stmt(own, job, stmt);
	if (!maria_rows(own, job, statement, stmt))
		return false;
	maria_count(statement, stmt);
	while (mysql_stmt_more_results(stmt)) /* of a procedure: its status, at least */
		if (mysql_stmt_next_result(stmt) != 0)
			return maria_fail_stmt(own, job, stmt);
	return sql_statement_end(job, statement);
}

static bool maria_statement(struct maria_session *own, struct sql_job *job,
			    struct sql_statement *statement)
{
	bool kept, ok;
	MYSQL_STMT *stmt = maria_prepare(own, job, statement->text, &kept);

	if (!stmt)
		return false;
	if (mysql_stmt_param_count(stmt) != statement->n_args) {
		sql_job_fail(job, ERROR_SQL_ERROR, "07001", "the server counts other placeholders");
		ok = false;
	} else {
		ok = maria_execute(own, job, statement, stmt);
	}
	if (own->session.broken)
		return false; /* closing it drops the statement, too */
	mysql_stmt_free_result(stmt);
	if (!kept)
		mysql_stmt_close(stmt);
	return ok;
}

/* ------------------------------------------------------------ the whole */

static bool maria_command(struct maria_session *own, struct sql_job *job, const char *text)
{
	if (mysql_query(own->mysql, text) == 0)
		return true;
	maria_fail(own, job, mysql_errno(own->mysql), mysql_sqlstate(own->mysql),
		   mysql_error(own->mysql));
	return false;
}

void maria_run(struct sql_session *session, struct sql_job *job)
{
	struct maria_session *own = maria_session_of(session);
	bool ok = !job->transaction ||
		  maria_command(own, job,
				job->reads ? "start transaction read only" : "start transaction");

	for (size_t i = 0; ok && i < job->n_statements; i++) {
		job->failed = i;
		ok = maria_statement(own, job, &job->statements[i]) && !sql_job_is_over(job);
	}
	if (job->transaction && ok)
		ok = maria_command(own, job, "commit");
	if (job->transaction && !ok && !session->broken)
		session->broken = mysql_query(own->mysql, "rollback") != 0;
	/* it may be told to end after it has: another job must not be hit */
	session->broken |= atomic_load(&job->cancelled);
}
