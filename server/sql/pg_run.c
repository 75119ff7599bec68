/* server/sql/pg_run.c: a job carried out by one connection.
 *
 * What a statement is called on the server, its parameters and columns are asked for once a
 * connection; then BEGIN, the statements and COMMIT go out together, as far as no statement wants
 * what an earlier one gives. Where rows may come, which may be too many or too large, COMMIT waits
 * for them: what fails here is rolled back, too. */
#include "core/base/memory.h"
#include "server/sql/pg_conn.h"
#include "server/sql/pg_value.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PG_PARAMS_MAX = 1000 };

/* ------------------------------------------------------------ what the server knows */

static void run_drop(void *owner, void *item)
{
	struct pg_conn *conn = owner;
	struct pg_statement *statement = item;

	if (conn->state != PG_CLOSED && statement->types) { /* else the server does not know it */
		buf_add(&conn->doomed, STR("deallocate "));
		buf_add(&conn->doomed, str_of(statement->name));
		buf_add_char(&conn->doomed, '\0');
	}
	free(statement->types);
	free(statement);
}

void pg_run_init(struct pg_conn *conn)
{
	sql_cache_init(&conn->statements, SIZE_MAX, run_drop, conn);
}

static bool run_command(struct pg_conn *conn, const char *text)
{
	return pg_conn_expect(conn, PQsendQueryParams(conn->pg, text, 0, NULL, NULL, NULL, NULL, 0),
			      PG_EXPECT_COMMAND, 0);
}

static bool run_sync(struct pg_conn *conn)
{
	return pg_conn_expect(conn, PQpipelineSync(conn->pg), PG_EXPECT_SYNC, 0);
}

static bool run_send_doomed(struct pg_conn *conn)
{
	struct str rest = buf_str(&conn->doomed);
	bool ok = true;

	for (; ok && rest.len; rest = str_skip(rest, strlen(rest.ptr) + 1))
		ok = run_command(conn, rest.ptr);
	buf_clear(&conn->doomed);
	return ok;
}

/* The same text twice in a job is prepared once. */
static struct pg_statement *run_find_new(const struct pg_conn *conn, size_t number)
{
	const struct sql_statement *statements = conn->job->statements;

	for (size_t i = 0; i < number; i++)
		if (str_eq(statements[i].text, statements[number].text))
			return conn->prepared[i];
	return NULL;
}

static bool run_send_prepare(struct pg_conn *conn, size_t number)
{
	const struct sql_statement *statement = &conn->job->statements[number];
	struct pg_statement *prepared = mem_zalloc(sizeof(*prepared));

	snprintf(prepared->name, sizeof(prepared->name), "s%llu",
		 (unsigned long long)++conn->n_prepared);
	conn->prepared[number] = prepared;
	check(sql_cache_add(&conn->statements, statement->text, prepared));
	return pg_conn_expect(conn,
			      PQsendPrepare(conn->pg, prepared->name, statement->text.ptr, 0, NULL),
			      PG_EXPECT_PREPARE, number) &&
	       pg_conn_expect(conn, PQsendDescribePrepared(conn->pg, prepared->name),
			      PG_EXPECT_DESCRIBE, number);
}

/* False: the connection has gone. */
static bool run_prepare(struct pg_conn *conn)
{
	struct sql_job *job = conn->job;
	bool ok = run_send_doomed(conn);

	for (size_t i = 0; ok && i < job->n_statements; i++) {
		conn->prepared[i] = run_find_new(conn, i);
		if (!conn->prepared[i])
			conn->prepared[i] =
				sql_cache_find(&conn->statements, job->statements[i].text);
		if (!conn->prepared[i])
			ok = run_send_prepare(conn, i);
	}
	return ok && (conn->n_expects == 0 || run_sync(conn));
}

static void run_take_description(struct pg_statement *statement, const PGresult *result)
{
	statement->n_params = (unsigned)PQnparams(result);
	statement->n_columns = (unsigned)PQnfields(result);
	free(statement->types);
	statement->types = mem_alloc((statement->n_params + 1) * sizeof(*statement->types));
	for (unsigned i = 0; i < statement->n_params; i++)
		statement->types[i] = PQparamtype(result, (int)i);
}

