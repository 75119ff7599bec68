/* server/sql/pg_value.c: by the numbers of types in the server's catalogue, which never change. */
#include "server/sql/pg_value.h"
#include "server/expr/json.h"
#include "server/expr/number.h"
#include "server/sql/pg_array.h"
#include "server/sql/sql_answer.h"
#include <errno.h>
#include <inttypes.h>

enum {
	PG_BOOL = 16,
	PG_BYTEA = 17,
	PG_INT8 = 20,
	PG_INT2 = 21,
	PG_INT4 = 23,
	PG_OID = 26,
	PG_JSON = 114,
	PG_FLOAT4 = 700,
	PG_FLOAT8 = 701,
	PG_TIMESTAMP = 1114,
	PG_TIMESTAMPTZ = 1184,
	PG_NUMERIC = 1700,
	PG_JSONB = 3802,
};

/* Arrays whose elements have a form of their own, or are read as texts (0). */
static const struct {
	unsigned array, element;
} arrays[] = {
	{ 1000, PG_BOOL },
	{ 1001, PG_BYTEA },
	{ 1005, PG_INT2 },
	{ 1007, PG_INT4 },
	{ 1016, PG_INT8 },
	{ 1028, PG_OID },
	{ 199, PG_JSON },
	{ 3807, PG_JSONB },
	{ 1021, PG_FLOAT4 },
	{ 1022, PG_FLOAT8 },
	{ 1115, PG_TIMESTAMP },
	{ 1185, PG_TIMESTAMPTZ },
	{ 1231, PG_NUMERIC },
	{ 1009, 0 },
	{ 1015, 0 },
	{ 1014, 0 },
	{ 1002, 0 },
	{ 1003, 0 },
	{ 1182, 0 },
	{ 1183, 0 },
	{ 1270, 0 },
	{ 1187, 0 },
	{ 2951, 0 },
	{ 1041, 0 },
	{ 651, 0 },
};

static bool pg_is_array(unsigned type, unsigned *ret_element)
{
	for (size_t i = 0; i < ARRAY_LEN(arrays); i++)
		if (arrays[i].array == type) {
			*ret_element = arrays[i].element;
			return true;
		}
	return false;
}

/* ------------------------------------------------------------ reading */

/* "2026-11-28 08:30:00.5+02" as RFC 3339 has it; "infinity" and what is before Christ stay. */
static struct str pg_time(struct str text, struct buf *scratch)
{
	ptrdiff_t sign;
	struct str zone;

	if (text.len < 19 || text.ptr[10] != ' ' || str_ends_with(text, STR(" BC")))
		return text;
	buf_clear(scratch);
	buf_add(scratch, str_first(text, 10));
	buf_add_char(scratch, 'T');
	text = str_skip(text, 11);
	sign = str_find_char(text, '+');
	if (sign < 0)
		sign = str_find_char(text, '-');
	buf_add(scratch, sign < 0 ? text : str_first(text, (size_t)sign));
	zone = sign < 0 ? STR("") : str_skip(text, (size_t)sign);
	if (str_eq(zone, STR("+00")))
		buf_add_char(scratch, 'Z');
	else
		buf_add(scratch, zone);
	if (zone.len == 3 && !str_eq(zone, STR("+00")))
		buf_add(scratch, STR(":00"));
	return buf_str(scratch);
}

/* "\\x00ff"; what is not of that form stays. */
static struct str pg_bytes(struct str text, struct buf *scratch)
{
	if (!str_starts_with(text, STR("\\x")) || text.len % 2 != 0)
		return text;
	buf_clear(scratch);
	for (size_t i = 2; i < text.len; i += 2) {
		int high = char_hex(text.ptr[i]), low = char_hex(text.ptr[i + 1]);

		if (high < 0 || low < 0)
			return text;
		buf_add_char(scratch, (char)(high << 4 | low));
	}
	return buf_str(scratch);
}

struct element {
	unsigned type;
	bool numbers;
	struct buf scratch;
};

static void pg_write_element(void *arg, struct str text, struct buf *out)
{
	struct element *element = arg;
	struct sql_value value = pg_value(element->type, text, element->numbers, &element->scratch);

	sql_value_write(&value, false, out);
}

static struct sql_value pg_list(unsigned type, struct str text, bool numbers, struct buf *scratch)
{
	struct element element = { .type = type, .numbers = numbers };
	struct buf quoted;
	bool ok;

