/* tests/server/http/head.c: heads of requests: their parts, limits and statuses. */
#include "server/http/llhttp_names.h"
#include "tests/server/http/head_verdict.h"
#include <stdlib.h>

static int drop(llhttp_t *parser, const char *at, size_t len)
{
	(void)parser;
	(void)at;
	(void)len;
	return 0;
}

static void llhttp_is_built_in_strict_mode(void)
{
	static const llhttp_settings_t settings = { .on_url = drop };
	const struct str bytes = STR("GET / HTTP/1.1\r\nHost: a\r\n\rX");
	llhttp_t parser;

	llhttp_init(&parser, HTTP_REQUEST, &settings);
	is_int(llhttp_execute(&parser, bytes.ptr, bytes.len), HPE_STRICT);
}

static void a_head_is_read_into_its_parts(void)
{
	is_verdict("GET /a/b?x=1&y HTTP/1.1\r\nHost: Shop.test:8080\r\nX-A:\t v "
		   "\t\r\nX-B:\r\n\r\nrest",
		   0);
	is_int(head.method_id, HTTP_GET);
	is_str(head.method, STR("GET"));
	is_str(head.target, STR("/a/b?x=1&y"));
	is_str(head.path, STR("/a/b"));
	is_str(head.query, STR("x=1&y"));
	is_str(head.host, STR("Shop.test"));
	is_str(head.authority, STR("Shop.test:8080"));
	is_int(head.minor, 1);
	is_true(head.keep_alive);
	is_false(head.chunked);
	is_false(head.has_length);
	is_false(head.expects_continue);
	is_int(head.n_fields, 3);
	is_str(head.fields[1].name, STR("X-A"));
	is_str(head.fields[1].value, STR("v"));
	is_str(head.fields[2].value, STR(""));
	is_str(http_head_find(&head, STR("x-a"))->value, STR("v"));
	is_null(http_head_find(&head, STR("x-c")));
	is_int(head_size, 66);
}

static void a_query_may_be_missing_or_empty(void)
{
	is_target("/a", 0);
	is_null(head.query.ptr);
	is_target("/a?", 0);
	is_true(head.query.ptr != NULL);
	is_int(head.query.len, 0);
	is_target("/a??b=/../?", 0);
	is_str(head.query, STR("?b=/../?"));
}