/* ------------------------------------------------------------ sending */

/* Every value that it wants of earlier statements is there. */
static bool run_is_ready(const struct pg_conn *conn, const struct sql_statement *statement)
{
	for (size_t i = 0; i < statement->n_args; i++) {
		const struct sql_value *arg = &statement->args[i];

		if (arg->kind == SQL_KEPT &&
		    !conn->job->statements[arg->statement].kept[arg->kept].found)
			return false;
	}
	return true;
}

static bool run_params(struct pg_conn *conn, size_t number, const char **ret_params)
{
	struct sql_job *job = conn->job;
	const struct sql_statement *statement = &job->statements[number];
	const struct pg_statement *prepared = conn->prepared[number];

	for (size_t i = 0; i < statement->n_args; i++) {
		struct sql_value value = sql_job_arg(job, &statement->args[i]);
		unsigned type = i < prepared->n_params ? prepared->types[i] : 0;
		int r = pg_param(&value, type, &job->arena, &ret_params[i]);

		if (r == 0)
			continue;
		if (r == -ENOMEM)
			sql_job_fail(job, ERROR_MEMORY_LIMIT, NULL, "no memory for the arguments");
		else
			sql_job_fail(job, ERROR_INVALID_INPUT, NULL,
				     "a text among the arguments has a NUL");
		return false;
	}
	return true;
}

/* False: the job has failed, or the connection has gone. */
static bool run_send(struct pg_conn *conn, size_t number)
{
	struct sql_job *job = conn->job;
	const struct sql_statement *statement = &job->statements[number];
	const char **params =
		arena_alloc_array(&job->arena, statement->n_args + 1, sizeof(*params));

	if (!params)
		sql_job_fail(job, ERROR_MEMORY_LIMIT, NULL, "no memory for the arguments");
	if (!params || !run_params(conn, number, params)) {
		job->failed = number;
		return false;
	}
	job->sent = true;
	conn->n_sent++;
	return pg_conn_expect(conn,
			      PQsendQueryPrepared(conn->pg, conn->prepared[number]->name,
						  (int)statement->n_args, params, NULL, NULL, 0),
			      PG_EXPECT_ROWS, number);
}

static bool run_gives_rows(const struct pg_conn *conn)
{
	for (size_t i = 0; i < conn->job->n_statements; i++)
		if (conn->prepared[i]->n_columns > 0)
			return true;
	return false;
}

/* What can be sent now is. False: the connection has gone. */
static bool run_send_more(struct pg_conn *conn)
{
	struct sql_job *job = conn->job;
	bool ok = true;

	conn->state = PG_RUN;
	if (job->transaction && !conn->begun) {
		conn->begun = true;
		ok = run_command(conn, "begin");
	}
	while (ok && conn->n_sent < job->n_statements &&
	       run_is_ready(conn, &job->statements[conn->n_sent]))
		ok = run_send(conn, conn->n_sent);
	if (conn->state == PG_CLOSED)
		return false;
	if (job->code != ERROR_NONE || !job->transaction) {
		ok = run_sync(conn);
	} else if (conn->n_sent == job->n_statements && !run_gives_rows(conn)) {
		conn->state = PG_END;
		ok = run_command(conn, "commit") && run_sync(conn);
	} else {
		ok = pg_conn_flush_request(conn);
	}
	if (ok)
		pg_run_next(conn);
	return ok && pg_conn_flush(conn);
}

static void run_end(struct pg_conn *conn, const char *command)
{
	conn->state = PG_END;
	if (run_command(conn, command) && run_sync(conn))
		pg_conn_flush(conn);
}

/* ------------------------------------------------------------ results */

static void run_take_error(struct pg_conn *conn, size_t number, const PGresult *result)
{
	struct sql_job *job = conn->job;
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	struct str text = pg_message(message ? message : PQresultErrorMessage(result));

	if (job->code == ERROR_NONE)
		job->failed = number;
	if (state && strcmp(state, "57014") == 0 && !sql_job_is_over(job))
		sql_job_fail(job, ERROR_TIMEOUT, state, "%.*s", STR_ARG(text));
	else
		sql_job_fail(job, ERROR_SQL_ERROR, state ? state : "08006", "%.*s", STR_ARG(text));
}