	buf_init(&element.scratch, SIZE_MAX);
	buf_init(&quoted, SIZE_MAX);
	buf_clear(scratch);
	ok = pg_array_read(text, pg_write_element, &element, &quoted, scratch);
	buf_fini(&quoted);
	buf_fini(&element.scratch);
	if (!ok || scratch->error)
		return (struct sql_value){ .kind = SQL_TEXT, .text = text };
	return (struct sql_value){ .kind = SQL_JSON, .text = buf_str(scratch) };
}

struct sql_value pg_value(unsigned type, struct str text, bool numbers, struct buf *scratch)
{
	struct sql_value value = { .kind = SQL_TEXT, .text = text };
	unsigned element;

	switch (type) {
	case PG_BOOL:
		return (struct sql_value){ .kind = SQL_BOOL,
					   .integer = text.len && text.ptr[0] == 't' };
	case PG_INT2:
	case PG_INT4:
	case PG_INT8:
	case PG_OID:
	case PG_FLOAT4:
	case PG_FLOAT8:
		value.kind = SQL_NUMBER;
		return value;
	case PG_NUMERIC:
		value.kind = numbers ? SQL_NUMBER : SQL_TEXT;
		return value;
	case PG_JSON:
	case PG_JSONB:
		value.kind = SQL_JSON;
		return value;
	case PG_BYTEA:
		value.kind = SQL_BLOB;
		value.text = pg_bytes(text, scratch);
		return value;
	case PG_TIMESTAMP:
	case PG_TIMESTAMPTZ:
		value.text = pg_time(text, scratch);
		return value;
	default:
		if (pg_is_array(type, &element))
			return pg_list(element, text, numbers, scratch);
		return value;
	}
}

/* ------------------------------------------------------------ writing */

static int param_text(struct arena *arena, struct str text, const char **ret_text)
{
	if (str_has(text, '\0'))
		return -EINVAL;
	*ret_text = arena_str(arena, text).ptr;
	return *ret_text ? 0 : -ENOMEM;
}

static int param_bytes(struct arena *arena, struct str bytes, const char **ret_text)
{
	static const char digits[] = "0123456789abcdef";
	char *out = arena_alloc(arena, bytes.len * 2 + 3);

	if (!out)
		return -ENOMEM;
	*ret_text = out;
	*out++ = '\\';
	*out++ = 'x';
	for (size_t i = 0; i < bytes.len; i++) {
		*out++ = digits[(unsigned char)bytes.ptr[i] >> 4];
		*out++ = digits[bytes.ptr[i] & 15];
	}
	*out = '\0';
	return 0;
}

/* A list is an array where the server wants one, and JSON elsewhere. */
static int param_json(struct arena *arena, struct str text, unsigned type, const char **ret_text)
{
	unsigned element;
	struct value list;
	struct buf out;
	int r;

	if (!pg_is_array(type, &element) || text.len == 0 || text.ptr[0] != '[')
		return param_text(arena, text, ret_text);
	r = json_read(text, arena, &list, NULL);
	buf_init_arena(&out, arena);
	if (r == 0)
		r = pg_array_write(list, arena, &out);
	buf_add_char(&out, '\0');
	*ret_text = out.data;
	return r < 0 ? r : out.error;
}

static int param_number(struct arena *arena, const struct sql_value *value, const char **ret_text)
{
	char out[NUMBER_TEXT_MAX];
	struct str text = number_write(
		value->kind == SQL_REAL ? value_real(value->real) : value_int(value->integer), out);

	return param_text(arena, text, ret_text);
}

int pg_param(const struct sql_value *value, unsigned type, struct arena *arena,
	     const char **ret_text)
{
	switch (value->kind) {
	case SQL_NULL:
	case SQL_KEPT:
		*ret_text = NULL;
		return 0;
	case SQL_BOOL:
		*ret_text = value->integer ? "true" : "false";
		return 0;
	case SQL_INT:
	case SQL_REAL:
		return param_number(arena, value, ret_text);
	case SQL_NUMBER:
	case SQL_TEXT:
		return param_text(arena, value->text, ret_text);
	case SQL_BLOB:
		return param_bytes(arena, value->text, ret_text);
	case SQL_JSON:
		return param_json(arena, value->text, type, ret_text);
	}
	unreachable();
}