static void one_crlf_before_a_request_is_passed_over(void)
{
	is_verdict("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	is_int(head_size, 29);
}

static void what_is_not_whole_needs_more(void)
{
	is_verdict("", MORE);
	is_verdict("\r", MORE);
	is_verdict("\r\n", MORE);
	is_verdict("GE", MORE);
	is_verdict("GET / HTTP/1.1\r\nHost: a\r\n\r", MORE);
}

static void expectations_are_met_or_refused(void)
{
	is_fields("Expect: 100-Continue\r\n", 0);
	is_true(head.expects_continue);
	is_fields("Expect: the-unexpected\r\n", 417);
	is_fields("Expect: 100-continue\r\nExpect: 100-continue\r\n", 417);
	is_fields("Expect: 100-continue, x\r\n", 417);
	is_fields("Expect: 100-continue\r\nContent-Length: 1001\r\n", 413);
	is_verdict("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", 0);
	is_false(head.expects_continue);
}

static void te_may_ask_for_trailers(void)
{
	is_fields("TE: gzip, Trailers\r\n", 0);
	is_true(head.wants_trailers);
	is_fields("TE: gzip\r\n", 0);
	is_false(head.wants_trailers);
}

static void methods_are_tokens_that_llhttp_knows(void)
{
	is_line("PATCH / HTTP/1.1", 0);
	is_int(head.method_id, HTTP_PATCH);
	is_line("PROPFIND / HTTP/1.1", 0);
	is_int(head.method_id, HTTP_OTHER);
	is_str(head.method, STR("PROPFIND"));
	is_line("BREW / HTTP/1.1", 501);
	is_line("get / HTTP/1.1", 501);
	is_line("GETX / HTTP/1.1", 501);
	is_line("GE / HTTP/1.1", 501);
	is_line("DESCRIBE / HTTP/1.1", 501);
	is_line("GE(T / HTTP/1.1", 400);
	is_line("G\xc9T / HTTP/1.1", 400);
	is_str(http_method_name(HTTP_DELETE), STR("DELETE"));
	is_str(http_method_name(HTTP_OTHER), STR(""));
	is_int(http_method_find(STR("OPTIONS")), HTTP_OPTIONS);
	is_int(http_method_find(STR("options")), HTTP_OTHER);
}

/* `n` bytes of `c` between the two texts. */
static int verdict_of_long(const char *before, char c, size_t n, const char *after)
{
	size_t len = strlen(before) + n + strlen(after);
	char *text = malloc(len + 1);
	int got;

	memcpy(text, before, strlen(before));
	memset(text + strlen(before), c, n);
	memcpy(text + strlen(before) + n, after, strlen(after) + 1);
	got = verdict_of((struct str){ text, len }, __FILE__, __LINE__);
	free(text);
	return got;
}

static void the_request_line_is_bounded(void)
{
	const char *before = "GET /", *after = " HTTP/1.1\r\nHost: a\r\n\r\n";

	is_int(verdict_of_long(before, 'x', 186, after), 0); /* 200 bytes */
	is_int(verdict_of_long(before, 'x', 187, after), 414);
	is_int(verdict_of_long("", 'X', 200, ""), MORE);
	is_int(verdict_of_long("", 'X', 201, ""), 414);
	is_int(verdict_of_long("", 'X', 201, "\n"), 414);
	is_int(verdict_of_long("\r\nGET /", 'x', 186, after), 0);
}

static void the_head_is_bounded(void)
{
	const char *before = "GET / HTTP/1.1\r\nHost: a\r\nX: ";

	is_int(verdict_of_long(before, 'x', 1000 - 28 - 4, "\r\n\r\n"), 0);
	is_int(verdict_of_long(before, 'x', 1001 - 28 - 4, "\r\n\r\n"), 431);
	is_int(verdict_of_long(before, 'x', 999 - 28, ""), MORE);
	is_int(verdict_of_long(before, 'x', 1000 - 28, ""), 431); /* cannot become whole */
}

static void the_number_of_fields_is_bounded(void)
{
	is_fields("a:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\n", 0);
	is_fields("a:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\n", 431);
	is_fields("a:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\n b\r\n", 400);
	is_verdict("GET / HTTP/1.1\r\nHost: "
		   "a\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\ni:\r\nj:\r\nk",
		   431);
}

static void errors_are_found_as_soon_as_their_byte_is_there(void)
{
	is_verdict("(", 400);
	is_verdict("GET / HTTP/1.1\r\nHost: a\n", 400);
	is_verdict("GET / HTTP/1.1\r\nHost: a\rX", 400);
	is_verdict("GET / HTTP/1.1\r\n ", 400);
	is_verdict("GET /\x01", 400);
}

static void a_dribbled_head_is_scanned_once(void)
{
	struct str bytes = STR("GET / HTTP/1.1\r\nHost: a\r\nX: yyyyyyyy");
	struct http_scan scan = { 0 };
	size_t size;
	int status;

	is_int(http_head_scan(&scan, bytes, &limits, &size, &status), HTTP_MORE);
	is_int(scan.at, bytes.len);
	is_int(scan.line_start, 25);
	is_int(scan.n_lines, 2);
}

static void tokens_values_and_hosts_are_recognised(void)
{
	is_true(http_is_token(STR("a-Z09!~")));
	is_false(http_is_token(STR("")));
	is_false(http_is_token(STR("a b")));
	is_false(http_is_token(STR("a\"")));
	is_false(http_is_token(STR("a\x80")));
	is_true(http_is_field_value(STR("")));
	is_true(http_is_field_value(STR("a\tb \xff")));
	is_false(http_is_field_value(STR("a\r\nb")));
	is_false(http_is_field_value(STR("12345678\x7f")));
	is_true(http_is_host(STR("a.b:1")));
	is_false(http_is_host(STR("")));
	is_false(http_is_host(STR("[]")));
}

/* The words of eight bytes, against the definition. */
static void controls_are_found_wherever_they_stand(void)
{
	unsigned wrong = 0;
	char text[16];

	for (unsigned c = 0; c < 256; c++) {
		for (unsigned d = 0; d < 256; d++) {
			bool bad = ((c < 0x20 && c != '\t') || c == 0x7f) ||
				   ((d < 0x20 && d != '\t') || d == 0x7f);

			memset(text, 'x', sizeof(text));
			text[c % 7] = (char)c;
			text[c % 7 + 1] = (char)d;
			wrong += http_is_field_value((struct str){ text, 16 }) == bad;
		}
	}
	is_int(wrong, 0);
}

int main(void)
{
	TEST(llhttp_is_built_in_strict_mode);
	TEST(a_head_is_read_into_its_parts);
	TEST(a_query_may_be_missing_or_empty);
	TEST(one_crlf_before_a_request_is_passed_over);
	TEST(what_is_not_whole_needs_more);
	TEST(expectations_are_met_or_refused);
	TEST(te_may_ask_for_trailers);
	TEST(methods_are_tokens_that_llhttp_knows);
	TEST(the_request_line_is_bounded);
	TEST(the_head_is_bounded);
	TEST(the_number_of_fields_is_bounded);
	TEST(errors_are_found_as_soon_as_their_byte_is_there);
	TEST(a_dribbled_head_is_scanned_once);
	TEST(tokens_values_and_hosts_are_recognised);
	TEST(controls_are_found_wherever_they_stand);
	return tap_done();
}