static bool run_begin_rows(struct pg_conn *conn, size_t number, const PGresult *result)
{
	struct sql_job *job = conn->job;
	size_t n_columns = (size_t)PQnfields(result);
	const char **names = arena_alloc_array(&job->arena, n_columns + 1, sizeof(*names));

	conn->answering = true;
	if (!names) {
		sql_job_fail(job, ERROR_MEMORY_LIMIT, NULL, "no memory for the rows");
		return false;
	}
	for (size_t i = 0; i < n_columns; i++)
		names[i] = PQfname(result, (int)i);
	return sql_answer_begin(&conn->answer, job, &job->statements[number], names, n_columns);
}

static bool run_take_row(struct pg_conn *conn, const PGresult *result, int row)
{
	for (int i = 0; i < (int)conn->answer.n_columns; i++) {
		struct str text = { PQgetvalue(result, row, i),
				    (size_t)PQgetlength(result, row, i) };
		struct sql_value value = { .kind = SQL_NULL };

		if (!PQgetisnull(result, row, i))
			value = pg_value(PQftype(result, i), text, conn->job->numbers,
					 &conn->scratch);
		sql_answer_value(&conn->answer, &value);
	}
	return sql_answer_row(&conn->answer);
}

/* What comes behind a failure is read and dropped; a query that goes on for long is stopped. */
static void run_take_rows(struct pg_conn *conn, size_t number, const PGresult *result)
{
	struct sql_job *job = conn->job;
	bool ok = job->code == ERROR_NONE;

	if (!ok)
		return;
	if (!conn->answering && PQnfields(result) > 0)
		ok = run_begin_rows(conn, number, result);
	for (int i = 0; ok && i < PQntuples(result) && PQnfields(result) > 0; i++)
		ok = run_take_row(conn, result, i);
	if (ok)
		return;
	job->failed = number;
	pg_conn_interrupt(conn);
}

static void run_take_end(struct pg_conn *conn, size_t number, PGresult *result)
{
	struct sql_job *job = conn->job;
	struct sql_statement *statement = &job->statements[number];
	const char *affected = PQcmdTuples(result);

	if (job->code != ERROR_NONE)
		return;
	if (!statement->reads && affected[0])
		statement->has_affected = str_to_i64(str_of(affected), &statement->affected) == 0;
	if ((conn->answering && !sql_answer_end(&conn->answer)) ||
	    !sql_statement_end(job, statement))
		job->failed = number;
}

static void run_take_statement(struct pg_conn *conn, size_t number, PGresult *result)
{
	switch (PQresultStatus(result)) {
	case PGRES_SINGLE_TUPLE:
		run_take_rows(conn, number, result);
		return;
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
		run_take_rows(conn, number, result);
		run_take_end(conn, number, result);
		return;
	case PGRES_PIPELINE_ABORTED:
		return;
	case PGRES_BAD_RESPONSE:
	case PGRES_NONFATAL_ERROR:
	case PGRES_FATAL_ERROR:
	case PGRES_COPY_OUT:
	case PGRES_COPY_IN:
	case PGRES_COPY_BOTH:
	case PGRES_PIPELINE_SYNC:
		run_take_error(conn, number, result);
		return;
	}
	unreachable();
}

void pg_run_result(struct pg_conn *conn, PGresult *result)
{
	const struct pg_expect *expect = &conn->expects[conn->expect_at];
	ExecStatusType status = PQresultStatus(result);

	if (!result)
		return;
	if (expect->kind == PG_EXPECT_ROWS) {
		run_take_statement(conn, expect->statement, result);
		return;
	}
	if (status == PGRES_FATAL_ERROR)
		run_take_error(conn, expect->statement, result);
	else if (expect->kind == PG_EXPECT_DESCRIBE && status == PGRES_COMMAND_OK)
		run_take_description(conn->prepared[expect->statement], result);
}

/* Before the results of the next command come: its rows one by one, so that what is too large is
 * never in memory. */
void pg_run_next(struct pg_conn *conn)
{
	const struct pg_expect *expect = &conn->expects[conn->expect_at];

	if (conn->expect_at == conn->n_expects || expect->kind != PG_EXPECT_ROWS)
		return;
	conn->answering = false;
	if (conn->prepared[expect->statement]->n_columns > 0)
		PQsetSingleRowMode(conn->pg);
}

