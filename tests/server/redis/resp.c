/* tests/server/redis/resp.c: however the bytes of a reply are cut, it reads the same. */
#include "server/redis/resp.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdlib.h>

struct result {
	enum resp_status status;
	ptrdiff_t used; /* or a negative errno */
	bool whole;
	char text[128]; /* of the value as JSON, or of the error */
};

static struct result read_in_pieces(struct str bytes, size_t size, const struct resp_want *ask)
{
	static struct resp_reader reader;
	struct resp_want want = *ask;
	struct result result = { 0 };
	struct arena arena;
	struct buf json;

	arena_init(&arena, 1 << 20);
	if (want.arena)
		want.arena = &arena;
	resp_begin(&reader, &want);
	while (result.used < (ptrdiff_t)bytes.len && !result.whole) {
		struct str piece = str_first(str_skip(bytes, (size_t)result.used), size);
		ptrdiff_t used = resp_read(&reader, piece, &result.whole);

		if (used < 0) {
			result.used = used;
			break;
		}
		result.used += used;
	}
	if (result.whole) {
		struct resp_reply reply = resp_reply(&reader);

		result.status = reply.status;
		buf_init(&json, 4096);
		if (reply.status == RESP_ERROR)
			buf_add(&json, reply.error);
		else
			value_write_json(reply.value, &json);
		snprintf(result.text, sizeof(result.text), "%.*s", STR_ARG(buf_str(&json)));
		buf_fini(&json);
	}
	arena_fini(&arena);
	return result;
}

static struct resp_want usual = { .arena = (struct arena *)1, .max = 1 << 16 };

static struct result read_all_ways(struct str bytes, const struct resp_want *want)
{
	struct result whole = read_in_pieces(bytes, SIZE_MAX, want);
	bool same = true;

	for (size_t size = 1; size < bytes.len; size++) {
		struct result cut = read_in_pieces(bytes, size, want);

		same &= cut.status == whole.status && cut.used == whole.used &&
			cut.whole == whole.whole && strcmp(cut.text, whole.text) == 0;
	}
	is_true(same);
	return whole;
}

static void is_value(const char *bytes, const char *json)
{
	struct result result = read_all_ways(str_of(bytes), &usual);

	is_true(result.whole);
	is_int(result.status, RESP_OK);
	is_int(result.used, strlen(bytes));
	is_text(result.text, json);
}

static void each_type_becomes_its_value(void)
{
	is_value("+OK\r\n", "\"OK\"");
	is_value("+\r\n", "\"\"");
	is_value(":-12\r\n", "-12");
	is_value(":9223372036854775807\r\n", "9223372036854775807");
	is_value("$5\r\na\r\nbc\r\n", "\"a\\r\\nbc\"");
	is_value("$0\r\n\r\n", "\"\"");
	is_value("$-1\r\n", "null");
	is_value("*-1\r\n", "null");
	is_value("*0\r\n", "[]");
	is_value("*3\r\n:1\r\n*2\r\n$1\r\nx\r\n*0\r\n$-1\r\n", "[1,[\"x\",[]],null]");
}

static void the_next_reply_is_left_alone(void)
{
	struct result result = read_all_ways(STR("*1\r\n:1\r\n:2\r\n"), &usual);

	is_int(result.used, 8);
	is_text(result.text, "[1]");
}

static void an_error_is_told_wherever_it_stands(void)
{
	struct result result = read_all_ways(STR("-WRONGTYPE Operation\r\n"), &usual);

	is_int(result.status, RESP_ERROR);
	is_text(result.text, "WRONGTYPE Operation");
	result = read_all_ways(STR("*3\r\n:1\r\n-ONE x\r\n-TWO y\r\n"), &usual);
	is_true(result.whole);
	is_int(result.status, RESP_ERROR);
	is_text(result.text, "ONE x");
}

