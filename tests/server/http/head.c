/* tests/server/http/head.c: heads of requests; the numbers of classes are those of §2 of the corpus' recipe. */
#include "server/http/head.h"
#include "server/http/llhttp_names.h"
#include "tests/lib/tap.h"
#include <stdlib.h>

enum { MORE = -1 };

static const struct http_limits limits = {
	.line_max = 200, .head_max = 1000, .fields_max = 10, .body_max = 1000
};
static struct http_field fields[HTTP_FIELDS_MAX];
static struct http_head head;
static size_t head_size;

/* 0: accepted; a status; or MORE. The bytes come `step` at a time. */
static int verdict_in_steps(struct str bytes, size_t step)
{
	struct http_scan scan = { 0 };
	enum http_step scanned = HTTP_MORE;
	int status = 0;

	for (size_t len = MIN(step, bytes.len); scanned == HTTP_MORE; len += step) {
		len = MIN(len, bytes.len);
		scanned =
			http_head_scan(&scan, str_first(bytes, len), &limits, &head_size, &status);
		if (len == bytes.len)
			break;
	}
	if (scanned == HTTP_MORE)
		return MORE;
	if (scanned == HTTP_BAD)
		return status;
	head = (struct http_head){ .fields = fields };
	return http_head_parse(str_first(bytes, head_size), &limits, &head);
}

static int verdict_of(struct str bytes, const char *file, int line)
{
	int whole = verdict_in_steps(bytes, bytes.len), by_byte = verdict_in_steps(bytes, 1);

	tap_ok(whole == by_byte, file, line, "%d at once, %d byte by byte", whole, by_byte);
	return whole;
}

