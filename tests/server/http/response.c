/* tests/server/http/response.c: heads of responses. */
#include "server/http/response.h"
#include "tests/lib/tap.h"
#include <errno.h>

static const struct http_limits limits = {
	.line_max = 100, .head_max = 400, .fields_max = 5, .body_max = 10
};
static struct http_field fields[HTTP_FIELDS_MAX];
static struct http_response_head head;

static int verdict_in_steps(struct str bytes, enum http_method request, size_t step)
{
	struct http_scan scan = { 0 };
	enum http_step scanned = HTTP_MORE;
	size_t size = 0;

	for (size_t len = MIN(step, bytes.len); scanned == HTTP_MORE; len += step) {
		scanned = http_response_scan(&scan, str_first(bytes, len), &limits, &size);
		if (len >= bytes.len)
			break;
	}
	if (scanned != HTTP_WHOLE)
		return scanned == HTTP_BAD ? -EBADMSG : -EAGAIN;
	head = (struct http_response_head){ .fields = fields };
	return http_response_parse(str_first(bytes, size), request, &limits, &head);
}

static int verdict_of(struct str bytes, enum http_method request, const char *file, int line)
{
	int by_byte = verdict_in_steps(bytes, request, 1);
	int whole = verdict_in_steps(bytes, request, bytes.len);

	tap_ok(whole == by_byte, file, line, "%d at once, %d byte by byte", whole, by_byte);
	return whole;
}

