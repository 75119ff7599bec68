/* server/sql/sql_answer.c */
#include "server/sql/sql_answer.h"
#include "server/expr/json.h"
#include "server/expr/number.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>

/* ------------------------------------------------------------ columns */

static bool columns_are_distinct(struct sql_job *job, const char *const names[], size_t n_names)
{
	for (size_t i = 0; i < n_names; i++)
		for (size_t j = 0; j < i; j++) {
			if (strcmp(names[i], names[j]) != 0)
				continue;
			sql_job_fail(job, ERROR_SQL_ERROR, "42701",
				     "two columns are called \"%.60s\"; name one of them by `as`",
				     names[i]);
			return false;
		}
	return true;
}

static bool column_init(struct sql_column *column, struct sql_answer *answer, struct str name)
{
	const struct sql_statement *statement = answer->statement;
	struct buf key;

	buf_init_arena(&key, &answer->job->arena);
	json_write_text(name, &key);
	buf_add_char(&key, ':');
	*column = (struct sql_column){ .key = buf_str(&key), .kept = -1 };
	for (size_t i = 0; i < statement->n_json; i++)
		column->is_json |= str_eq(statement->json[i], name);
	for (size_t i = 0; i < statement->n_kept; i++)
		if (str_eq(statement->kept[i].column, name))
			column->kept = (int)i;
	return key.error == 0;
}

static bool answer_fail_memory(struct sql_answer *answer)
{
	sql_job_fail(answer->job, ERROR_MEMORY_LIMIT, NULL, "no memory for the rows");
	return false;
}

bool sql_answer_begin(struct sql_answer *answer, struct sql_job *job,
		      struct sql_statement *statement, const char *const names[], size_t n_names)
{
	*answer = (struct sql_answer){ .job = job, .statement = statement, .n_columns = n_names };
	if (n_names > SQL_COLUMNS_MAX) {
		sql_job_fail(job, ERROR_TOO_LARGE, NULL, "there are more than %d columns",
			     SQL_COLUMNS_MAX);
		return false;
	}
	if (!columns_are_distinct(job, names, n_names))
		return false;
	answer->columns = arena_alloc_array(&job->arena, n_names + 1, sizeof(*answer->columns));
	if (!answer->columns)
		return answer_fail_memory(answer);
	for (size_t i = 0; i < n_names; i++)
		if (!column_init(&answer->columns[i], answer, str_of(names[i])))
			return answer_fail_memory(answer);
	statement->has_rows = true;
	statement->rows_from = job->out.len;
	buf_add_char(&job->out, '[');
	return true;
}

/* ------------------------------------------------------------ values */

static void write_base64(struct str bytes, struct buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *at = (const unsigned char *)bytes.ptr;
	size_t left = bytes.len;

	buf_add_char(out, '"');
	for (; left > 0; at += 3) {
		size_t n = MIN(left, (size_t)3);
		uint32_t three = (uint32_t)at[0] << 16 | (uint32_t)(n > 1 ? at[1] : 0) << 8 |
				 (n > 2 ? at[2] : 0);
		char four[4] = { digits[three >> 18], digits[three >> 12 & 63],
				 n > 1 ? digits[three >> 6 & 63] : '=',
				 n > 2 ? digits[three & 63] : '=' };

		buf_add(out, (struct str){ four, 4 });
		left -= n;
	}
	buf_add_char(out, '"');
}

static void write_real(double real, struct buf *out)
{
	if (isnan(real))
		buf_add(out, STR("\"NaN\""));
	else if (isinf(real))
		buf_add(out, real > 0 ? STR("\"Infinity\"") : STR("\"-Infinity\""));
	else
		value_write_json(value_real(real), out);
}

/* What says that it is JSON is believed when it is. */
static void write_json(struct str text, struct buf *out)
{
	struct json_error error;

	if (text.len && json_check(text, &error))
		buf_add(out, str_trim_space(text));
	else
		json_write_text(text, out);
}

