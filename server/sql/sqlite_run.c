/* server/sql/sqlite_run.c: a job carried out by SQLite.
 *
 * Whatever writes is between BEGIN IMMEDIATE and COMMIT, a single statement too: so one that is
 * interrupted, or gives more than it may, has changed nothing. */
#include "server/sql/sql_answer.h"
#include "server/sql/sqlite.h"
#include <stdlib.h>

/* ------------------------------------------------------------ what went wrong */

/* The SQLSTATE that PostgreSQL gives for the same: what is violated can be told apart. */
static const char *sqlite_state(int code)
{
	switch (code) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_ROWID:
		return "23505";
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return "23503";
	case SQLITE_CONSTRAINT_NOTNULL:
		return "23502";
	case SQLITE_CONSTRAINT_CHECK:
		return "23514";
	default:
		break;
	}
	switch (code & 0xff) {
	case SQLITE_CONSTRAINT:
		return "23000";
	case SQLITE_AUTH:
		return "42501";
	case SQLITE_READONLY:
		return "25006";
	case SQLITE_FULL:
		return "53100";
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return "55P03";
	case SQLITE_ERROR:
		return "42000";
	default:
		return "HY000";
	}
}

/* After these the file may be another one, or the connection of no use. */
static bool sqlite_is_broken(int code)
{
	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_PROTOCOL:
	case SQLITE_MISUSE:
		return true;
	default:
		return false;
	}
}

void sqlite_fail(struct sqlite_session *own, struct sql_job *job, int code)
{
	own->session.broken |= sqlite_is_broken(code);
	if ((code & 0xff) == SQLITE_NOMEM)
		sql_job_fail(job, ERROR_MEMORY_LIMIT, NULL, "SQLite has no memory");
	if ((code & 0xff) == SQLITE_TOOBIG)
		sql_job_fail(job, ERROR_TOO_LARGE, NULL, "a value is too large for SQLite");
	if (job->code == ERROR_NONE && !sql_job_is_over(job))
		sql_job_fail(job, ERROR_SQL_ERROR, sqlite_state(code), "SQLite %d: %s", code,
			     sqlite3_errmsg(own->db));
}

/* ------------------------------------------------------------ statements */

static sqlite3_stmt *sqlite_prepare(struct sqlite_session *own, struct sql_job *job,
				    struct str text, bool *ret_kept)
{
	sqlite3_stmt *stmt = sql_cache_find(&own->statements, text);
	int r;

	*ret_kept = true;
	if (stmt)
		return stmt;
	r = sqlite3_prepare_v3(own->db, text.ptr, (int)text.len, SQLITE_PREPARE_PERSISTENT, &stmt,
			       NULL);
	if (r != SQLITE_OK || !stmt) {
		sqlite_fail(own, job, r);
		return NULL;
	}
	*ret_kept = sql_cache_add(&own->statements, text, stmt);
	return stmt;
}

static int sqlite_bind_text(sqlite3_stmt *stmt, int at, struct str text)
{
	return sqlite3_bind_text64(stmt, at, text.ptr ? text.ptr : "", text.len, SQLITE_STATIC,
				   SQLITE_UTF8);
}

/* What comes as a decimal is a real there: SQLite has none. */
static int sqlite_bind_number(sqlite3_stmt *stmt, int at, struct str text)
{
	char number[64];

	if (text.len >= sizeof(number))
		return sqlite_bind_text(stmt, at, text);
	memcpy(number, text.ptr, text.len);
	number[text.len] = '\0';
	return sqlite3_bind_double(stmt, at, strtod(number, NULL));
}

static int sqlite_bind_one(sqlite3_stmt *stmt, int at, const struct sql_value *value)
{
	switch (value->kind) {
	case SQL_NULL:
	case SQL_KEPT:
		return sqlite3_bind_null(stmt, at);
	case SQL_BOOL:
	case SQL_INT:
		return sqlite3_bind_int64(stmt, at, value->integer);
	case SQL_REAL:
		return sqlite3_bind_double(stmt, at, value->real);
	case SQL_NUMBER:
		return sqlite_bind_number(stmt, at, value->text);
	case SQL_TEXT:
	case SQL_JSON:
		return sqlite_bind_text(stmt, at, value->text);
	case SQL_BLOB:
		return sqlite3_bind_blob64(stmt, at, value->text.ptr ? value->text.ptr : "",
					   value->text.len, SQLITE_STATIC);
	}
	unreachable();
}

static bool sqlite_bind(struct sqlite_session *own, struct sql_job *job, sqlite3_stmt *stmt,
			const struct sql_statement *statement)
{
	for (size_t i = 0; i < statement->n_args; i++) {
		struct sql_value value = sql_job_arg(job, &statement->args[i]);
		int r = sqlite_bind_one(stmt, (int)i + 1, &value);

		if (r == SQLITE_OK)
			continue;
		sqlite_fail(own, job, r);
		return false;
	}
	return true;
}

/* ------------------------------------------------------------ rows */

static struct sql_value sqlite_column(sqlite3_stmt *stmt, int column)
{
	struct sql_value value = { .kind = SQL_NULL };

