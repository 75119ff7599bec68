/* server/sql/maria_value.c: values by the binary protocol: numbers as they are, the rest as text,
 * of which the length is known before the bytes are fetched. */
#include "server/sql/maria.h"
#include <stdio.h>
#include <stdlib.h>

enum { CHARSET_BINARY = 63, TYPE_JSON = 245 };

/* ------------------------------------------------------------ arguments */

static void bind_number(MYSQL_BIND *bind, enum enum_field_types type, void *value)
{
	bind->buffer_type = type;
	bind->buffer = value;
}

static void bind_text(MYSQL_BIND *bind, enum enum_field_types type, const struct str *text)
{
	bind->buffer_type = type;
	bind->buffer = (void *)(uintptr_t)(text->ptr ? text->ptr : "");
	bind->buffer_length = (unsigned long)text->len;
}

static void bind_arg(MYSQL_BIND *bind, struct sql_value *value)
{
	switch (value->kind) {
	case SQL_NULL:
	case SQL_KEPT:
		bind->buffer_type = MYSQL_TYPE_NULL;
		return;
	case SQL_BOOL:
	case SQL_INT:
		bind_number(bind, MYSQL_TYPE_LONGLONG, &value->integer);
		return;
	case SQL_REAL:
		bind_number(bind, MYSQL_TYPE_DOUBLE, &value->real);
		return;
	case SQL_NUMBER:
		bind_text(bind, MYSQL_TYPE_NEWDECIMAL, &value->text);
		return;
	case SQL_TEXT:
	case SQL_JSON:
		bind_text(bind, MYSQL_TYPE_STRING, &value->text);
		return;
	case SQL_BLOB:
		bind_text(bind, MYSQL_TYPE_BLOB, &value->text);
		return;
	}
	unreachable();
}

MYSQL_BIND *maria_bind_args(struct sql_job *job, const struct sql_statement *statement)
{
	MYSQL_BIND *binds = arena_zalloc(&job->arena, (statement->n_args + 1) * sizeof(*binds));
	struct sql_value *values =
		arena_alloc_array(&job->arena, statement->n_args + 1, sizeof(*values));

	if (!binds || !values)
		return NULL;
	for (size_t i = 0; i < statement->n_args; i++) {
		values[i] = sql_job_arg(job, &statement->args[i]);
		bind_arg(&binds[i], &values[i]);
	}
	return binds;
}

/* ------------------------------------------------------------ columns */

static bool field_is_integer(const MYSQL_FIELD *field)
{
	return field->type == MYSQL_TYPE_TINY || field->type == MYSQL_TYPE_SHORT ||
	       field->type == MYSQL_TYPE_INT24 || field->type == MYSQL_TYPE_LONG ||
	       field->type == MYSQL_TYPE_LONGLONG || field->type == MYSQL_TYPE_YEAR;
}

MYSQL_BIND *maria_bind_columns(struct arena *arena, const MYSQL_FIELD *fields, unsigned n_fields,
			       struct maria_column *columns)
{
	MYSQL_BIND *binds = arena_zalloc(arena, (n_fields + 1) * sizeof(*binds));

	for (unsigned i = 0; binds && i < n_fields; i++) {
		MYSQL_BIND *bind = &binds[i];

		bind->is_null = &columns[i].is_null;
		bind->length = &columns[i].len;
		bind->error = &columns[i].cut;
		if (field_is_integer(&fields[i])) {
			bind_number(bind, MYSQL_TYPE_LONGLONG, &columns[i].integer);
			bind->is_unsigned = (fields[i].flags & UNSIGNED_FLAG) != 0;
		} else if (fields[i].type == MYSQL_TYPE_DOUBLE) {
			bind_number(bind, MYSQL_TYPE_DOUBLE, &columns[i].real);
		} else if (fields[i].type == MYSQL_TYPE_FLOAT) {
			bind_number(bind, MYSQL_TYPE_FLOAT, &columns[i].single);
		} else {
			bind->buffer_type = MYSQL_TYPE_STRING; /* of no length: fetched below */
		}
	}
	return binds;
}

