/* tests/server/client/location.c */
#include "server/client/location.h"
#include "tests/lib/tap.h"
#include <errno.h>

static struct arena arena;
static const struct location base = { false, STR_INIT("a.example"), STR_INIT("/b/c/d;p?q") };

static void leads_to(const char *reference, const char *wanted)
{
	struct location to;
	char text[512];

	is_int(location_resolve(&arena, &base, str_of(reference), &to), 0);
	snprintf(text, sizeof(text), "%s://%.*s%.*s", to.secure ? "https" : "http",
		 STR_ARG(to.authority), STR_ARG(to.target));
	is_text(text, wanted);
}

static void leads_nowhere(const char *reference)
{
	struct location to;

	is_int(location_resolve(&arena, &base, str_of(reference), &to), -EINVAL);
}

/* RFC 3986 §5.4, as far as it is about http; a fragment is never sent. */
static void the_examples_of_the_standard_hold(void)
{
	leads_to("g", "http://a.example/b/c/g");
	leads_to("./g", "http://a.example/b/c/g");
	leads_to("g/", "http://a.example/b/c/g/");
	leads_to("/g", "http://a.example/g");
	leads_to("//g", "http://g/");
	leads_to("?y", "http://a.example/b/c/d;p?y");
	leads_to("g?y", "http://a.example/b/c/g?y");
	leads_to("#s", "http://a.example/b/c/d;p?q");
	leads_to("g#s", "http://a.example/b/c/g");
	leads_to("g?y#s", "http://a.example/b/c/g?y");
	leads_to(";x", "http://a.example/b/c/;x");
	leads_to("g;x?y#s", "http://a.example/b/c/g;x?y");
	leads_to("", "http://a.example/b/c/d;p?q");
	leads_to(".", "http://a.example/b/c/");
	leads_to("./", "http://a.example/b/c/");
	leads_to("..", "http://a.example/b/");
	leads_to("../", "http://a.example/b/");
	leads_to("../g", "http://a.example/b/g");
	leads_to("../..", "http://a.example/");
	leads_to("../../g", "http://a.example/g");
	leads_to("../../../g", "http://a.example/g");
	leads_to("/./g", "http://a.example/g");
	leads_to("/../g", "http://a.example/g");
	leads_to("g.", "http://a.example/b/c/g.");
	leads_to("..g", "http://a.example/b/c/..g");
	leads_to("./../g", "http://a.example/b/g");
	leads_to("./g/.", "http://a.example/b/c/g/");
	leads_to("g/./h", "http://a.example/b/c/g/h");
	leads_to("g/../h", "http://a.example/b/c/h");
	leads_to("g;x=1/../y", "http://a.example/b/c/y");
	leads_to("g?y/../x", "http://a.example/b/c/g?y/../x");
}

static void absolute_ones_are_of_http_and_https(void)
{
	leads_to("https://b.example", "https://b.example/");
	leads_to("HTTP://B.example:8080?x", "http://B.example:8080/?x");
	leads_to("https://[::1]:8443/a/../b", "https://[::1]:8443/b");
	leads_nowhere("ftp://a.example/");
	leads_nowhere("file:///etc/passwd");
	leads_nowhere("javascript:alert(1)");
	leads_nowhere("http:/x");
	leads_nowhere("http:x");
}

static void what_two_readers_may_take_for_different_hosts_is_refused(void)
{
	leads_nowhere("http://user@b.example/");
	leads_nowhere("http://user:pass@b.example/");
	leads_nowhere("//a.example@b.example/");
	leads_nowhere("http://a.example\\@b.example/");
	leads_nowhere("\\\\b.example/");
	leads_nowhere("http:///b");
	leads_nowhere("http://b.example:0/");
	leads_nowhere("http://b.example:99999/");
	leads_nowhere("http://b.ex%61mple/");
	leads_nowhere("http://[b]/");
	leads_nowhere("/a\r\nX: y");
	leads_nowhere("/a\tb");
}

static void what_is_not_ascii_is_encoded(void)
{
	leads_to("/\xc3\xbc b?\"<", "http://a.example/%C3%BC%20b?%22%3C");
	leads_to("/%c3%bc", "http://a.example/%c3%bc");
}

static struct location at(const char *authority, bool secure)
{
	return (struct location){ secure, str_of(authority), STR("/") };
}

static void an_origin_is_scheme_host_and_port(void)
{
	const struct location a = at("a.example", false), b = at("A.EXAMPLE:80", false),
			      c = at("a.example", true), d = at("a.example:8080", false);

	is_true(location_is_same_origin(&a, &b));
	is_false(location_is_same_origin(&a, &c));
	is_false(location_is_same_origin(&a, &d));
	is_true(location_is_same_host(&a, &d));
}

static void hosts_are_listed_by_name_and_port(void)
{
	const struct location plain = at("x.example.org", false),
			      port = at("x.example.org:81", false), ip6 = at("[::1]:81", false),
			      other = at("evilexample.org", false);

	is_true(location_is_at(&plain, STR("X.example.org")));
	is_true(location_is_at(&port, STR("x.example.org")));
	is_true(location_is_at(&plain, STR("x.example.org:80")));
	is_false(location_is_at(&port, STR("x.example.org:80")));
	is_true(location_is_at(&plain, STR("*.example.org")));
	is_true(location_is_at(&port, STR("*.example.org:81")));
	is_false(location_is_at(&plain, STR("*.x.example.org")));
	is_false(location_is_at(&other, STR("*.example.org")));
	is_false(location_is_at(&other, STR("example.org")));
	is_true(location_is_at(&ip6, STR("[::1]")));
	is_false(location_is_at(&ip6, STR("[::1]:80")));
	is_true(location_is_at(&other, STR("*")));
	is_false(location_pattern_is_valid(STR("a.*")));
	is_false(location_pattern_is_valid(STR("http://a")));
	is_false(location_pattern_is_valid(STR("")));
	is_true(location_pattern_is_valid(STR("*.a:1")));
}

int main(void)
{
	arena_init_required(&arena);
	TEST(the_examples_of_the_standard_hold);
	TEST(absolute_ones_are_of_http_and_https);
	TEST(what_two_readers_may_take_for_different_hosts_is_refused);
	TEST(what_is_not_ascii_is_encoded);
	TEST(an_origin_is_scheme_host_and_port);
	TEST(hosts_are_listed_by_name_and_port);
	arena_fini(&arena);
	return tap_done();
}