#define is_verdict_on(literal, request, want)                                                      \
	tap_is_int(verdict_of(STR(literal), request, __FILE__, __LINE__), (want), __FILE__,        \
		   __LINE__, "the verdict on " #literal)
#define is_verdict(literal, want) is_verdict_on(literal, HTTP_GET, want)
#define is_fields(lines, want) is_verdict("HTTP/1.1 200 OK\r\n" lines "\r\n", want)

static void a_head_is_read_into_its_parts(void)
{
	is_verdict("HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nX: \ty \r\n\r\nbody", 0);
	is_int(head.status, 404);
	is_str(head.reason, STR("Not Found"));
	is_int(head.minor, 1);
	is_true(head.keep_alive);
	is_int(head.framing, HTTP_FRAMING_LENGTH);
	is_int(head.length, 12);
	is_int(head.n_fields, 2);
	is_str(http_response_find(&head, STR("x"))->value, STR("y"));
	is_null(http_response_find(&head, STR("z")));
}

static void a_reason_may_be_missing(void)
{
	is_verdict("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 0);
	is_str(head.reason, STR(""));
	is_int(head.framing, HTTP_FRAMING_NONE);
	is_verdict("HTTP/1.1 200 \r\n\r\n", 0);
	is_str(head.reason, STR(""));
	is_verdict("HTTP/1.1 200 caf\xe9 \ttoo\r\n\r\n", 0);
}

static void bad_status_lines_are_refused(void)
{
	is_verdict("HTTP/1.1 99 X\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1 099 X\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1 600 X\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1 999 X\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1 2000 X\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1 20 X\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1 2x0 X\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1  200 X\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1 200OK\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1\t200 OK\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/2.0 200 OK\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.10 200 OK\r\n\r\n", -EBADMSG);
	is_verdict("http/1.1 200 OK\r\n\r\n", -EBADMSG);
	is_verdict("ICY 200 OK\r\n\r\n", -EBADMSG);
	is_verdict("\r\nHTTP/1.1 200 OK\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1 200 O\x01K\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1 200 OK\n\r\n", -EBADMSG);
	is_verdict("<html>", -EBADMSG);
	is_verdict("\x15\x03", -EBADMSG);
}

static void what_is_not_whole_needs_more(void)
{
	is_verdict("HTTP/1.1 200 OK\r\n", -EAGAIN);
	is_verdict("HTTP/1.1 200 OK\r\nX: y\r\n\r", -EAGAIN);
}

static void versions_decide_about_keep_alive(void)
{
	is_verdict("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", 0);
	is_false(head.keep_alive);
	is_verdict("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", 0);
	is_true(head.keep_alive);
	is_fields("Content-Length: 1\r\nConnection: Close\r\n", 0);
	is_false(head.keep_alive);
	is_verdict("HTTP/1.7 200 OK\r\nContent-Length: 1\r\n\r\n", 0);
	is_true(head.keep_alive);
	is_int(head.minor, 1);
}

static void framing_is_one_of_four(void)
{
	is_fields("", 0);
	is_int(head.framing, HTTP_FRAMING_CLOSE);
	is_false(head.keep_alive);
	is_fields("Transfer-Encoding: Chunked\r\n", 0);
	is_int(head.framing, HTTP_FRAMING_CHUNKED);
	is_true(head.keep_alive);
	is_fields("Content-Length: 18\r\n", 0); /* what is too large is not decided here */
	is_int(head.framing, HTTP_FRAMING_LENGTH);
	is_fields("Content-Length: 0\r\n", 0);
	is_int(head.framing, HTTP_FRAMING_NONE);
}

static void some_responses_have_no_body(void)
{
	is_verdict_on("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", HTTP_HEAD, 0);
	is_int(head.framing, HTTP_FRAMING_NONE);
	is_true(head.keep_alive);
	is_verdict_on("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_HEAD, 0);
	is_int(head.framing, HTTP_FRAMING_NONE);
	is_verdict_on("HTTP/1.1 200 OK\r\n\r\n", HTTP_HEAD, 0);
	is_int(head.framing, HTTP_FRAMING_NONE);
	is_verdict("HTTP/1.1 204 No Content\r\n\r\n", 0);
	is_int(head.framing, HTTP_FRAMING_NONE);
	is_verdict("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 0);
	is_verdict("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 0);
	is_int(head.framing, HTTP_FRAMING_NONE);
	is_verdict("HTTP/1.1 100 Continue\r\n\r\n", 0);
	is_int(head.framing, HTTP_FRAMING_NONE);
	is_verdict("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
		   "Upgrade: websocket\r\n\r\n",
		   0);
	is_int(head.framing, HTTP_FRAMING_NONE);
	is_verdict("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", -EBADMSG);
	is_verdict("HTTP/1.1 100 Continue\r\nContent-Length: 9\r\n\r\n", -EBADMSG);
}

static void framing_that_can_be_read_in_two_ways_is_refused(void)
{
	is_fields("Content-Length: 1\r\nContent-Length: 1\r\n", -EBADMSG);
	is_fields("Content-Length: 1\r\nContent-Length: 2\r\n", -EBADMSG);
	is_fields("Content-Length: 1, 1\r\n", -EBADMSG);
	is_fields("Content-Length: +1\r\n", -EBADMSG);
	is_fields("Content-Length:\r\n", -EBADMSG);
	is_fields("Content-Length: 18446744073709551616\r\n", -EBADMSG);
	is_fields("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", -EBADMSG);
	is_fields("Transfer-Encoding: gzip, chunked\r\n", -EBADMSG);
	is_fields("Transfer-Encoding: identity\r\n", -EBADMSG);
	is_fields("Transfer-Encoding:\r\n", -EBADMSG);
	is_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", -EBADMSG);
	is_verdict("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", -EBADMSG);
}

static void bad_fields_are_refused(void)
{
	is_fields("X : y\r\n", -EBADMSG);
	is_fields(": y\r\n", -EBADMSG);
	is_fields("X\r\n", -EBADMSG);
	is_fields("X: y\r\n z\r\n", -EBADMSG);
	is_fields("X: y\rz\r\n", -EBADMSG);
	is_fields("X: y\nZ: z\r\n", -EBADMSG);
	is_fields("X: a\0b\r\n", -EBADMSG);
	is_fields("A:\r\nB:\r\nC:\r\nD:\r\nE:\r\n", 0);
	is_fields("A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\n", -EBADMSG);
}

static void long_heads_are_refused(void)
{
	char text[600];

	memset(text, 'x', sizeof(text));
	memcpy(text, "HTTP/1.1 200 ", 13);
	is_int(verdict_of((struct str){ text, 100 }, HTTP_GET, __FILE__, __LINE__), -EAGAIN);
	is_int(verdict_of((struct str){ text, 101 }, HTTP_GET, __FILE__, __LINE__), -EBADMSG);
	memcpy(text, "HTTP/1.1 200\r\nX: ", 17);
	is_int(verdict_of((struct str){ text, 399 }, HTTP_GET, __FILE__, __LINE__), -EAGAIN);
	is_int(verdict_of((struct str){ text, 400 }, HTTP_GET, __FILE__, __LINE__), -EBADMSG);
}

int main(void)
{
	TEST(a_head_is_read_into_its_parts);
	TEST(a_reason_may_be_missing);
	TEST(bad_status_lines_are_refused);
	TEST(what_is_not_whole_needs_more);
	TEST(versions_decide_about_keep_alive);
	TEST(framing_is_one_of_four);
	TEST(some_responses_have_no_body);
	TEST(framing_that_can_be_read_in_two_ways_is_refused);
	TEST(bad_fields_are_refused);
	TEST(long_heads_are_refused);
	return tap_done();
}
