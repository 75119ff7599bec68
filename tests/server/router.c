/* tests/server/router.c: precedence, conflicts, hosts, and many routes. */
#include "server/router.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"

static struct arena arena;
static struct diag diag;
static struct router *router;
static const struct source source = { "routes.yaml", STR_INIT("") };
static uint32_t n_added; /* since the router was made; the line of the newest route's place */

static void fresh(void)
{
	diag_fini(&diag);
	router = router_create(&arena);
	n_added = 0;
}

/* The route is the text of its pattern. */
static bool add(const char *text)
{
	struct route_pattern pattern;
	struct place place = { &source, ++n_added, 3, 0 };

	return route_pattern_read(str_of(text), place, &arena, &diag, &pattern) &&
	       router_add(router, &pattern, place, (void *)(uintptr_t)text, &diag);
}

static struct router_match match;

/* What matches, then its parameters; "none", or the methods that are allowed. */
static struct str find_on(const char *method, const char *host, const char *raw)
{
	struct str segments[HTTP_SEGMENTS_MAX], raws[HTTP_SEGMENTS_MAX];
	struct http_path path = { .segments = segments, .raw = raws };
	struct buf out;

	check(http_path_parse(str_of(raw), &arena, &path) == 0);
	router_find(router, http_method_find(str_of(method)), str_of(method), str_of(host), &path,
		    &match);
	buf_init_arena(&out, &arena);
	if (match.route)
		buf_printf(&out, "%s", (const char *)match.route);
	for (size_t i = 0; i < match.n_params; i++)
		buf_printf(&out, "|%.*s", STR_ARG(match.params[i]));
	if (match.rest_from != SIZE_MAX)
		buf_printf(&out, "@%zu", match.rest_from);
	for (unsigned i = 0; !match.route && i <= HTTP_OTHER; i++)
		if (match.allowed >> i & 1)
			buf_printf(&out, "%s%s", out.len ? " " : "",
				   i == HTTP_OTHER ? "other"
						   : http_method_name((enum http_method)i).ptr);
	return out.len ? buf_str(&out) : STR("none");
}

#define is_found_on(method, host, path, want) is_str(find_on(method, host, path), STR(want))
#define is_found(method, path, want) is_found_on(method, "a.test", path, want)

/* ------------------------------------------------------------------ look-ups */

static void an_empty_router_has_nothing(void)
{
	fresh();
	is_found("GET", "/", "none");
}

static void paths_match_exactly(void)
{
	fresh();
	is_true(add("/"));
	is_true(add("/a"));
	is_true(add("/b/"));
	is_true(add("/c/d"));
	is_found("GET", "/", "/");
	is_found("GET", "/a", "/a");
	is_found("GET", "/a/", "none");
	is_found("GET", "/b", "none");
	is_found("GET", "/b/", "/b/");
	is_found("GET", "/c", "none");
	is_found("GET", "/c/d", "/c/d");
	is_found("GET", "/c/d/e", "none");
	is_found("GET", "//a", "none");
	is_found("GET", "/A", "none");
	is_found("GET", "/x/../a", "/a");
	is_found("GET", "/%61", "/a");
	is_found("GET", "/c%2Fd", "none");
}

static void parameters_take_one_segment_that_is_not_empty(void)
{
	fresh();
	is_true(add("/user/{id}"));
	is_true(add("/user/{id}/order/{order}"));
	is_found("GET", "/user/7", "/user/{id}|7");
	is_found("GET", "/user/a%2Fb", "/user/{id}|a/b");
	is_found("GET", "/user/", "none");
	is_found("GET", "/user", "none");
	is_found("GET", "/user/7/", "none");
	is_found("GET", "/user/7/order/9", "/user/{id}/order/{order}|7|9");
}

