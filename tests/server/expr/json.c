/* tests/server/expr/json.c */
#include "server/expr/json.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdlib.h>

static const struct str valid[] = {
	STR_INIT("null"),
	STR_INIT(" true "),
	STR_INIT("false"),
	STR_INIT("0"),
	STR_INIT("-0"),
	STR_INIT("12345678901234567890123456789012345678901234567890"),
	STR_INIT("-1.5e+10"),
	STR_INIT("1E400"),
	STR_INIT("0.1e-2"),
	STR_INIT("\"\""),
	STR_INIT("\"abcdefg\""),
	STR_INIT("\"abcdefgh\""),
	STR_INIT("\"abcdefghijklmnop\\n\""),
	STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\""),
	STR_INIT("\"\\ud83d\\ude00\""),
	STR_INIT("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""),
	STR_INIT("\"\x7f\""),
	STR_INIT("[]"),
	STR_INIT("{}"),
	STR_INIT(" [ ] "),
	STR_INIT("\t{\n}\r\n"),
	STR_INIT("[1,2 , 3]"),
	STR_INIT("[[],[[]],{}]"),
	STR_INIT("{\"a\":1,\"a\":2}"),
	STR_INIT("{\"\":{\"b\":[null]}}"),
};

static const struct {
	struct str text;
	size_t offset;
} invalid[] = {
	{ STR_INIT(""), 0 },
	{ STR_INIT("   "), 3 },
	{ STR_INIT("\xef\xbb\xbf[]"), 0 },
	{ STR_INIT("nul"), 0 },
	{ STR_INIT("nulL"), 0 },
	{ STR_INIT("True"), 0 },
	{ STR_INIT("NaN"), 0 },
	{ STR_INIT("Infinity"), 0 },
	{ STR_INIT("-Infinity"), 1 },
	{ STR_INIT("-"), 1 },
	{ STR_INIT("+1"), 0 },
	{ STR_INIT("01"), 1 },
	{ STR_INIT("-01"), 2 },
	{ STR_INIT("1."), 2 },
	{ STR_INIT("1.e1"), 2 },
	{ STR_INIT(".5"), 0 },
	{ STR_INIT("1e"), 2 },
	{ STR_INIT("1e+"), 3 },
	{ STR_INIT("0x10"), 1 },
	{ STR_INIT("1_0"), 1 },
	{ STR_INIT("1 2"), 2 },
	{ STR_INIT("'a'"), 0 },
	{ STR_INIT("\"a"), 2 },
	{ STR_INIT("\"abcdefghijkl"), 13 },
	{ STR_INIT("\"a\nb\""), 2 },
	{ STR_INIT("\"a\tb\""), 2 },
	{ STR_INIT("\"a\0b\""), 2 },
	{ STR_INIT("\"abcdefgh\x1f\""), 9 },
	{ STR_INIT("\"\\x41\""), 1 },
	{ STR_INIT("\"\\0\""), 1 },
	{ STR_INIT("\"\\'\""), 1 },
	{ STR_INIT("\"\\u12\""), 1 },
	{ STR_INIT("\"\\u12g4\""), 1 },
	{ STR_INIT("\"\\\""), 3 },
	{ STR_INIT("\"\\"), 2 },
	{ STR_INIT("\"\\ud800\""), 1 },
	{ STR_INIT("\"\\ud800\\n\""), 1 },
	{ STR_INIT("\"\\ud800\\ud800\""), 1 },
	{ STR_INIT("\"a\\udc00\""), 2 },
	{ STR_INIT("\"\xff\""), 1 },
	{ STR_INIT("\"ab\xc0\xaf\""), 3 },
	{ STR_INIT("\"\xc3\""), 1 },
	{ STR_INIT("\"\xed\xa0\x80\""), 1 },
	{ STR_INIT("\"\xf4\x90\x80\x80\""), 1 },
	{ STR_INIT("\"abcdefgh\x80\""), 9 },
	{ STR_INIT("["), 1 },
	{ STR_INIT("]"), 0 },
	{ STR_INIT("[1"), 2 },
	{ STR_INIT("[1,]"), 3 },
	{ STR_INIT("[,1]"), 1 },
	{ STR_INIT("[1,,2]"), 3 },
	{ STR_INIT("[1 2]"), 3 },
	{ STR_INIT("[1}"), 2 },
	{ STR_INIT("[1]]"), 3 },
	{ STR_INIT("{"), 1 },
	{ STR_INIT("{\"a\"}"), 4 },
	{ STR_INIT("{\"a\":}"), 5 },
	{ STR_INIT("{\"a\":1,}"), 7 },
	{ STR_INIT("{a:1}"), 1 },
	{ STR_INIT("{1:1}"), 1 },
	{ STR_INIT("{\"a\" 1}"), 5 },
	{ STR_INIT("{\"a\":1]"), 6 },
	{ STR_INIT("{\"a\":1 \"b\":2}"), 7 },
	{ STR_INIT("[1] // c"), 4 },
	{ STR_INIT("/* c */ 1"), 0 },
	{ STR_INIT("[1]\0"), 3 },
	{ STR_INIT("[\x0b"
		   "1]"),
	  1 },
	{ STR_INIT("[\xc2\xa0"
		   "1]"),
	  1 },
	{ STR_INIT("true false"), 5 },
};

/* At the very end of its own memory, so that ASan sees a byte too far. */
static struct str tight(struct str text)
{
	char *copy = malloc(text.len ? text.len : 1);

	check(copy);
	memcpy(copy, text.ptr, text.len);
	return (struct str){ copy, text.len };
}

