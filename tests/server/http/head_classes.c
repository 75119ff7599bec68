/* tests/server/http/head_classes.c: what a strict server refuses and llhttp does not; the numbers
 * are those of §2 of the corpus' recipe. Classes 15 and 16 are of bodies. */
#include "tests/server/http/head_verdict.h"

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
	is_str(head.authority, STR("b.test:80"));
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

int main(void)
{
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
	return tap_done();
}
