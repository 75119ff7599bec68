/* server/sql/sql_answer.h: the rows of one statement, written as JSON while they come.
 *
 * Values are as faithful as JSON is: 64-bit integers exact, decimals as text or as numbers,
 * blobs as base64, what is not a number in JSON (NaN, Infinity) as text. The text is bounded by the
 * job's max_bytes, the rows by max_rows: past either the job has failed with too_large. */
#pragma once
#include "server/sql/sql_job.h"

enum { SQL_COLUMNS_MAX = 4096 }; /* of one answer: what MariaDB has, the most of the three */

struct sql_column {
	struct str key; /* "name": */
	bool is_json;
	int kept; /* which of statement->kept it is; -1: none */
};

struct sql_answer {
	struct sql_job *job;
	struct sql_statement *statement;
	size_t n_columns;
	struct sql_column *columns;
	size_t n_done; /* of this row */
};

/* Appends the value as JSON; `is_json`: a text is JSON when it can be read as such. */
void sql_value_write(const struct sql_value *value, bool is_json, struct buf *out);

/* Before the first row. False: the job has failed, as when two columns have one name. */
bool sql_answer_begin(struct sql_answer *answer, struct sql_job *job,
		      struct sql_statement *statement, const char *const names[], size_t n_names);

/* A row: as many values as there are columns, in their order. */
void sql_answer_value(struct sql_answer *answer, const struct sql_value *value);
bool sql_answer_row(struct sql_answer *answer); /* false: the job has failed */

bool sql_answer_end(struct sql_answer *answer); /* behind the last row; false: the job has failed */

/* The statement is done, with rows or without. False: the job has failed, as a later statement
 * wants a column that is not there. */
bool sql_statement_end(struct sql_job *job, const struct sql_statement *statement);