/* ------------------------------------------------------------ the whole */

/* What could not be described is not known. */
static void run_forget_unknown(struct pg_conn *conn)
{
	struct sql_job *job = conn->job;

	for (size_t i = 0; i < job->n_statements; i++)
		if (conn->prepared[i] && !conn->prepared[i]->types) {
			struct pg_statement *unknown = conn->prepared[i];

			for (size_t j = i; j < job->n_statements; j++)
				if (conn->prepared[j] == unknown)
					conn->prepared[j] = NULL;
			sql_cache_remove(&conn->statements, job->statements[i].text);
		}
}

/* A table was changed since the statement was prepared, or somebody else has dropped it: nothing
 * was done, and it is prepared anew, once. */
static bool run_is_stale(const struct pg_conn *conn)
{
	const struct sql_job *job = conn->job;

	return !conn->again && job->code == ERROR_SQL_ERROR &&
	       (strcmp(job->sqlstate, "0A000") == 0 || strcmp(job->sqlstate, "26000") == 0);
}

static void run_reset(struct sql_job *job)
{
	job->code = ERROR_NONE;
	job->sqlstate[0] = job->message[0] = '\0';
	buf_clear(&job->out);
	for (size_t i = 0; i < job->n_statements; i++) {
		struct sql_statement *statement = &job->statements[i];

		statement->n_rows = 0;
		statement->has_rows = statement->has_affected = false;
		statement->rows_from = statement->rows_to = 0;
		statement->first_from = statement->first_to = 0;
		for (size_t j = 0; j < statement->n_kept; j++)
			statement->kept[j].found = false;
	}
}

static void run_finish(struct pg_conn *conn)
{
	if (run_is_stale(conn)) {
		sql_cache_clear(&conn->statements);
		buf_clear(&conn->doomed);
		buf_add(&conn->doomed, (struct str){ "deallocate all", sizeof("deallocate all") });
		run_reset(conn->job);
		conn->again = true;
		pg_run_start(conn);
		return;
	}
	sql_cache_trim(&conn->statements, conn->pool->db->settings.statements);
	pg_conn_done(conn);
}

static void run_after_prepare(struct pg_conn *conn)
{
	if (conn->job->code != ERROR_NONE) {
		run_forget_unknown(conn);
		run_finish(conn);
		return;
	}
	run_send_more(conn);
}

/* In a pipeline that has failed, what follows is skipped until a sync; that of a COMMIT which went out
 * with the statements has come already. */
static void run_roll_back(struct pg_conn *conn)
{
	bool synced = conn->state == PG_END;

	conn->begun = false;
	if (synced || run_sync(conn))
		run_end(conn, "rollback");
}

void pg_run_step(struct pg_conn *conn)
{
	struct sql_job *job = conn->job;

	conn->n_expects = conn->expect_at = 0;
	if (conn->state == PG_PREPARE)
		run_after_prepare(conn);
	else if (conn->state == PG_END && conn->begun &&
		 PQtransactionStatus(conn->pg) == PQTRANS_INERROR)
		run_roll_back(conn);
	else if (conn->state == PG_END || !job->transaction)
		run_finish(conn);
	else if (job->code != ERROR_NONE || sql_job_is_over(job))
		run_roll_back(conn);
	else if (conn->n_sent < job->n_statements)
		run_send_more(conn);
	else
		run_end(conn, "commit");
}

void pg_run_start(struct pg_conn *conn)
{
	struct sql_job *job = conn->job;

	conn->n_expects = conn->expect_at = conn->n_sent = 0;
	conn->begun = conn->answering = false;
	conn->state = PG_PREPARE;
	conn->prepared =
		arena_zalloc(&job->arena, job->n_statements * sizeof(struct pg_statement *));
	if (!conn->prepared) {
		sql_job_fail(job, ERROR_MEMORY_LIMIT, NULL, "no memory for the statements");
		pg_conn_done(conn);
		return;
	}
	if (!run_prepare(conn))
		return;
	if (conn->n_expects == 0)
		run_send_more(conn);
	else
		pg_conn_flush(conn);
}
