/* tests/server/http/forwarded.c: who the client is, as trusted proxies say it. */
#include "server/http/forwarded.h"
#include "tests/lib/tap.h"

static struct arena arena;
static struct cidr_set trusted;
static struct forwarded said;
static struct http_field fields[8];
static struct http_head head = { .fields = fields };

static void say(const char *name, const char *value)
{
	fields[head.n_fields++] = (struct http_field){ str_of(name), str_of(value) };
}

/* Of what was said since the last question: "192.0.2.1", "none", "refused". */
static const char *who(void)
{
	static char text[IP_TEXT_MAX];
	bool ok = forwarded_read(&head, &trusted, &said);

	head.n_fields = 0;
	return !ok ? "refused" : said.known ? ip_write(text, &said.ip) : "none";
}

static void the_first_from_the_right_that_is_no_proxy_is_the_client(void)
{
	say("X-Forwarded-For", "6.6.6.6,192.0.2.1 , 10.0.0.1");
	is_text(who(), "192.0.2.1");
	say("X-Forwarded-For", "192.0.2.1");
	say("Via", "6.6.6.6");
	say("x-forwarded-for", "10.0.0.1");
	is_text(who(), "192.0.2.1");
	say("X-Forwarded-For", "10.0.0.2, 10.0.0.1");
	is_text(who(), "10.0.0.2");
	is_text(who(), "none");
}

static void what_is_no_address_ends_the_walk(void)
{
	static const char *const ends[] = { "unknown",
					    "",
					    "192.0.2.1:",
					    "192.0.2.1:65536",
					    "a:80",
					    "[192.0.2.1]",
					    "[2001:db8::1]x",
					    "192.0.2.1 x",
					    "[",
					    "]",
					    "[]",
					    "[2001:db8::1]:" };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		say("X-Forwarded-For", "6.6.6.6");
		say("X-Forwarded-For", ends[i]);
		is_text(who(), "none");
		say("X-Forwarded-For", "6.6.6.6");
		say("X-Forwarded-For", ends[i]);
		say("X-Forwarded-For", "10.0.0.1");
		is_text(who(), "10.0.0.1");
	}
}

static void ports_are_read(void)
{
	say("X-Forwarded-For", "192.0.2.1:4711");
	is_text(who(), "192.0.2.1");
	is_int(said.port, 4711);
	say("X-Forwarded-For", "192.0.2.1:65535");
	is_text(who(), "192.0.2.1");
	is_int(said.port, 65535);
	say("X-Forwarded-For", "192.0.2.1:65536");
	is_text(who(), "none");
	say("X-Forwarded-For", "192.0.2.1:");
	is_text(who(), "none");
	say("Forwarded", "for=\"[2001:db8::1]:80\"");
	is_text(who(), "2001:db8::1");
	is_int(said.port, 80);
	say("X-Forwarded-For", "2001:db8::1:80"); /* an address, whole */
	is_text(who(), "2001:db8::1:80");
	is_int(said.port, 0);
}

static void a_client_s_quote_does_not_swallow_what_the_proxy_adds(void)
{
	say("X-Forwarded-For", "\", 192.0.2.1");
	is_text(who(), "192.0.2.1");
	say("Forwarded", "for=\"6.6.6.6, for=192.0.2.1");
	is_text(who(), "refused");
	say("Forwarded", "for=\"6.6.6.6\\\", for=7.7.7.7\", for=192.0.2.1");
	is_text(who(), "192.0.2.1");
	say("Forwarded", "host=\"x;for=6.6.6.6\";for=192.0.2.1;proto=https");
	is_text(who(), "192.0.2.1");
	is_true(said.secure);
}

static void the_two_fields_have_to_agree(void)
{
	say("X-Forwarded-For", "192.0.2.1");
	say("Forwarded", "for=192.0.2.2");
	is_text(who(), "refused");
	say("X-Forwarded-For", "192.0.2.1");
	say("Forwarded", "for=6.6.6.6, for=\"192.0.2.1:80\"");
	is_text(who(), "192.0.2.1");
}

static void https_is_what_the_last_proxy_says(void)
{
	say("X-Forwarded-Proto", "http, HTTPS");
	is_text(who(), "none");
	is_true(said.secure);
	say("X-Forwarded-Proto", "https, http");
	who();
	is_false(said.secure);
	say("Forwarded", "for=192.0.2.1;proto=http, for=10.0.0.1;proto=https");
	is_text(who(), "192.0.2.1");
	is_false(said.secure); /* how the client asked, not how a proxy did */
}

int main(void)
{
	struct cidr proxies[1];

	arena_init_required(&arena);
	check(cidr_parse(STR("10.0.0.0/8"), &proxies[0]) == CIDR_OK);
	cidr_set_init(&trusted, proxies, 1, &arena);
	TEST(the_first_from_the_right_that_is_no_proxy_is_the_client);
	TEST(what_is_no_address_ends_the_walk);
	TEST(ports_are_read);
	TEST(a_client_s_quote_does_not_swallow_what_the_proxy_adds);
	TEST(the_two_fields_have_to_agree);
	TEST(https_is_what_the_last_proxy_says);
	arena_fini(&arena);
	return tap_done();
}
