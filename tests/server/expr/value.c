/* tests/server/expr/value.c: values and numbers. */
#include "server/expr/value.h"
#include "server/expr/json.h"
#include "server/expr/number.h"
#include "tests/lib/tap.h"
#include <errno.h>

static struct arena arena;

static struct value number(const char *text)
{
	struct value value = value_text(str_of(text));

	value.kind = VALUE_NUMBER;
	return value;
}

static struct value json(const char *text)
{
	struct value value;

	check(json_read(str_of(text), &arena, &value, NULL) == 0);
	return value;
}

static bool equal(struct value a, struct value b)
{
	bool ret = false;

	check(value_equal(a, b, &arena, &ret) == 0);
	return ret;
}

static void numbers_compare_exactly_in_all_forms(void)
{
	static const struct {
		const char *a, *b;
		int order;
	} cases[] = {
		{ "1", "1.0", 0 },
		{ "1e2", "100", 0 },
		{ "-0", "0.0", 0 },
		{ "-0.0", "0e9", 0 },
		{ "10", "9", 1 },
		{ "-10", "9", -1 },
		{ "-10", "-9", -1 },
		{ "0", "-0.001", 1 },
		{ "0.1", "0.10000000000000000000001", -1 },
		{ "1e400", "1e401", -1 },
		{ "-1e400", "1", -1 },
		{ "1e-400", "0", 1 },
		{ "18446744073709551615", "18446744073709551616", -1 },
		{ "18446744073709551615", "18446744073709551615.0", 0 },
		{ "18446744073709551615", "1.8446744073709551615e19", 0 },
		{ "9007199254740993", "9007199254740992.0", 1 },
		{ "0.00012e5", "12", 0 },
		{ "1200", "1.2e3", 0 },
		{ "1e999999999999999999999", "2", 1 },
		{ "1e-999999999999999999999", "2", -1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int order = number_compare(number(cases[i].a), number(cases[i].b));
		int back = number_compare(number(cases[i].b), number(cases[i].a));

		tap_ok(order == cases[i].order && back == -order, __FILE__, __LINE__,
		       "%s and %s: %d", cases[i].a, cases[i].b, order);
	}
	is_int(number_compare(value_int(INT64_MAX), value_real(0x1p63)), -1);
	is_int(number_compare(value_int(INT64_MIN), value_real(-0x1p63)), 0);
	is_int(number_compare(value_int((INT64_C(1) << 53) + 1), value_real(0x1p53)), 1);
	is_int(number_compare(value_real(19.99), number("19.99")), 0);
	is_int(number_compare(value_real(0.1 + 0.2), number("0.3")), 1);
	is_int(number_compare(value_real(1e23), number("1e23")), 0);
	is_int(number_compare(value_real(-1.5), value_real(2)), -1);
}

static void numbers_convert_or_say_that_they_do_not_fit(void)
{
	static char digits[2000];
	struct number got;

	is_int(number_of(number("9223372036854775807"), &got), 0);
	is_int(got.integer, INT64_MAX);
	is_int(number_of(number("9223372036854775808"), &got), -ERANGE);
	is_int(number_of(number("1e400"), &got), -ERANGE);
	is_int(number_of(number("1e-400"), &got), 0);
	is_true(got.is_real && got.real < 1e-300);
	memset(digits, '9', sizeof(digits) - 1);
	memcpy(digits, "0.", 2);
	is_int(number_of(number(digits), &got), 0);
	is_true(got.real == 1.0);
	memcpy(digits + sizeof(digits) - 5, "e400", 4);
	is_int(number_of(number(digits), &got), -ERANGE);
	memset(digits, '0', sizeof(digits) - 1);
	digits[1] = '.';
	is_int(number_of(number(digits), &got), 0);
	is_true(got.is_real && got.real == 0);
}

static const char *written(struct value value)
{
	static char text[256];
	struct buf out;

	buf_init(&out, sizeof(text) - 1);
	value_write_json(value, &out);
	memcpy(text, out.data, out.len);
	text[out.len] = '\0';
	buf_fini(&out);
	return text;
}

static void numbers_are_written_as_they_were_or_as_short_as_can_be(void)
{
	is_text(written(number("19.990")), "19.990");
	is_text(written(number("18446744073709551615")), "18446744073709551615");
	is_text(written(value_real(0.1)), "0.1");
	is_text(written(value_real(0.1 + 0.2)), "0.30000000000000004");
	is_text(written(value_real(1e300)), "1e+300");
	is_text(written(value_real(-2)), "-2");
	is_text(written(value_int(INT64_MIN)), "-9223372036854775808");
}

static void equality_is_deep_and_false_between_types(void)
{
	is_true(equal(json("{\"a\":[1,2.0],\"b\":null}"), json("{\"b\":null,\"a\":[1.0,2]}")));
	is_false(equal(json("{\"a\":1}"), json("{\"a\":2}")));
	is_false(equal(json("{\"a\":1}"), json("{\"b\":1}")));
	is_false(equal(json("{\"a\":1}"), json("{\"a\":1,\"b\":1}")));
	is_false(equal(json("[1,2]"), json("[2,1]")));
	is_false(equal(json("[1]"), json("[1,1]")));
	is_true(equal(json("[]"), json("[]")));
	is_false(equal(json("[]"), json("{}")));
	is_false(equal(json("1"), json("\"1\"")));
	is_false(equal(json("null"), json("false")));
	is_true(equal(json("\"a\\u0062\""), json("\"ab\"")));
	is_true(equal(value_bool(true), json("true")));
	is_false(equal(value_bool(true), json("false")));
}

static void json_is_opened_once_and_only_when_looked_into(void)
{
	struct value value, again;

	is_int(value_json(&value, &arena, STR(" {\"a\":[1]} ")), 0);
	is_int(value.kind, VALUE_JSON);
	is_text(value_kind_name(value), "object");
	is_text(written(value), "{\"a\":[1]}");
	again = value;
	is_int(value_open(&value, &arena), 0);
	is_int(value.kind, VALUE_OBJECT);
	is_true(again.json->read);
	is_int(value_open(&again, &arena), 0);
	is_ptr(again.members, value.members);
	is_int(value_json(&value, &arena, STR(" \"text\\n\"")), 0);
	is_int(value.kind, VALUE_TEXT);
	is_int(value_json(&value, &arena, STR("[]")), 0);
	is_text(value_kind_name(value), "list");
	is_true(equal(value, json("[]")));
}

static void a_copy_is_one_block_that_needs_nothing_else(void)
{
	struct value original, copy, inner[2];
	struct arena other, tiny;

	is_int(value_json(&inner[0], &arena, STR("{\"raw\":[1,2]}")), 0);
	inner[1] = json("{\"a\":[\"x\",{\"b\":1.50}],\"t\":true}");
	inner[1].secret = 1;
	original = value_list(inner, 2);
	arena_init(&other, 1 << 16);
	is_int(value_copy(&copy, original, &other), 0);
	memset(inner, 0, sizeof(inner));
	is_text(written(copy), "[{\"raw\":[1,2]},{\"a\":[\"x\",{\"b\":1.50}],\"t\":true}]");
	is_int(copy.items[1].secret, 1);
	arena_fini(&other);
	arena_init(&tiny, 0);
	is_int(value_copy(&copy, json("[1,2,3]"), &tiny), -ENOMEM);
	arena_fini(&tiny);
	arena_init(&tiny, 4096);
	is_int(value_copy(&copy, value_int(5), &tiny), 0);
	is_int(copy.integer, 5);
	arena_fini(&tiny);
}

static void what_nests_too_deep_is_refused(void)
{
	static struct value levels[2][VALUE_DEPTH_MAX + 2];
	struct value copy;
	struct buf out;
	bool ret;

	for (size_t i = 0; i <= VALUE_DEPTH_MAX; i++) {
		levels[0][i + 1] = value_list(&levels[0][i], 1);
		levels[1][i + 1] = value_list(&levels[1][i], 1);
	}
	buf_init(&out, SIZE_MAX);
	value_write_json(levels[0][VALUE_DEPTH_MAX], &out);
	is_int(out.error, 0);
	is_int(out.len, 2 * VALUE_DEPTH_MAX + 4);
	value_write_json(levels[0][VALUE_DEPTH_MAX + 1], &out);
	is_int(out.error, -EMSGSIZE);
	buf_fini(&out);
	is_int(value_copy(&copy, levels[0][VALUE_DEPTH_MAX], &arena), 0);
	is_int(value_copy(&copy, levels[0][VALUE_DEPTH_MAX + 1], &arena), -EMSGSIZE);
	is_int(value_equal(levels[0][VALUE_DEPTH_MAX], levels[1][VALUE_DEPTH_MAX], &arena, &ret),
	       0);
	is_int(value_equal(levels[0][VALUE_DEPTH_MAX + 1], levels[1][VALUE_DEPTH_MAX + 1], &arena,
			   &ret),
	       -EMSGSIZE);
}

static void what_is_shared_endlessly_is_not_copied(void)
{
	struct value levels[65][2];
	struct value copy;
	struct arena other;

	levels[0][0] = levels[0][1] = value_int(1);
	for (size_t i = 1; i < 65; i++)
		levels[i][0] = levels[i][1] = value_list(levels[i - 1], 2);
	arena_init(&other, 1 << 20);
	is_int(value_copy(&copy, levels[64][0], &other), -ENOMEM);
	arena_fini(&other);
}

static void text_of_values(void)
{
	struct buf out;

	buf_init(&out, SIZE_MAX);
	value_write_text(value_null(), &out);
	value_write_text(value_text(STR("a\"b")), &out);
	value_write_text(value_int(-5), &out);
	value_write_text(json("[\"a\",null]"), &out);
	is_str(buf_str(&out), STR("a\"b-5[\"a\",null]"));
	buf_fini(&out);
}

int main(void)
{
	arena_init(&arena, 64 << 20);
	TEST(numbers_compare_exactly_in_all_forms);
	TEST(numbers_convert_or_say_that_they_do_not_fit);
	TEST(numbers_are_written_as_they_were_or_as_short_as_can_be);
	TEST(equality_is_deep_and_false_between_types);
	TEST(json_is_opened_once_and_only_when_looked_into);
	TEST(a_copy_is_one_block_that_needs_nothing_else);
	TEST(what_nests_too_deep_is_refused);
	TEST(what_is_shared_endlessly_is_not_copied);
	TEST(text_of_values);
	arena_fini(&arena);
	return tap_done();
}
