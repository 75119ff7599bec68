/* tests/server/http/proxy_protocol.c: headers, however they are cut. */
#include "server/http/proxy_protocol.h"
#include "tests/lib/tap.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static struct proxy_source source;
static size_t size;

/* The verdict, which has to be the same one byte at a time. */
static enum proxy_step read_all(struct str bytes)
{
	enum proxy_step whole = proxy_header_read(bytes, &size, &source), step = PROXY_MORE;

	for (size_t n = 0; n <= bytes.len && step == PROXY_MORE; n++) {
		step = proxy_header_read(str_first(bytes, n), &size, &source);
		if (step == PROXY_WHOLE)
			is_int(size, n); /* not before its last byte */
	}
	is_int(step, whole);
	return whole;
}

#define is_bad(bytes) is_int(read_all(STR(bytes)), PROXY_BAD)

static void is_from(struct str bytes, size_t want_size, const char *ip, unsigned port)
{
	char text[IP_TEXT_MAX];

	is_int(read_all(bytes), PROXY_WHOLE);
	is_int(size, want_size);
	is_int(source.known, ip != NULL);
	if (ip) {
		is_text(ip_write(text, &source.ip), ip);
		is_int(source.port, port);
	}
}

static void a_line_of_version_1_is_read_to_its_end_and_not_further(void)
{
	is_from(STR("PROXY TCP4 192.0.2.1 198.51.100.1 51000 443\r\nGET /"), 45, "192.0.2.1",
		51000);
	is_from(STR("PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n"), 44, "2001:db8::1", 0);
	is_from(STR("PROXY UNKNOWN\r\n"), 15, NULL, 0);
	is_from(STR("PROXY UNKNOWN what ever\r\nx"), 25, NULL, 0);
}

static void a_line_that_is_not_exactly_of_the_form_is_refused(void)
{
	is_bad("GET / HTTP/1.1\r\n");
	is_bad("PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n");
	is_bad("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n");
	is_bad("PROXY TCP4 192.0.2.1 198.51.100.1 1 \r\n");
	is_bad("PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n");
	is_bad("PROXY TCP4 192.0.2.1 198.51.100.1 1 00\r\n");
	is_bad("PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n");
	is_bad("PROXY TCP4 ::ffff:192.0.2.1 198.51.100.1 1 2\r\n");
	is_bad("PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n");
	is_bad("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n");
	is_bad("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\rx");
	is_bad("PROXY \r\n");
}

static void a_line_longer_than_107_bytes_is_refused_before_its_end(void)
{
	char line[200];

	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	is_int(proxy_header_read((struct str){ line, 106 }, &size, &source), PROXY_MORE);
	is_int(proxy_header_read((struct str){ line, 107 }, &size, &source), PROXY_BAD);
	memcpy(line + 105, "\r\n", 2);
	is_int(proxy_header_read((struct str){ line, 107 }, &size, &source), PROXY_WHOLE);
}

static void version_2_names_its_length_and_what_it_does_not_need_is_skipped(void)
{
	is_from(STR(SIGNATURE "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\1\xc7\x38\1\xbbGET"), 28,
		"192.0.2.1", 51000);
	is_from(STR(SIGNATURE "\x21\x11\0\x10\xc0\0\2\1\xc6\x33\x64\1\xc7\x38\1\xbb\4\0\1a"), 32,
		"192.0.2.1", 51000);
	is_from(STR(SIGNATURE "\x20\x11\0\0GET"), 16, NULL, 0);
	is_from(STR(SIGNATURE "\x21\0\0\1aGET"), 17, NULL, 0);
}

static void version_2_of_a_unix_socket_has_no_address_for_us(void)
{
	char bytes[16 + 216] = SIGNATURE "\x21\x31\0\xd8/run/a.sock";

	is_from((struct str){ bytes, sizeof(bytes) }, sizeof(bytes), NULL, 0);
	bytes[15] = (char)0xd7;
	is_int(read_all((struct str){ bytes, sizeof(bytes) }), PROXY_BAD);
}

static void version_2_that_cannot_be_is_refused(void)
{
	is_bad(SIGNATURE "\x22\x11\0\x0c............");
	is_bad(SIGNATURE "\x11\x11\0\x0c............");
	is_bad(SIGNATURE "\x21\x11\0\x0b............");
	is_bad(SIGNATURE "\x21\x41\0\x0c............");
	is_bad(SIGNATURE "\x21\x13\0\x0c............");
	is_bad(SIGNATURE "\x21\x11\x0f\xf1");
	is_bad("\r\n\r\n\0\r\nQUIX\n");
}

int main(void)
{
	TEST(a_line_of_version_1_is_read_to_its_end_and_not_further);
	TEST(a_line_that_is_not_exactly_of_the_form_is_refused);
	TEST(a_line_longer_than_107_bytes_is_refused_before_its_end);
	TEST(version_2_names_its_length_and_what_it_does_not_need_is_skipped);
	TEST(version_2_of_a_unix_socket_has_no_address_for_us);
	TEST(version_2_that_cannot_be_is_refused);
	return tap_done();
}