static void rest_takes_what_is_left_even_if_that_is_empty(void)
{
	fresh();
	is_true(add("/api/{p...}"));
	is_true(add("/x/{id}/{p...}"));
	is_found("GET", "/api", "none");
	is_found("GET", "/api/", "/api/{p...}|@1");
	is_found("GET", "/api/a/b", "/api/{p...}|@1");
	is_found("GET", "/x/7/a", "/x/{id}/{p...}|7|@2");
	is_int(match.n_params, 2);
	is_found("GET", "/x/7", "none");
	is_true(add("/{all...}"));
	is_found("GET", "/", "/{all...}|@0");
	is_found("GET", "/api", "/{all...}|@0");
	is_found("GET", "/x/7", "/{all...}|@0");
}

static void literal_beats_parameter_beats_rest(void)
{
	fresh();
	is_true(add("/a/{p...}"));
	is_true(add("/a/{x}"));
	is_true(add("/a/b"));
	is_true(add("/{x}/b"));
	is_true(add("/{x}/{y}"));
	is_true(add("/{x}/{y}/{z...}"));
	is_found("GET", "/a/b", "/a/b");
	is_found("GET", "/a/c", "/a/{x}|c");
	is_found("GET", "/a/", "/a/{p...}|@1");
	is_found("GET", "/a/b/c", "/a/{p...}|@1");
	is_found("GET", "/q/b", "/{x}/b|q");
	is_found("GET", "/q/c", "/{x}/{y}|q|c");
	is_found("GET", "/q/c/d", "/{x}/{y}/{z...}|q|c|@2");
}

static void a_look_up_goes_back_when_a_way_ends(void)
{
	fresh();
	is_true(add("/a/b/c"));
	is_true(add("/a/{y}/d"));
	is_true(add("/{x}/b/e"));
	is_true(add("/{x}/{y}/{z}"));
	is_true(add("/a/{r...}"));
	is_found("GET", "/a/b/c", "/a/b/c");
	is_found("GET", "/a/b/d", "/a/{y}/d|b");
	is_found("GET", "/a/b/e", "/a/{r...}|@1");
	is_found("GET", "/q/b/e", "/{x}/b/e|q");
	is_found("GET", "/q/b/f", "/{x}/{y}/{z}|q|b|f");
	is_found("GET", "/q/b", "none");
}

static void names_of_parameters_belong_to_their_route(void)
{
	fresh();
	is_true(add("GET /u/{id}/a"));
	is_true(add("GET /u/{name}/b"));
	is_found("GET", "/u/7/a", "GET /u/{id}/a|7");
	is_found("GET", "/u/7/b", "GET /u/{name}/b|7");
}

static void with_a_method_beats_without(void)
{
	fresh();
	is_true(add("/a"));
	is_true(add("GET /a"));
	is_true(add("PROPFIND /a"));
	is_found("GET", "/a", "GET /a");
	is_found("POST", "/a", "/a");
	is_found("PROPFIND", "/a", "PROPFIND /a");
	is_found("LOCK", "/a", "/a");
}

static void the_path_decides_before_the_method(void)
{
	fresh();
	is_true(add("/a/b"));
	is_true(add("GET /a/{x}"));
	is_true(add("POST /c/d"));
	is_true(add("GET /c/{x}"));
	is_found("GET", "/a/b", "/a/b");
	is_found("GET", "/c/d", "GET /c/{x}|d"); /* where the better path has no such method */
	is_found("POST", "/c/d", "POST /c/d");
}

static void head_finds_get(void)
{
	fresh();
	is_true(add("GET /a"));
	is_true(add("/a"));
	is_true(add("GET /b"));
	is_true(add("HEAD /b"));
	is_true(add("/c"));
	is_found("HEAD", "/a", "GET /a");
	is_found("HEAD", "/b", "HEAD /b");
	is_found("HEAD", "/c", "/c");
}

