/* tests/server/http/grammar.c: which bytes may stand where, and what is a host. */
#include "server/http/grammar.h"
#include "server/http/fields.h"
#include "tests/lib/tap.h"

static void tokens_have_no_delimiters(void)
{
	is_true(http_is_token(STR("!#$%&'*+-.^_`|~azAZ09")));
	is_false(http_is_token(STR("")));
	for (const char *at = "\"(),/:;<=>?@[\\]{} \t\x7f\x80\xff"; *at; at++) {
		const char text[] = { 'a', *at, 'b' };

		is_false(http_is_token((struct str){ text, sizeof(text) }));
	}
}

/* At every place of a word and of what is left behind the words. */
static void a_control_byte_is_found_wherever_it_stands(void)
{
	char text[21];

	for (size_t at = 0; at < sizeof(text); at++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			bool control = (byte < ' ' && byte != '\t') || byte == 0x7f;

			memset(text, 'x', sizeof(text));
			text[at] = (char)byte;
			if (http_find_control(text, text + sizeof(text)) !=
			    text + (control ? at : sizeof(text)))
				is_int(byte, at); /* shows both */
		}
	}
	is_true(http_is_field_value(STR("")));
	is_true(http_is_field_value(STR("a\tb \xff")));
	is_false(http_is_field_value(STR("a\rb")));
}

static void a_host_is_a_name_or_an_address(void)
{
	is_true(http_is_host(STR("example.org")));
	is_true(http_is_host(STR("a!$&'()*+,;=b")));
	is_true(http_is_host(STR("%c3%A9")));
	is_true(http_is_host(STR("192.0.2.1:80")));
	is_true(http_is_host(STR("[2001:db8::1]")));
	is_true(http_is_host(STR("[::]:80")));
	is_false(http_is_host(STR("")));
	is_false(http_is_host(STR("a b")));
	is_false(http_is_host(STR("a/b")));
	is_false(http_is_host(STR("user@a")));
	is_false(http_is_host(STR("%c")));
	is_false(http_is_host(STR("%")));
	is_false(http_is_host(STR("%g0")));
	is_false(http_is_host(STR("%0g")));
}

static void an_address_in_brackets_is_of_version_6_and_has_no_zone(void)
{
	is_false(http_is_host(STR("[]")));
	is_false(http_is_host(STR("[::")));
	is_false(http_is_host(STR("[::x")));
	is_false(http_is_host(STR("[::1]x")));
	is_false(http_is_host(STR("[1.2.3.4]")));
	is_false(http_is_host(STR("[fe80::1%25eth0]")));
	is_false(http_is_host(STR("[v1.x]")));
	is_false(http_is_host(STR("[::1\0]")));
	is_false(http_is_host(STR("[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]")));
	is_true(http_is_host(STR("[0000:0000:0000:0000:0000:ffff:255.255.255.255]")));
}

static void a_port_is_at_most_65535(void)
{
	is_true(http_is_host(STR("a:")));
	is_true(http_is_host(STR("a:0")));
	is_true(http_is_host(STR("a:65535")));
	is_false(http_is_host(STR("a:65536")));
	is_false(http_is_host(STR("a:99999999999999999999999")));
	is_false(http_is_host(STR("a:b")));
	is_false(http_is_host(STR("a:1b")));
	is_false(http_is_host(STR("a:1:2")));
	is_false(http_is_host(STR(":80")));
	is_str(http_host_without_port(STR("a:80")), STR("a"));
	is_str(http_host_without_port(STR("a:")), STR("a"));
	is_str(http_host_without_port(STR("a80")), STR("a80"));
	is_str(http_host_without_port(STR("[::1]")), STR("[::1]"));
	is_str(http_host_without_port(STR("80")), STR("80"));
}

int main(void)
{
	TEST(tokens_have_no_delimiters);
	TEST(a_control_byte_is_found_wherever_it_stands);
	TEST(a_host_is_a_name_or_an_address);
	TEST(an_address_in_brackets_is_of_version_6_and_has_no_zone);
	TEST(a_port_is_at_most_65535);
	return tap_done();
}
