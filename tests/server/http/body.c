/* tests/server/http/body.c: chunked bodies. */
#include "server/http/body.h"
#include "tests/lib/tap.h"

enum { MORE = -1 };

static struct http_body_limits limits = { .body_max = 100,
					  .extensions_max = 20,
					  .trailers_max = 40 };
static bool as_response;
static char data[4096];
static size_t n_data, n_used;

/* 0: ended; a status; or MORE. The bytes come `step` at a time; data is collected. */
static int verdict_in_steps(struct str bytes, size_t step)
{
	struct http_body *body = http_body_create(&limits, as_response);
	enum http_body_step got = HTTP_BODY_MORE;
	int status = MORE;

	n_data = n_used = 0;
	while (n_used < bytes.len && got != HTTP_BODY_END && got != HTTP_BODY_BAD) {
		struct str piece = str_first(str_skip(bytes, n_used), step), slice;
		size_t used;

		got = http_body_read(body, piece, &used, &slice, &status);
		n_used += used;
		if (got == HTTP_BODY_DATA) {
			check(n_data + slice.len <= sizeof(data));
			check(slice.len > 0 && slice.ptr >= piece.ptr);
			check(slice.ptr + slice.len == piece.ptr + used);
			memcpy(data + n_data, slice.ptr, slice.len);
			n_data += slice.len;
		} else if (got == HTTP_BODY_MORE) {
			check(used == piece.len);
		}
	}
	http_body_destroy(body);
	if (got == HTTP_BODY_BAD)
		return status;
	return got == HTTP_BODY_END ? 0 : MORE;
}

static int verdict_of(struct str bytes, const char *file, int line)
{
	int whole = verdict_in_steps(bytes, bytes.len), by_byte;
	size_t used = n_used, n = n_data;

	for (size_t step = 1; step < bytes.len && step < 8; step++) {
		by_byte = verdict_in_steps(bytes, step);
		if (by_byte != whole || (by_byte == 0 && (n_used != used || n_data != n)))
			tap_ok(false, file, line, "%d at once, %d by %zu", whole, by_byte, step);
	}
	return verdict_in_steps(bytes, bytes.len);
}