void sql_value_write(const struct sql_value *value, bool is_json, struct buf *out)
{
	switch (value->kind) {
	case SQL_NULL:
	case SQL_KEPT:
		buf_add(out, STR("null"));
		return;
	case SQL_BOOL:
		buf_add(out, value->integer ? STR("true") : STR("false"));
		return;
	case SQL_INT:
		buf_printf(out, "%" PRId64, value->integer);
		return;
	case SQL_REAL:
		write_real(value->real, out);
		return;
	case SQL_NUMBER:
		if (value->text.len && number_is_json(value->text))
			buf_add(out, value->text);
		else
			json_write_text(value->text, out);
		return;
	case SQL_TEXT:
		if (is_json)
			write_json(value->text, out);
		else
			json_write_text(value->text, out);
		return;
	case SQL_BLOB:
		write_base64(value->text, out);
		return;
	case SQL_JSON:
		write_json(value->text, out);
		return;
	}
	unreachable();
}

static void answer_keep(struct sql_answer *answer, int kept, const struct sql_value *value)
{
	struct sql_kept *to = &answer->statement->kept[kept];

	to->found = true;
	to->value = *value;
	if (value->kind == SQL_NUMBER || value->kind == SQL_TEXT || value->kind == SQL_BLOB ||
	    value->kind == SQL_JSON) {
		to->value.text = arena_str(&answer->job->arena, value->text);
		if (!to->value.text.ptr)
			answer_fail_memory(answer);
	}
}

void sql_answer_value(struct sql_answer *answer, const struct sql_value *value)
{
	const struct sql_column *column = &answer->columns[answer->n_done];
	struct buf *out = &answer->job->out;

	check(answer->n_done < answer->n_columns);
	if (answer->n_done == 0) {
		if (answer->statement->n_rows > 0)
			buf_add_char(out, ',');
		else
			answer->statement->first_from = out->len;
	}
	buf_add_char(out, answer->n_done == 0 ? '{' : ',');
	buf_add(out, column->key);
	sql_value_write(value, column->is_json, out);
	if (column->kept >= 0 && answer->statement->n_rows == 0)
		answer_keep(answer, column->kept, value);
	answer->n_done++;
}

static bool answer_is_too_large(struct sql_answer *answer)
{
	struct sql_job *job = answer->job;

	if (job->out.error == -ENOMEM)
		return !answer_fail_memory(answer);
	if (answer->statement->n_rows > job->max_rows)
		sql_job_fail(job, ERROR_TOO_LARGE, NULL, "there are more rows than max_rows");
	else if (job->out.error || job->out.len > job->max_bytes)
		sql_job_fail(job, ERROR_TOO_LARGE, NULL, "the rows are larger than max_bytes");
	return job->code != ERROR_NONE;
}

bool sql_answer_row(struct sql_answer *answer)
{
	struct buf *out = &answer->job->out;

	check(answer->n_done == answer->n_columns && answer->n_columns > 0);
	answer->n_done = 0;
	buf_add_char(out, '}');
	if (answer->statement->n_rows++ == 0)
		answer->statement->first_to = out->len;
	return !answer_is_too_large(answer);
}

bool sql_answer_end(struct sql_answer *answer)
{
	buf_add_char(&answer->job->out, ']');
	answer->statement->rows_to = answer->job->out.len;
	return !answer_is_too_large(answer);
}

bool sql_statement_end(struct sql_job *job, const struct sql_statement *statement)
{
	bool has_row = statement->n_rows > 0;

	for (size_t i = 0; i < statement->n_kept; i++) {
		if (statement->kept[i].found)
			continue;
		sql_job_fail(job, ERROR_SQL_ERROR, has_row ? "42703" : "02000",
			     has_row ? "the statement %.*s has no column %.*s"
				     : "the statement %.*s gives no row, and a later one wants its "
				       "%.*s",
			     STR_ARG(str_first(statement->name, 60)),
			     STR_ARG(str_first(statement->kept[i].column, 60)));
		return false;
	}
	return true;
}