static void other_methods_are_told(void)
{
	fresh();
	is_true(add("GET /a"));
	is_true(add("PUT /a"));
	is_true(add("POST /{x}"));
	is_true(add("LOCK /b/{r...}"));
	is_true(add("HEAD /h"));
	is_found("DELETE", "/a", "GET HEAD POST PUT OPTIONS");
	is_int(match.allowed, 1u << HTTP_GET | 1u << HTTP_HEAD | 1u << HTTP_POST | 1u << HTTP_PUT |
				      1u << HTTP_OPTIONS);
	is_found("GET", "/x", "POST OPTIONS");
	is_found("GET", "/b/c", "OPTIONS other");
	is_found("UNLOCK", "/b/c", "OPTIONS other");
	is_found("LOCK", "/b/c", "LOCK /b/{r...}|@1");
	is_found("GET", "/h", "HEAD POST OPTIONS");
	is_found("GET", "/a/b", "none");
	is_int(match.allowed, 0);
}

static void hosts_decide_first(void)
{
	fresh();
	is_true(add("a.test/x"));
	is_true(add("*.test/x"));
	is_true(add("*.b.test/x"));
	is_true(add("/x"));
	is_true(add("GET /only"));
	is_true(add("POST a.test/only"));
	is_true(add("[::1]/x"));
	is_found_on("GET", "a.test", "/x", "a.test/x");
	is_found_on("GET", "A.TEST", "/x", "a.test/x");
	is_found_on("GET", "a.test.", "/x", "a.test/x");
	is_found_on("GET", "c.test", "/x", "*.test/x");
	is_found_on("GET", "d.c.test", "/x", "*.test/x");
	is_found_on("GET", "q.a.test", "/x", "*.test/x");
	is_found_on("GET", "q.b.test", "/x", "*.b.test/x");
	is_found_on("GET", "b.test", "/x", "*.test/x");
	is_found_on("GET", "test", "/x", "/x");
	is_found_on("GET", ".test", "/x", "/x");
	is_found_on("GET", "*.test", "/x", "*.test/x");
	is_found_on("GET", "", "/x", "/x");
	is_found_on("GET", "[::1]", "/x", "[::1]/x");
	is_found_on("GET", "a.test", "/only", "GET /only");
	is_found_on("POST", "a.test", "/only", "POST a.test/only");
	is_found_on("PUT", "a.test", "/only", "GET HEAD POST OPTIONS");
}

static void long_hosts_match_no_host(void)
{
	static char host[5001];

	fresh();
	is_true(add("*.test/x"));
	is_true(add("/x"));
	memset(host, '.', 5000);
	is_found_on("GET", host, "/x", "/x");
	host[253] = '\0';
	is_found_on("GET", host, "/x", "/x");
}

/* ------------------------------------------------------------------ conflicts */

static void is_conflict(const char *first, const char *second)
{
	fresh();
	is_true(add(first));
	is_false(add(second));
	tap_ok(diag.n_entries == 1 && diag.entries[0].line == 2 &&
		       strstr(diag.entries[0].message, "routes.yaml:1:3") &&
		       strstr(diag.entries[0].message, first),
	       __FILE__, __LINE__, "%s with %s: %s", first, second,
	       diag.n_entries ? diag.entries[0].message : "");
}

static void equally_specific_routes_are_refused_with_both_places(void)
{
	is_conflict("/a", "/a");
	is_conflict("GET /a", "GET /a");
	is_conflict("GET /a/{x}", "GET /a/{y}");
	is_conflict("/a/{x...}", "/a/{y...}");
	is_conflict("LOCK /a/{x}/b", "LOCK /a/{y}/b");
	is_conflict("A.test/x", "a.TEST/x");
	is_conflict("*.test/", "*.test/");
}

static void routes_that_differ_do_not_conflict(void)
{
	fresh();
	is_true(add("/a"));
	is_true(add("/a/"));
	is_true(add("GET /a"));
	is_true(add("POST /a"));
	is_true(add("LOCK /a"));
	is_true(add("UNLOCK /a"));
	is_true(add("a.test/a"));
	is_true(add("*.a.test/a"));
	is_true(add("/{a}"));
	is_true(add("/{a...}"));
	is_true(add("/{a}/{b...}"));
}

/* ------------------------------------------------------------------ many */