	switch (sqlite3_column_type(stmt, column)) {
	case SQLITE_INTEGER:
		value.kind = SQL_INT;
		value.integer = sqlite3_column_int64(stmt, column);
		break;
	case SQLITE_FLOAT:
		value.kind = SQL_REAL;
		value.real = sqlite3_column_double(stmt, column);
		break;
	case SQLITE_TEXT:
		value.kind = SQL_TEXT;
		value.text.ptr = (const char *)sqlite3_column_text(stmt, column);
		value.text.len = (size_t)sqlite3_column_bytes(stmt, column);
		break;
	case SQLITE_BLOB:
		value.kind = SQL_BLOB;
		value.text.ptr = sqlite3_column_blob(stmt, column);
		value.text.len = (size_t)sqlite3_column_bytes(stmt, column);
		break;
	default:
		break;
	}
	return value;
}

static bool sqlite_row(struct sql_answer *answer, sqlite3_stmt *stmt)
{
	for (size_t i = 0; i < answer->n_columns; i++) {
		struct sql_value value = sqlite_column(stmt, (int)i);

		sql_answer_value(answer, &value);
	}
	return sql_answer_row(answer);
}

static bool sqlite_begin_answer(struct sql_answer *answer, struct sql_job *job,
				struct sql_statement *statement, sqlite3_stmt *stmt)
{
	size_t n_columns = (size_t)sqlite3_column_count(stmt);
	const char **names = arena_alloc_array(&job->arena, n_columns + 1, sizeof(*names));

	for (size_t i = 0; names && i < n_columns; i++) {
		names[i] = sqlite3_column_name(stmt, (int)i);
		if (!names[i])
			names = NULL;
	}
	if (names)
		return sql_answer_begin(answer, job, statement, names, n_columns);
	sql_job_fail(job, ERROR_MEMORY_LIMIT, NULL, "no memory for the rows");
	return false;
}

/* Steps to the end. A prepared statement may be made anew by a step, with other columns: so they
 * are asked for after the first. */
static int sqlite_rows(struct sql_job *job, struct sql_statement *statement, sqlite3_stmt *stmt)
{
	struct sql_answer answer;
	int r = sqlite3_step(stmt);

	if (r != SQLITE_ROW && r != SQLITE_DONE)
		return r;
	if (sqlite3_column_count(stmt) == 0)
		return r;
	if (!sqlite_begin_answer(&answer, job, statement, stmt))
		return SQLITE_ABORT;
	for (; r == SQLITE_ROW; r = sqlite3_step(stmt))
		if (!sqlite_row(&answer, stmt))
			return SQLITE_ABORT;
	if (r == SQLITE_DONE && !sql_answer_end(&answer))
		return SQLITE_ABORT;
	return r;
}

/* SQLite tells of the last statement that changed rows, whoever's it was: `before` is how many had
 * been changed on this connection. */
static void sqlite_count(struct sqlite_session *own, struct sql_statement *statement,
			 sqlite3_stmt *stmt, int64_t before)
{
	bool changed = sqlite3_total_changes64(own->db) != before;

	if (sqlite3_stmt_readonly(stmt))
		return;
	statement->has_affected = true;
	statement->affected = changed ? sqlite3_changes64(own->db) : 0;
	statement->last_id = sqlite3_last_insert_rowid(own->db);
	statement->has_last_id = statement->inserts && statement->affected > 0 &&
				 statement->last_id != 0;
}

static bool sqlite_statement(struct sqlite_session *own, struct sql_job *job,
			     struct sql_statement *statement)
{
	bool kept;
	sqlite3_stmt *stmt = sqlite_prepare(own, job, statement->text, &kept);
	int64_t before = sqlite3_total_changes64(own->db);
	int r = SQLITE_ABORT;

	if (!stmt)
		return false;
	if (sqlite_bind(own, job, stmt, statement))
		r = sqlite_rows(job, statement, stmt);
	if (r == SQLITE_DONE && sql_statement_end(job, statement))
		sqlite_count(own, statement, stmt, before);
	else if (r != SQLITE_DONE)
		sqlite_fail(own, job, r);
	if (kept) {
		sqlite3_reset(stmt);
		sqlite3_clear_bindings(stmt);
	} else {
		sqlite3_finalize(stmt);
	}
	return job->code == ERROR_NONE;
}

/* ------------------------------------------------------------ the whole */

static bool sqlite_own(struct sqlite_session *own, struct sql_job *job, const char *text)
{
	struct sql_statement statement = { .text = str_of(text) };
	bool ok;

	own->own = true;
	ok = sqlite_statement(own, job, &statement);
	own->own = false;
	return ok;
}

/* The job is not asked whether it is over: what was begun must end. */
static void sqlite_roll_back(struct sqlite_session *own)
{
	if (sqlite3_get_autocommit(own->db))
		return;
	sqlite3_progress_handler(own->db, 0, NULL, NULL);
	own->own = true;
	if (sqlite3_exec(own->db, "rollback", NULL, NULL, NULL) != SQLITE_OK)
		own->session.broken = true;
	own->own = false;
	own->session.broken |= !sqlite3_get_autocommit(own->db);
	sqlite_watch(own);
}

void sqlite_run(struct sql_session *session, struct sql_job *job)
{
	struct sqlite_session *own = sqlite_session_of(session);
	bool begins = job->transaction || !job->reads, ok = true;

	job->sent = true;
	sqlite3_set_last_insert_rowid(own->db, 0); /* a table without them leaves it as it is */
	if (begins)
		ok = sqlite_own(own, job, job->reads ? "begin" : "begin immediate");
	for (size_t i = 0; ok && i < job->n_statements; i++) {
		job->failed = i;
		ok = sqlite_statement(own, job, &job->statements[i]);
	}
	if (ok && begins)
		ok = sqlite_own(own, job, "commit");
	if (!ok)
		sqlite_roll_back(own);
}