#define is_verdict(literal, want)                                                                  \
	tap_is_int(verdict_of(STR(literal), __FILE__, __LINE__), (want), __FILE__, __LINE__,       \
		   "the verdict on " #literal)
#define is_data(literal) is_str(((struct str){ data, n_data }), STR(literal))

static void chunks_become_data(void)
{
	is_verdict("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 0);
	is_data("hello world");
	is_verdict("a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n", 0);
	is_data("0123456789abcdefghij");
	is_verdict("0005\r\nhello\r\n000\r\n\r\n", 0);
	is_data("hello");
	is_verdict("0\r\n\r\n", 0);
	is_int(n_data, 0);
	is_verdict("5\r\n\r\n0\r\n\r\n0\r\n\r\n", 0);
	is_data("\r\n0\r\n");
}

static void what_follows_belongs_to_the_next_message(void)
{
	is_verdict("1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n", 0);
	is_int(n_used, 11);
	is_verdict("0\r\nA: b\r\n\r\n\r\n", 0);
	is_int(n_used, 11);
}

static void what_is_not_whole_needs_more(void)
{
	is_verdict("5", MORE);
	is_verdict("5\r", MORE);
	is_verdict("5\r\nhel", MORE);
	is_verdict("5\r\nhello", MORE);
	is_verdict("5\r\nhello\r\n0\r\n\r", MORE);
	is_verdict("5\r\nhello\r\n0\r\nA: b\r\n", MORE);
}

static void sizes_are_hex_digits_and_nothing_else(void)
{
	is_verdict("0x5\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("+5\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("-5\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict(" 5\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5 \r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5\t\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("G\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5h\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5,5\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("\xa0"
		   "5\r\nhello\r\n0\r\n\r\n",
		   400);
	is_verdict(";a\r\n", 400);
}

static void framing_lines_end_in_crlf(void)
{
	is_verdict("5\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5\rXhello\r\n0\r\n\r\n", 400);
	is_verdict("5\r\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5\r\nhelloXX0\r\n\r\n", 400);
	is_verdict("5\r\nhello!\r\n0\r\n\r\n", 400);
	is_verdict("5\r\nhello\n0\r\n\r\n", 400);
	is_verdict("5\r\nhello\rX0\r\n\r\n", 400);
	is_verdict("5\r\nhello\r\n\r\n0\r\n\r\n", 400);
	is_verdict("5;a\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5;a\rXhello\r\n0\r\n\r\n", 400);
	is_verdict("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", 400);
}

static void class_9_the_end_is_cr_lf_cr_lf(void)
{
	is_verdict("0\r\n\n", 400);
	is_verdict("0\r\n\rX", 400);
	is_verdict("0\n\r\n", 400);
	is_verdict("0\n\n", 400);
	is_verdict("0\r\nA: b\r\n\n", 400);
	is_verdict("0\r\nA: b\n\r\n", 400);
}

static void class_15_extensions_are_well_formed(void)
{
	is_verdict("5;a=b\r\nhello\r\n0;last\r\n\r\n", 0);
	is_data("hello");
	is_verdict("5;a=\"b c;d\"\r\nhello\r\n0\r\n\r\n", 0);
	is_verdict("5;a;b\r\nhello\r\n0\r\n\r\n", 0);
	is_verdict("5;\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5;=b\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5;a=\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5;;a\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5;a=b;\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5;a=x\"b\"\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5;a=\"b\"x\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5;a=\"b\x7f\"\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5;a=\"b\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5;a=b=c\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5;a\0b\r\nhello\r\n0\r\n\r\n", 400);
	is_verdict("5; a\r\nhello\r\n0\r\n\r\n", 400);
}

static void bytes_of_extensions_are_bounded(void)
{
	is_verdict("1;a23456789012345678\r\nx\r\n0\r\n\r\n", 0); /* 19 */
	is_verdict("1;a2345678901234567890\r\nx\r\n0\r\n\r\n", 400);
	is_verdict("1;a23456789\r\nx\r\n1;a23456789\r\nx\r\n0\r\n\r\n", 0);
	is_verdict("1;a23456789\r\nx\r\n1;a23456789\r\nx\r\n0;a\r\n\r\n", 400);
	is_verdict("00000000000000000000000000000000001\r\nx\r\n0\r\n\r\n", 0); /* 19 too many */
	is_verdict("000000000000000000000000000000000000000000001\r\nx\r\n0\r\n\r\n", 400);
}

static void the_body_is_bounded_before_it_comes(void)
{
	is_verdict("64\r\n", MORE);
	is_verdict("65", 413);
	is_verdict("1\r\nx\r\n63\r\n", MORE);
	is_verdict("1\r\nx\r\n64", 413);
	is_verdict("ffffffffffffffff\r\nhello", 413);
	is_verdict("10000000000000005\r\nhello", 413);
	is_verdict("1000;a=b;c=d\r\n", 413);
	limits.body_max = UINT64_MAX;
	is_verdict("ffffffffffffffff\r\nhello", MORE);
	is_data("hello");
	is_verdict("10000000000000000\r\nhello", 413);
	is_verdict("1\r\nx\r\nffffffffffffffff\r\n", 413);
	limits.body_max = 0;
	is_verdict("0\r\n\r\n", 0);
	is_verdict("1", 413);
	limits.body_max = 100;
}

static void trailers_are_checked_and_dropped(void)
{
	is_verdict("5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n", 0);
	is_data("hello");
	is_verdict("0\r\nX:\r\n\r\n", 0);
	is_verdict("0\r\nX: caf\xe9\t\r\n\r\n", 0);
	is_verdict("0\r\nX : 1\r\n\r\n", 400);
	is_verdict("0\r\n: 1\r\n\r\n", 400); /* class 11 */
	is_verdict("0\r\n:\r\n\r\n", 400);
	is_verdict("0\r\nX: 1\r\n 2\r\n\r\n", 400); /* class 12 */
	is_verdict("0\r\n X: 1\r\n\r\n", 400);
	is_verdict("0\r\nX: a\0b\r\n\r\n", 400);
	is_verdict("0\r\nX: a\x7f\r\n\r\n", 400);
	is_verdict("0\r\nX: a\rb\r\n\r\n", 400);
	is_verdict("0\r\nX\r\n\r\n", 400);
	is_verdict("0\r\nGET /static/a.txt HTTP/1.1\r\nHost: b\r\n\r\n", 400);
}

/* Class 16. A refusal is fine too; what counts is that nothing after the body moves. */
static void trailers_that_frame_change_nothing(void)
{
	static const char *const trailers[] = {
		"Content-Length: 48",  "Host: b",
		"Connection: close",   "Upgrade: x",
		"Connection: upgrade", "Transfer-Encoding: chunked",
	};

	for (size_t i = 0; i < ARRAY_LEN(trailers); i++) {
		char text[100];
		int len = snprintf(text, sizeof(text), "0\r\n%s\r\n\r\nGET /", trailers[i]);
		int got = verdict_of((struct str){ text, (size_t)len }, __FILE__, __LINE__);

		is_true(got == 400 || (got == 0 && n_used == (size_t)len - 5));
	}
}

static void bytes_of_trailers_are_bounded(void)
{
	is_verdict("0\r\nX: 78901234567890123456789012345678\r\n\r\n", 0);
	is_verdict("0\r\nX: 7890123456789012345678901234567890123\r\n\r\n", 431);
	is_verdict("0\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n", 0);
	is_verdict("0\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA", 431);
}

static void trailers_that_are_kept_are_the_same_however_they_came(void)
{
	const struct http_body_limits keeping = {
		.body_max = 100, .extensions_max = 20, .trailers_max = 400, .keep_trailers = true
	};
	struct str bytes = STR("1\r\nx\r\n0\r\nA: b\r\nLong-Name: \t c d \r\nEmpty:\r\n\r\nGET");

	for (size_t step = 1; step <= bytes.len; step++) {
		struct http_body *body = http_body_create(&keeping, false);
		struct http_field fields[HTTP_TRAILERS_MAX];
		enum http_body_step got = HTTP_BODY_MORE;
		struct str slice;
		int status;

		for (size_t at = 0, used; got != HTTP_BODY_END; at += used) {
			got = http_body_read(body, str_first(str_skip(bytes, at), step), &used,
					     &slice, &status);
			check(got != HTTP_BODY_BAD);
		}
		is_int(http_body_trailers(body, fields), 3);
		is_str(fields[0].name, STR("A"));
		is_str(fields[1].value, STR("c d"));
		is_str(fields[2].name, STR("Empty"));
		is_int(fields[2].value.len, 0);
		http_body_destroy(body);
	}
}

static void trailers_are_bounded_in_number(void)
{
	limits.trailers_max = 1000;
	for (size_t n = HTTP_TRAILERS_MAX; n <= HTTP_TRAILERS_MAX + 1; n++) {
		char bytes[1000] = "0\r\n";

		for (size_t i = 0; i < n; i++)
			strcat(bytes, "A:b\r\n");
		strcat(bytes, "\r\n");
		is_int(verdict_in_steps(str_of(bytes), 1000), n > HTTP_TRAILERS_MAX ? 431 : 0);
	}
	limits.trailers_max = 40;
}

static void a_response_is_read_alike(void)
{
	as_response = true;
	is_verdict("5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", 0);
	is_data("hello");
	is_int(n_used, 15);
	is_verdict("5\nhello", 400);
	is_verdict("65", 413);
	as_response = false;
}

static void a_failed_body_stays_failed(void)
{
	struct http_body *body = http_body_create(&limits, false);
	struct str slice;
	size_t used;
	int status = 0;

	is_int(http_body_read(body, STR("65"), &used, &slice, &status), HTTP_BODY_BAD);
	status = 0;
	is_int(http_body_read(body, STR("\r\n"), &used, &slice, &status), HTTP_BODY_BAD);
	is_int(status, 413);
	is_int(used, 0);
	http_body_destroy(body);
	http_body_destroy(NULL);
}

static void an_ended_body_uses_nothing_more(void)
{
	struct http_body *body = http_body_create(&limits, false);
	struct str slice;
	size_t used;
	int status;

	is_int(http_body_read(body, STR("0\r\n\r\n"), &used, &slice, &status), HTTP_BODY_END);
	is_int(used, 5);
	is_int(http_body_read(body, STR("GET"), &used, &slice, &status), HTTP_BODY_END);
	is_int(used, 0);
	http_body_destroy(body);
}

int main(void)
{
	TEST(chunks_become_data);
	TEST(what_follows_belongs_to_the_next_message);
	TEST(what_is_not_whole_needs_more);
	TEST(sizes_are_hex_digits_and_nothing_else);
	TEST(framing_lines_end_in_crlf);
	TEST(class_9_the_end_is_cr_lf_cr_lf);
	TEST(class_15_extensions_are_well_formed);
	TEST(bytes_of_extensions_are_bounded);
	TEST(the_body_is_bounded_before_it_comes);
	TEST(trailers_are_checked_and_dropped);
	TEST(trailers_that_frame_change_nothing);
	TEST(bytes_of_trailers_are_bounded);
	TEST(trailers_that_are_kept_are_the_same_however_they_came);
	TEST(trailers_are_bounded_in_number);
	TEST(a_response_is_read_alike);
	TEST(a_failed_body_stays_failed);
	TEST(an_ended_body_uses_nothing_more);
	return tap_done();
}