static void a_hundred_thousand_routes_are_all_found(void)
{
	enum { N = 100000 };
	uint64_t start = clock_monotonic_ns();
	unsigned wrong = 0;

	fresh();
	for (size_t i = 0; i < N; i++)
		wrong += !add(arena_printf(&arena, "GET /s%zu/i%zu/{id}", i % 100, i).ptr);
	is_int(wrong, 0);
	is_true(clock_monotonic_ns() - start < 20 * NS_PER_S);
	for (size_t i = 0; i < N; i += 7) {
		struct str want = arena_printf(&arena, "GET /s%zu/i%zu/{id}|9", i % 100, i);
		const char *path = arena_printf(&arena, "/s%zu/i%zu/9", i % 100, i).ptr;

		wrong += !str_eq(find_on("GET", "", path), want);
		path = arena_printf(&arena, "/s%zu/i%zu/9", (i + 1) % 100, i).ptr;
		wrong += !str_eq(find_on("GET", "", path), STR("none"));
	}
	is_int(wrong, 0);
}

/* All of {a, {x}}^depth: one path has 2^depth ways. */
static bool add_all_ways(unsigned depth)
{
	fresh();
	for (unsigned bits = 0; bits < 1u << depth; bits++) {
		struct buf text;

		buf_init_arena(&text, &arena);
		for (unsigned i = 0; i < depth; i++)
			buf_printf(&text, bits >> i & 1 ? "/{p%u}" : "/a", i);
		buf_add(&text, STR("/z"));
		buf_add_char(&text, '\0');
		if (!add(text.data))
			return false;
	}
	return true;
}

static void ways_through_overlapping_patterns_are_bounded(void)
{
	struct router_match found;
	struct str segments[12];
	struct http_path path = { .n_segments = 12, .segments = segments };
	uint64_t start;

	is_true(add_all_ways(10));
	for (size_t i = 0; i < 12; i++)
		segments[i] = STR("a");
	path.n_segments = 11;
	start = clock_monotonic_ns();
	for (unsigned i = 0; i < 100; i++)
		router_find(router, HTTP_GET, STR("GET"), STR(""), &path, &found);
	is_null(found.route);
	is_true(clock_monotonic_ns() - start < 20 * NS_PER_S);
	is_false(add_all_ways(12));
	is_true(strstr(diag.entries[0].message, "overlaps") != NULL);
}

static void the_deepest_path_is_walked_without_recursion(void)
{
	char text[2 * HTTP_SEGMENTS_MAX + 1];

	fresh();
	memset(text, 0, sizeof(text));
	for (size_t i = 0; i < 2 * HTTP_SEGMENTS_MAX; i += 2)
		memcpy(text + i, "/a", 2);
	is_true(add(text));
	is_true(add("/{r...}"));
	is_int(find_on("GET", "", text).len, strlen(text));
	text[sizeof(text) - 2] = 'b';
	is_found("GET", text, "/{r...}|@0");
}

int main(void)
{
	arena_init_required(&arena);
	diag_init(&diag);
	TEST(an_empty_router_has_nothing);
	TEST(paths_match_exactly);
	TEST(parameters_take_one_segment_that_is_not_empty);
	TEST(rest_takes_what_is_left_even_if_that_is_empty);
	TEST(literal_beats_parameter_beats_rest);
	TEST(a_look_up_goes_back_when_a_way_ends);
	TEST(names_of_parameters_belong_to_their_route);
	TEST(with_a_method_beats_without);
	TEST(the_path_decides_before_the_method);
	TEST(head_finds_get);
	TEST(other_methods_are_told);
	TEST(hosts_decide_first);
	TEST(long_hosts_match_no_host);
	TEST(equally_specific_routes_are_refused_with_both_places);
	TEST(routes_that_differ_do_not_conflict);
	TEST(a_hundred_thousand_routes_are_all_found);
	TEST(ways_through_overlapping_patterns_are_bounded);
	TEST(the_deepest_path_is_walked_without_recursion);
	diag_fini(&diag);
	arena_fini(&arena);
	return tap_done();
}