static struct str column_fetch(MYSQL_STMT *stmt, const struct maria_column *column, unsigned number,
			       struct buf *scratch)
{
	unsigned long len = column->len;
	my_bool is_null = 0, cut = 0;
	MYSQL_BIND bind = { .buffer_type = MYSQL_TYPE_STRING,
			    .buffer_length = len + 1,
			    .length = &len,
			    .is_null = &is_null,
			    .error = &cut };

	buf_clear(scratch);
	bind.buffer = buf_reserve(scratch, column->len + 1);
	if (!bind.buffer || mysql_stmt_fetch_column(stmt, &bind, number, 0) != 0)
		return STR("");
	scratch->len = MIN(len, column->len);
	return buf_str(scratch);
}

/* The shortest that reads back as it. */
static struct str column_single(float single, struct buf *scratch)
{
	char text[32];

	for (int digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, (double)single);
		if (strtof(text, NULL) == single)
			break;
	}
	buf_clear(scratch);
	buf_add(scratch, str_of(text));
	return buf_str(scratch);
}

static struct sql_value column_integer(const MYSQL_FIELD *field, const struct maria_column *column,
				       struct buf *scratch)
{
	if (!(field->flags & UNSIGNED_FLAG) || column->integer >= 0)
		return (struct sql_value){ .kind = SQL_INT, .integer = column->integer };
	buf_clear(scratch);
	buf_add_u64(scratch, (uint64_t)column->integer);
	return (struct sql_value){ .kind = SQL_NUMBER, .text = buf_str(scratch) };
}

/* "2026-11-28 08:30:00.5": a timestamp is in UTC, as the session is; a datetime says no zone. */
static void column_make_time(const MYSQL_FIELD *field, struct buf *scratch)
{
	if (scratch->len > 10 && scratch->data[10] == ' ')
		scratch->data[10] = 'T';
	if (field->type == MYSQL_TYPE_TIMESTAMP)
		buf_add_char(scratch, 'Z');
}

static struct sql_value column_bits(struct str bytes)
{
	uint64_t bits = 0;

	check(bytes.ptr || bytes.len == 0);
	for (size_t i = 0; i < bytes.len && i < 8; i++)
		bits = bits << 8 | (unsigned char)bytes.ptr[i];
	return (struct sql_value){ .kind = SQL_INT, .integer = (int64_t)bits };
}

static struct sql_value column_text(const MYSQL_FIELD *field, bool numbers, struct buf *scratch)
{
	struct sql_value value = { .kind = SQL_TEXT };

	if (field->type == MYSQL_TYPE_BIT)
		return column_bits(buf_str(scratch));
	if (field->type == MYSQL_TYPE_DATETIME || field->type == MYSQL_TYPE_TIMESTAMP)
		column_make_time(field, scratch);
	else if (field->type == MYSQL_TYPE_NEWDECIMAL || field->type == MYSQL_TYPE_DECIMAL)
		value.kind = numbers ? SQL_NUMBER : SQL_TEXT;
	else if ((int)field->type == TYPE_JSON)
		value.kind = SQL_JSON;
	else if (field->charsetnr == CHARSET_BINARY && field->type != MYSQL_TYPE_DATE &&
		 field->type != MYSQL_TYPE_TIME && field->type != MYSQL_TYPE_NULL)
		value.kind = SQL_BLOB;
	value.text = buf_str(scratch);
	return value;
}

struct sql_value maria_value(MYSQL_STMT *stmt, const MYSQL_FIELD *field,
			     const struct maria_column *column, unsigned number, bool numbers,
			     struct buf *scratch)
{
	if (column->is_null)
		return (struct sql_value){ .kind = SQL_NULL };
	if (field_is_integer(field))
		return column_integer(field, column, scratch);
	if (field->type == MYSQL_TYPE_DOUBLE)
		return (struct sql_value){ .kind = SQL_REAL, .real = column->real };
	if (field->type == MYSQL_TYPE_FLOAT)
		return (struct sql_value){ .kind = SQL_NUMBER,
					   .text = column_single(column->single, scratch) };
	column_fetch(stmt, column, number, scratch);
	return column_text(field, numbers, scratch);
}
