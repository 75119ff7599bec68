/* tests/server/sql/pg_value.c: values of PostgreSQL, in its text form and leat's. */
#include "server/sql/pg_value.h"
#include "server/sql/sql_answer.h"
#include "tests/lib/tap.h"
#include <errno.h>

static struct arena arena;

enum {
	INT4 = 23,
	TEXT = 25,
	JSONB = 3802,
	TEXTS = 1009,
	INTS = 1007,
	NUMERICS = 1231,
	TIME = 1184
};

static void reads(unsigned type, const char *text, const char *want)
{
	struct buf scratch, out;
	struct sql_value value;

	buf_init(&scratch, SIZE_MAX);
	buf_init(&out, SIZE_MAX);
	value = pg_value(type, str_of(text), false, &scratch);
	sql_value_write(&value, false, &out);
	is_str(buf_str(&out), str_of(want));
	buf_fini(&scratch);
	buf_fini(&out);
}

static void arrays_become_lists(void)
{
	reads(INTS, "{}", "[]");
	reads(INTS, "{1,NULL,3}", "[1,null,3]");
	reads(INTS, "[0:1]={1,2}", "[1,2]");
	reads(INTS, "{{1,2},{3,4}}", "[[1,2],[3,4]]");
	reads(TEXTS, "{a,\"b c\",\"NULL\",NULL,\"\\\"\\\\\",\"\"}",
	      "[\"a\",\"b c\",\"NULL\",null,\"\\\"\\\\\",\"\"]");
	reads(NUMERICS, "{1.50,NaN}", "[\"1.50\",\"NaN\"]");
}

static void what_is_no_array_stays_text(void)
{
	static const char *const texts[] = { "",      "x",      "{",
					     "{1",    "{1,",    "{1}x",
					     "{\"a}", "{1,}",   "{{{{{{{1}}}}}}}",
					     "{,1}",  "{1{2}}", "}" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct buf scratch;

		buf_init(&scratch, SIZE_MAX);
		is_int(pg_value(INTS, str_of(texts[i]), false, &scratch).kind, SQL_TEXT);
		buf_fini(&scratch);
	}
}

static void bytes_are_base64(void)
{
	reads(17, "\\x", "\"\"");
	reads(17, "\\x00ff10", "\"AP8Q\"");
	reads(17, "\\x0", "\"XHgw\"");
	reads(17, "\\xzz", "\"XHh6eg==\"");
}

static void times_are_rfc_3339(void)
{
	reads(TIME, "2026-11-28 08:30:00+00", "\"2026-11-28T08:30:00Z\"");
	reads(TIME, "2026-11-28 08:30:00.125-03", "\"2026-11-28T08:30:00.125-03:00\"");
	reads(TIME, "2026-11-28 08:30:00+05:30", "\"2026-11-28T08:30:00+05:30\"");
	reads(TIME, "infinity", "\"infinity\"");
	reads(TIME, "0044-03-15 08:30:00+00 BC", "\"0044-03-15 08:30:00+00 BC\"");
}

static void writes(struct sql_value value, unsigned type, const char *want)
{
	const char *text = "";

	is_int(pg_param(&value, type, &arena, &text), 0);
	is_str(str_of(text), str_of(want));
}

static void a_list_is_an_array_where_one_is_wanted_and_json_elsewhere(void)
{
	const struct sql_value list = {
		.kind = SQL_JSON,
		.text = STR_INIT("[1,null,\"a\\\"b\",[\"\\\\\"],{\"k\":\"v\"},true]")
	};

	writes(list, TEXTS, "{1,NULL,\"a\\\"b\",{\"\\\\\"},\"{\\\"k\\\":\\\"v\\\"}\",true}");
	writes(list, JSONB, list.text.ptr);
	writes((struct sql_value){ .kind = SQL_JSON, .text = STR("{\"a\":1}") }, TEXTS,
	       "{\"a\":1}");
}

static void scalars_are_as_the_server_reads_them(void)
{
	writes((struct sql_value){ .kind = SQL_INT, .integer = INT64_MIN }, INT4,
	       "-9223372036854775808");
	writes((struct sql_value){ .kind = SQL_REAL, .real = 0.1 }, TEXT, "0.1");
	writes((struct sql_value){ .kind = SQL_BOOL, .integer = 1 }, 16, "true");
	writes((struct sql_value){ .kind = SQL_NUMBER, .text = STR("19.990") }, 1700, "19.990");
	writes((struct sql_value){ .kind = SQL_BLOB, .text = STR("\0\xff") }, 17, "\\x00ff");
}

static void a_text_with_a_nul_is_refused(void)
{
	const struct sql_value text = { .kind = SQL_TEXT, .text = STR("a\0b") };
	const struct sql_value list = { .kind = SQL_JSON, .text = STR("[\"a\\u0000\"]") };
	const char *unused;

	is_int(pg_param(&text, TEXT, &arena, &unused), -EINVAL);
	is_int(pg_param(&list, TEXTS, &arena, &unused), -EINVAL);
}

int main(void)
{
	arena_init_required(&arena);
	TEST(arrays_become_lists);
	TEST(what_is_no_array_stays_text);
	TEST(bytes_are_base64);
	TEST(times_are_rfc_3339);
	TEST(a_list_is_an_array_where_one_is_wanted_and_json_elsewhere);
	TEST(scalars_are_as_the_server_reads_them);
	TEST(a_text_with_a_nul_is_refused);
	arena_fini(&arena);
	return tap_done();
}