static void what_is_no_reply_ends_it(void)
{
	static const char *const wrong[] = {
		"HTTP/1.1 400 Bad Request\r\n",
		"\r\n",
		"$x\r\n",
		"$-2\r\n",
		"$1 \r\n",
		"*1.5\r\n",
		":\r\n",
		":1x\r\n",
		"+OK\n",
		"$1\r\nab\r\n",
		":9223372036854775808\r\n",
		"%1\r\n",
		"_\r\n",
		"$1\r\na\n\r",
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		is_int(read_all_ways(str_of(wrong[i]), &usual).used, -EPROTO);
}

static void a_reply_that_is_too_large_is_read_to_its_end(void)
{
	struct resp_want want = usual;
	struct result result;

	want.max = 10;
	result = read_all_ways(STR("$20\r\n01234567890123456789\r\n+next\r\n"), &want);
	is_true(result.whole);
	is_int(result.status, RESP_TOO_LARGE);
	is_int(result.used, 27);
	result = read_all_ways(STR("*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n+next\r\n"), &want);
	is_int(result.status, RESP_TOO_LARGE);
	is_int(result.used, 20);
}

static void what_nobody_wants_is_read_to_its_end(void)
{
	struct resp_want want = usual;
	struct result result;

	want.arena = NULL;
	result = read_all_ways(STR("*2\r\n$3\r\nabc\r\n*1\r\n:1\r\n+next\r\n"), &want);
	is_true(result.whole);
	is_int(result.used, 21);
}

/* The arena may be gone by then: ASan would see it. */
static void a_reply_may_be_given_up_in_its_middle(void)
{
	static struct resp_reader reader;
	struct arena arena;
	struct resp_want want = { .arena = &arena, .max = 1 << 16 };
	bool whole;

	arena_init(&arena, 1 << 16);
	resp_begin(&reader, &want);
	is_int(resp_read(&reader, STR("*3\r\n:1\r\n$5\r\nab"), &whole), 14);
	resp_skip(&reader);
	arena_fini(&arena);
	is_int(resp_read(&reader, STR("cde\r\n:3\r\n+next\r\n"), &whole), 9);
	is_true(whole);
}

static void texts_are_utf8_or_base64(void)
{
	struct resp_want want = usual;
	struct result result = read_all_ways(STR("*2\r\n$2\r\n\xff\x00\r\n:1\r\n"), &usual);

	is_int(result.status, RESP_BINARY);
	want.base64 = true;
	result = read_all_ways(STR("*4\r\n$0\r\n\r\n$1\r\n\xff\r\n$2\r\n\xff\x00\r\n$3\r\nabc\r\n"),
			       &want);
	is_text(result.text, "[\"\",\"/w==\",\"/wA=\",\"YWJj\"]");
}

static void lists_nest_as_deep_as_is_said(void)
{
	char bytes[4 * (RESP_DEPTH_MAX + 1) + 8] = "";
	size_t len = 0;

	for (unsigned i = 0; i < RESP_DEPTH_MAX; i++)
		len += (size_t)snprintf(bytes + len, sizeof(bytes) - len, "*1\r\n");
	snprintf(bytes + len, sizeof(bytes) - len, ":1\r\n");
	is_int(read_in_pieces(str_of(bytes), SIZE_MAX, &usual).status, RESP_OK);
	snprintf(bytes + len, sizeof(bytes) - len, "*1\r\n:1\r\n");
	is_int(read_in_pieces(str_of(bytes), SIZE_MAX, &usual).used, -EPROTO);
}

static void a_list_takes_memory_as_it_comes_and_not_as_it_says(void)
{
	struct result result = read_in_pieces(STR("*1000000000000\r\n:1\r\n"), SIZE_MAX, &usual);

	is_false(result.whole);
	is_int(result.used, 20);
}

static void an_endless_line_ends_it(void)
{
	static char bytes[100000];
	struct result result;

	memset(bytes, 'x', sizeof(bytes));
	bytes[0] = '-';
	result = read_in_pieces((struct str){ bytes, sizeof(bytes) }, 4096, &usual);
	is_int(result.used, -EPROTO);
	memcpy(bytes + 5000, "\r\n", 2);
	result = read_in_pieces((struct str){ bytes, sizeof(bytes) }, 4096, &usual);
	is_true(result.whole);
	is_int(result.used, 5002);
}

int main(void)
{
	TEST(each_type_becomes_its_value);
	TEST(the_next_reply_is_left_alone);
	TEST(an_error_is_told_wherever_it_stands);
	TEST(what_is_no_reply_ends_it);
	TEST(a_reply_that_is_too_large_is_read_to_its_end);
	TEST(what_nobody_wants_is_read_to_its_end);
	TEST(a_reply_may_be_given_up_in_its_middle);
	TEST(texts_are_utf8_or_base64);
	TEST(lists_nest_as_deep_as_is_said);
	TEST(a_list_takes_memory_as_it_comes_and_not_as_it_says);
	TEST(an_endless_line_ends_it);
	return tap_done();
}
