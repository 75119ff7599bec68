/* tests/server/router_pattern.c: what the pattern of a route says. */
#include "server/router.h"
#include "tests/lib/tap.h"

static struct arena arena;
static struct diag diag;
static struct route_pattern pattern;

static bool read_pattern(const char *text)
{
	diag_fini(&diag);
	return route_pattern_read(str_of(text), (struct place){ 0 }, &arena, &diag, &pattern);
}

static void patterns_are_taken_apart(void)
{
	is_true(read_pattern("GET Shop.Test/a/{id}/{rest...}"));
	is_str(pattern.text, STR("GET Shop.Test/a/{id}/{rest...}"));
	is_str(pattern.method, STR("GET"));
	is_str(pattern.host, STR("shop.test"));
	is_str(pattern.path, STR("/a/{id}/{rest...}"));
	is_int(pattern.n_params, 2);
	is_str(pattern.params[0], STR("id"));
	is_str(pattern.params[1], STR("rest"));
	is_true(pattern.has_rest);
	is_true(read_pattern("/"));
	is_int(pattern.method.len, 0);
	is_int(pattern.host.len, 0);
	is_int(pattern.n_params, 0);
	is_false(pattern.has_rest);
	is_true(read_pattern("*.example.org/"));
	is_true(read_pattern("[::1]/"));
	is_true(read_pattern("M-SEARCH /with space/ü"));
	is_str(pattern.path, STR("/with space/ü"));
	is_true(read_pattern("GET localhost/a/"));
}

static void is_refused(const char *text, const char *why)
{
	is_false(read_pattern(text));
	is_true(diag.n_errors >= 1);
	tap_ok(diag.n_entries > 0 && strstr(diag.entries[0].message, why), __FILE__, __LINE__,
	       "%s: %s", text, diag.n_entries ? diag.entries[0].message : "");
}

static void bad_patterns_are_refused_with_the_mend(void)
{
	is_refused("", "has no path");
	is_refused("GET hello", "has no path");
	is_refused("GET/hello", "no space behind \"GET\"");
	is_refused("GETT /hello", "did you mean \"GET\"");
	is_refused("get /hello", "did you mean \"GET\"");
	is_refused("CONNECT /", "405");
	is_refused("BREWING /", "unknown method");
	is_refused("G(T /", "unknown method");
	is_refused(" /", "unknown method");
	is_refused("GET  /", "bad host");
	is_refused("a.test:80/", "no port");
	is_refused("http://a.test/", "no port");
	is_refused("a..test/", "bad host");
	is_refused("a.test./", "bad host");
	is_refused("a.*.test/", "bad host");
	is_refused("*/x", "bad host");
	is_refused("*./", "bad host");
	is_refused("[::1/x", "bad host");
	is_refused("[::1]:80/x", "bad host");
	is_refused("/a/{id", "whole segment");
	is_refused("/a/{id}.json", "whole segment");
	is_refused("/a/x{id}", "whole segment");
	is_refused("/a/id}", "whole segment");
	is_refused("/a/{a{b}}", "whole segment");
	is_refused("/a/{}", "parameter name");
	is_refused("/a/{...}", "parameter name");
	is_refused("/a/{1a}", "parameter name");
	is_refused("/a/{a-b}", "parameter name");
	is_refused("/a/{x}/{x}", "two parameters are called \"x\"");
	is_refused("/a/{x...}/b", "nothing may follow");
	is_refused("/a/{x...}/", "nothing may follow");
	is_refused("/a%20b", "decoded character");
	is_refused("/a?b=c", "no query");
	is_refused("/a/../b", "dot segments");
	is_refused("/a/.", "dot segments");
	is_refused("/a\tb", "control character");
	is_refused("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}",
		   "too many parameters");
}

static void every_error_of_a_pattern_is_said(void)
{
	is_false(read_pattern("GTE a..b/{x}/{x}/{1}/%41"));
	is_int(diag.n_errors, 5);
}

static void too_many_segments_are_refused(void)
{
	char text[2 * HTTP_SEGMENTS_MAX + 3];

	memset(text, 0, sizeof(text));
	for (size_t i = 0; i < 2 * HTTP_SEGMENTS_MAX; i += 2)
		memcpy(text + i, "/a", 2);
	is_true(read_pattern(text));
	memcpy(text + 2 * HTTP_SEGMENTS_MAX, "/a", 2);
	is_refused(text, "too many segments");
}

int main(void)
{
	arena_init_required(&arena);
	diag_init(&diag);
	TEST(patterns_are_taken_apart);
	TEST(bad_patterns_are_refused_with_the_mend);
	TEST(every_error_of_a_pattern_is_said);
	TEST(too_many_segments_are_refused);
	diag_fini(&diag);
	arena_fini(&arena);
	return tap_done();
}