/* A text may hold a NUL, so it is a literal. */
#define verdict(literal) verdict_of(STR(literal), __FILE__, __LINE__)
#define is_verdict(literal, want)                                                                  \
	tap_is_int(verdict(literal), (want), __FILE__, __LINE__, "the verdict on " #literal)
/* With a good line, or a good line and Host, around what is tested. */
#define is_line(line, want) is_verdict(line "\r\nHost: a\r\n\r\n", want)
#define is_target(target, want) is_line("GET " target " HTTP/1.1", want)
#define is_fields(lines, want) is_verdict("POST / HTTP/1.1\r\nHost: a\r\n" lines "\r\n", want)
#define is_host(host, want) is_verdict("GET / HTTP/1.1\r\nHost:" host "\r\n\r\n", want)

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

static void class_1_host_is_there_once_and_well_formed(void)
{
	is_verdict("GET / HTTP/1.1\r\n\r\n", 400);
	is_verdict("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
	is_verdict("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhOST: b\r\n\r\n", 400);
	is_verdict("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400);
	is_verdict("GET / HTTP/1.0\r\n\r\n", 0);
	is_host(" a b", 400);
	is_host(" a/c", 400);
	is_host(" a@d", 400);
	is_host(" a, b", 400);
	is_host(" a#", 400);
	is_host(" te\tst", 400);
	is_host(" [::1", 400);
	is_host(" ::1", 400);
	is_host(" [::1]x", 400);
	is_host(" [::g]", 400);
	is_host(" [1.2.3.4]", 400);
	is_host(" [v1.x]", 400);
	is_host(" h:8x", 400);
	is_host(" h:65536", 400);
	is_host(" h:-1", 400);
	is_host(" :80", 400);
	is_host("", 400);
	is_host(" %zz", 400);
	is_host(" a%4", 400);
	is_host(" h:", 0);
	is_host(" h:65535", 0);
	is_host(" a_b.c-d", 0);
	is_host(" a%20b", 0);
	is_host(" [::1]:80", 0);
	is_str(head.host, STR("[::1]"));
}

static void class_2_and_3_the_version_is_there_and_known(void)
{
	is_line("POST /x", 400);
	is_line("GET /pHTTP/1.1", 400);
	is_verdict("GET /\r\n\r\n", 400);
	is_verdict("POST /x\nHost: a\r\n\r\n", 400);
	is_line("GET / HTTP/0.9", 505);
	is_line("GET / HTTP/2.0", 505);
	is_line("GET / HTTP/3.0", 505);
	is_line("GET / HTTP/1", 400);
	is_line("GET / HTTP/1.10", 400);
	is_line("GET / HTTP/11.1", 400);
	is_line("GET / http/1.1", 400);
	is_line("GET / HTTP/1.x", 400);
	is_line("GET / HTTP/1,1", 400);
}

static void a_higher_minor_version_counts_as_1(void)
{
	is_line("GET / HTTP/1.2", 0);
	is_int(head.minor, 1);
	is_true(head.keep_alive);
	is_line("GET / HTTP/1.9", 0);
	is_verdict("GET / HTTP/1.5\r\n\r\n", 400);
	is_line("GET / HTTP/1.0", 0);
	is_int(head.minor, 0);
	is_false(head.keep_alive);
}

static void class_4_no_other_protocol_is_spoken(void)
{
	is_line("GET / RTSP/1.0", 400);
	is_line("POST /e RTSP/1.1", 400);
	is_line("OPTIONS * RTSP/1.1", 400);
	is_line("SOURCE / ICE/1.1", 400);
}

static void class_5_the_preface_of_http_2_is_refused(void)
{
	is_verdict("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
	is_verdict("PRI /x HTTP/1.1\r\nHost: a\r\n\r\n", 501);
	is_verdict("PRI * HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

static void class_6_one_space_stands_between_the_parts(void)
{
	is_line("GET  / HTTP/1.1", 400);
	is_line("GET /  HTTP/1.1", 400);
	is_line(" GET / HTTP/1.1", 400);
	is_line("GET / HTTP/1.1 ", 400);
	is_line("GET\t/\tHTTP/1.1", 400);
	is_line("GET / HTTP/1.1 x", 400);
	is_line("GET /a b HTTP/1.1", 400);
	is_line("GET HTTP/1.1", 400);
	is_line("GET", 400);
}

static void class_7_nothing_else_stands_before_a_request(void)
{
	is_verdict("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	is_verdict("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	is_verdict("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	is_verdict("\r\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	is_verdict("\x16\x03\x01", 400);
}

static void class_8_and_9_lines_end_in_crlf(void)
{
	is_verdict("GET / HTTP/1.1\nHost: a\r\n\r\n", 400);
	is_verdict("GET / HTTP/1.1\rHost: a\r\n\r\n", 400);
	is_verdict("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400);
	is_verdict("GET / HTTP/1.1\r\nHost: a\n\r\n", 400);
	is_verdict("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400);
	is_verdict("GET / HTTP/1.1\r\nHost: a\r\n\n", 400);
	is_verdict("GET / HTTP/1.1\r\nHost: a\r\n\rX", 400);
	is_fields("X: b\rContent-Length: 48\r\n", 400);
	is_fields("X: \rxTransfer-Encoding: chunked\r\n", 400);
}

static void class_10_the_target_fits_the_method(void)
{
	is_target("*", 400);
	is_target("*abc", 400);
	is_target("echo", 400);
	is_target("/a#b", 400);
	is_target("/a?b#c", 400);
	is_target("/a\"b", 400);
	is_target("/a<b", 400);
	is_target("/a>b", 400);
	is_target("/a\\b", 400);
	is_target("/a^b", 400);
	is_target("/a`b", 400);
	is_target("/a{b", 400);
	is_target("/a|b", 400);
	is_target("/a}b", 400);
	is_target("/a[b]", 400);
	is_target("/a?b\"c", 400);
	is_target("/a?b<c", 400);
	is_target("/%zz", 400);
	is_target("/%", 400);
	is_target("/%4", 400);
	is_target("/%00", 400);
	is_target("/a\x7f", 400);
	is_target("/caf\xe9", 400);
	is_target("/a\x01", 400);
	is_target("/a\0b", 400);
	is_target("foo://a/", 400);
	is_target("ftp://a/", 400);
	is_target("http:///x", 400);
	is_target("http://", 400);
	is_target("http://?x", 400);
	is_target("http://u:p@a/", 400);
	is_target("http://a:99999999/", 400);
	is_target("http://]][[/", 400);
	is_target("http:/a", 400);
	is_line("OPTIONS */x HTTP/1.1", 400);
	is_line("CONNECT /x HTTP/1.1", 405);
	is_line("CONNECT a HTTP/1.1", 405);
	is_line("CONNECT a:80 HTTP/1.1", 405);
}

static void good_targets_are_taken_apart(void)
{
	is_target("/a[", 400);
	is_target("/?f[a]={b}|c^d`e\\", 0); /* what browsers leave as it is in a query */
	is_target("/%41-._~!$&'()*+,;=:@", 0);
	is_target("//evil.test/x", 0);
	is_str(head.path, STR("//evil.test/x"));
	is_line("OPTIONS * HTTP/1.1", 0);
	is_str(head.path, STR("*"));
	is_target("http://b.test:80/p?q", 0);
	is_str(head.host, STR("b.test"));
	is_str(head.path, STR("/p"));
	is_str(head.query, STR("q"));
	is_str(head.target, STR("http://b.test:80/p?q"));
	is_target("HTTPS://b.test", 0);
	is_str(head.path, STR("/"));
	is_null(head.query.ptr);
	is_target("http://b.test?q", 0);
	is_str(head.path, STR("/"));
	is_str(head.query, STR("q"));
	is_verdict("GET http://b.test/ HTTP/1.1\r\n\r\n", 400);
}

static void class_11_field_names_are_tokens(void)
{
	is_fields(": x\r\n", 400);
	is_fields(":\r\n", 400);
	is_fields("X : y\r\n", 400);
	is_fields("X\t: y\r\n", 400);
	is_fields("X Y: z\r\n", 400);
	is_fields("X@Y: z\r\n", 400);
	is_fields("X-\xe9: z\r\n", 400);
	is_fields("X/Y: z\r\n", 400);
	is_fields("Foo\r\n", 400);
	is_fields("Foo bar\r\n", 400);
	is_fields("!#$%&'*+-.^_`|~09azAZ: z\r\n", 0);
}

static void class_12_no_line_is_folded(void)
{
	is_fields("X: a\r\n b\r\n", 400);
	is_fields("X: a\r\n\tb\r\n", 400);
	is_fields("X: a\r\n \r\nY: b\r\n", 400);
	is_fields(" Content-Length: 50\r\n", 400);
	is_verdict("GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n", 400);
	is_fields("Transfer-Encoding:\r\n chunked\r\n", 400);
}

static void field_values_hold_no_controls(void)
{
	is_fields("X: a\0b\r\n", 400);
	is_fields("X: a\x01"
		  "b\r\n",
		  400);
	is_fields("X: a\x7f"
		  "b\r\n",
		  400);
	is_fields("X: a\x0b\r\n", 400);
	is_fields("X: a\tb caf\xe9 \xff\r\n", 0);
	is_fields("X:\r\n", 0);
	is_fields("X:\t\t\r\n", 0);
	is_fields("Long-Enough-For-Eight: 1234567\x1f"
		  "890\r\n",
		  400);
}

static void class_13_the_only_coding_is_chunked(void)
{
	is_fields("Transfer-Encoding: chunked\r\n", 0);
	is_true(head.chunked);
	is_false(head.has_length);
	is_fields("tRANSFER-ENCODING:\t CHUNKED  \r\n", 0);
	is_fields("Transfer-Encoding: gzip, chunked\r\n", 501);
	is_fields("Transfer-Encoding: identity\r\n", 501);
	is_fields("Transfer-Encoding: identity, chunked\r\n", 501);
	is_fields("Transfer-Encoding: \"x y(/)\xff, chunked\r\n", 501);
	is_fields("Transfer-Encoding: ,chunked\r\n", 501);
	is_fields("Transfer-Encoding: chunked,\r\n", 501);
	is_fields("Transfer-Encoding: chunked, chunked\r\n", 501);
	is_fields("Transfer-Encoding: chunked;q=1\r\n", 501);
	is_fields("Transfer-Encoding: xchunked\r\n", 501);
	is_fields("Transfer-Encoding: \"chunked\"\r\n", 501);
	is_fields("Transfer-Encoding: foo\r\nTransfer-Encoding: chunked\r\n", 400);
	is_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400);
	is_fields("Transfer-Encoding:\r\n", 400);
	is_fields("Transfer-Encoding:\r\nContent-Length: 5\r\n", 400);
	is_fields("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400);
	is_fields("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400);
	is_verdict("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
	is_verdict("POST / HTTP/1.0\r\nConnection: keep-alive\r\n"
		   "Transfer-Encoding: chunked\r\n\r\n",
		   400);
}

static void class_14_an_upgrade_is_told_and_changes_nothing(void)
{
	is_fields("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n", 0);
	is_str(head.upgrade, STR("websocket"));
	is_int(head.length, 3);
	is_true(head.keep_alive);
	is_fields("Upgrade: h2c\r\n", 0);
	is_null(head.upgrade.ptr);
	is_fields("Connection: upgrade\r\n", 0);
	is_null(head.upgrade.ptr);
	is_verdict("GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 0);
	is_null(head.upgrade.ptr);
}

static void class_17_a_length_is_one_number_that_fits(void)
{
	is_fields("Content-Length: 1000\r\n", 0);
	is_true(head.has_length);
	is_int(head.length, 1000);
	is_fields("Content-Length: 0011\r\n", 0);
	is_int(head.length, 11);
	is_fields("Content-Length:   5  \r\n", 0);
	is_int(head.length, 5);
	is_fields("Content-Length: 0\r\n", 0);
	is_true(head.has_length);
	is_fields("Content-Length: 1001\r\n", 413);
	is_fields("Content-Length: 9223372036854775807\r\n", 413);
	is_fields("Content-Length: 18446744073709551615\r\n", 400);
	is_fields("Content-Length: 18446744073709551621\r\n", 400);
	is_fields("Content-Length: 5\r\nContent-Length: 5\r\n", 400);
	is_fields("Content-Length: 5\r\nContent-Length: 6\r\n", 400);
	is_fields("Content-Length: 5, 5\r\n", 400);
	is_fields("Content-Length: +5\r\n", 400);
	is_fields("Content-Length: -5\r\n", 400);
	is_fields("Content-Length: 0x5\r\n", 400);
	is_fields("Content-Length: 5 5\r\n", 400);
	is_fields("Content-Length: 5_0\r\n", 400);
	is_fields("Content-Length: 5.0\r\n", 400);
	is_fields("Content-Length:\r\n", 400);
	is_fields("Content-Length: five\r\n", 400);
	is_fields("Content-Length: 5\xa0\r\n", 400);
	is_fields("Content-Length : 5\r\n", 400);
}

static void class_18_connection_is_a_list_of_tokens(void)
{
	is_fields("Connection: close\r\n", 0);
	is_false(head.keep_alive);
	is_fields("Connection: close\t\r\n", 0);
	is_false(head.keep_alive);
	is_fields("Connection: foo,\tCLOSE\r\n", 0);
	is_false(head.keep_alive);
	is_fields("Connection: keep-alive, close\r\n", 0);
	is_false(head.keep_alive);
	is_fields("Connection: close foo\r\n", 0);
	is_false(head.keep_alive);
	is_fields("Connection: , keep-alive ,\r\n", 0);
	is_true(head.keep_alive);
	is_fields("Connection:\r\n", 0);
	is_true(head.keep_alive);
	is_verdict("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 0);
	is_true(head.keep_alive);
	is_true(http_head_has_token(&head, STR("connection"), STR("keep-alive")));
	is_false(http_head_has_token(&head, STR("connection"), STR("keep")));
}

static void class_19_values_are_trimmed(void)
{
	is_fields("X: \t a b \t\r\n", 0);
	is_str(http_head_find(&head, STR("X"))->value, STR("a b"));
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
	TEST(class_1_host_is_there_once_and_well_formed);
	TEST(class_2_and_3_the_version_is_there_and_known);
	TEST(a_higher_minor_version_counts_as_1);
	TEST(class_4_no_other_protocol_is_spoken);
	TEST(class_5_the_preface_of_http_2_is_refused);
	TEST(class_6_one_space_stands_between_the_parts);
	TEST(class_7_nothing_else_stands_before_a_request);
	TEST(class_8_and_9_lines_end_in_crlf);
	TEST(class_10_the_target_fits_the_method);
	TEST(good_targets_are_taken_apart);
	TEST(class_11_field_names_are_tokens);
	TEST(class_12_no_line_is_folded);
	TEST(field_values_hold_no_controls);
	TEST(class_13_the_only_coding_is_chunked);
	TEST(class_14_an_upgrade_is_told_and_changes_nothing);
	TEST(class_17_a_length_is_one_number_that_fits);
	TEST(class_18_connection_is_a_list_of_tokens);
	TEST(class_19_values_are_trimmed);
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