static void valid_texts_are_read_and_written_back(void)
{
	for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
		struct str text = tight(valid[i]);
		struct value value, again;
		struct arena arena;
		struct buf out;
		bool equal = false;

		arena_init(&arena, 1 << 16);
		buf_init_arena(&out, &arena);
		tap_ok(json_check(text, NULL), __FILE__, __LINE__, "%.*s", STR_ARG(text));
		is_int(json_read(text, &arena, &value, NULL), 0);
		value_write_json(value, &out);
		is_int(json_read(buf_str(&out), &arena, &again, NULL), 0);
		value_equal(value, again, &arena, &equal);
		is_true(equal);
		arena_fini(&arena);
		free((void *)(uintptr_t)text.ptr);
	}
}

static void invalid_texts_are_refused_at_the_right_byte(void)
{
	for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
		struct str text = tight(invalid[i].text);
		struct json_error checked = { 999, "" }, read = { 998, "" };
		struct value value;
		struct arena arena;
		bool ok = json_check(text, &checked);

		arena_init(&arena, 1 << 16);
		tap_ok(!ok && checked.offset == invalid[i].offset, __FILE__, __LINE__,
		       "%.*s: %s at %zu, want %zu", STR_ARG(text), checked.what, checked.offset,
		       invalid[i].offset);
		is_true(json_read(text, &arena, &value, &read) == -EINVAL &&
			read.offset == checked.offset && read.what == checked.what);
		arena_fini(&arena);
		free((void *)(uintptr_t)text.ptr);
	}
}

static struct str nested(char *text, size_t depth, const char *open, const char *close)
{
	char *at = text;

	for (size_t i = 0; i < depth; i++)
		at = stpcpy(at, open);
	at = stpcpy(at, "1");
	for (size_t i = 0; i < depth; i++)
		at = stpcpy(at, close);
	return str_range(text, at);
}

static void depth_ends_at_two_hundred(void)
{
	static char text[2000000];
	struct json_error error;
	struct arena arena;
	struct value value;

	arena_init(&arena, 1 << 20);
	is_true(json_check(nested(text, JSON_DEPTH_MAX, "[", "]"), NULL));
	is_int(json_read(nested(text, JSON_DEPTH_MAX, "{\"a\":", "}"), &arena, &value, NULL), 0);
	is_false(json_check(nested(text, JSON_DEPTH_MAX + 1, "[", "]"), &error));
	is_int(error.offset, JSON_DEPTH_MAX);
	is_text(error.what, "lists and objects nest deeper than 200 levels");
	is_int(json_read(nested(text, 500000, "[", "]"), &arena, &value, &error), -EINVAL);
	arena_fini(&arena);
}

static void texts_without_escapes_are_slices(void)
{
	const struct str text =
		STR("[\"plain\",\"a\\u0041\\n\\ud83d\\ude00\\u20ac\\u00e9\",19.90]");
	struct arena arena;
	struct value list;

	arena_init(&arena, 1 << 16);
	is_int(json_read(text, &arena, &list, NULL), 0);
	is_ptr(list.items[0].ptr, text.ptr + 2);
	is_str(value_str(list.items[1]), STR("aA\n\xf0\x9f\x98\x80\xe2\x82\xac\xc3\xa9"));
	is_int(list.items[2].kind, VALUE_NUMBER);
	is_str(value_str(list.items[2]), STR("19.90"));
	arena_fini(&arena);
}

static void the_last_of_equal_keys_counts(void)
{
	struct arena arena;
	struct value object, member;

	arena_init(&arena, 1 << 16);
	is_int(json_read(STR("{\"a\":1,\"b\":2,\"a\":3}"), &arena, &object, NULL), 0);
	is_int(object.len, 3);
	is_true(value_member(object, STR("a"), &member));
	is_str(value_str(member), STR("3"));
	is_false(value_member(object, STR("c"), &member));
	is_false(value_member(member, STR("c"), &member));
	arena_fini(&arena);
}

static void memory_has_a_ceiling(void)
{
	static char text[200001];
	struct arena arena;
	struct value value;

	text[0] = '[';
	for (size_t i = 1; i < sizeof(text); i += 2)
		memcpy(text + i, "1,", 2);
	text[sizeof(text) - 1] = ']';
	arena_init(&arena, 1 << 20);
	is_int(json_read((struct str){ text, sizeof(text) }, &arena, &value, NULL), -ENOMEM);
	is_true(arena.used <= 1 << 20);
	arena_fini(&arena);
	arena_init(&arena, 4 << 20);
	is_int(json_read((struct str){ text, sizeof(text) }, &arena, &value, NULL), 0);
	is_int(value.len, sizeof(text) / 2);
	arena_fini(&arena);
}

static void writing_escapes_what_must_be(void)
{
	struct buf out;

	buf_init(&out, SIZE_MAX);
	json_write_text(STR("a\"\\\b\f\n\r\t\x01\x1f\x7f/\xc3\xa9"), &out);
	is_str(buf_str(&out), STR("\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/\xc3\xa9\""));
	buf_clear(&out);
	json_write_text(STR("\0"), &out);
	is_str(buf_str(&out), STR("\"\\u0000\""));
	buf_clear(&out);
	json_write_text(STR("ok\xff\xc3\xc3\xa9\xe2\x82"), &out);
	is_str(buf_str(&out),
	       STR("\"ok\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\""));
	buf_fini(&out);
}

int main(void)
{
	TEST(valid_texts_are_read_and_written_back);
	TEST(invalid_texts_are_refused_at_the_right_byte);
	TEST(depth_ends_at_two_hundred);
	TEST(texts_without_escapes_are_slices);
	TEST(the_last_of_equal_keys_counts);
	TEST(memory_has_a_ceiling);
	TEST(writing_escapes_what_must_be);
	return tap_done();
}
