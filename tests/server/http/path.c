/* tests/server/http/path.c: paths, escapes and queries. */
#include "server/http/path.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdlib.h>

static struct arena arena;
static struct str segments[HTTP_SEGMENTS_MAX], raws[HTTP_SEGMENTS_MAX];
static struct http_path path = { .segments = segments, .raw = raws };

/* The segments of a path, each between brackets; or the error. */
static struct str parsed(struct str raw)
{
	struct buf out;
	int r = http_path_parse(raw, &arena, &path);

	buf_init_arena(&out, &arena);
	if (r < 0)
		buf_printf(&out, "%s", r == -EINVAL ? "EINVAL" : r == -E2BIG ? "E2BIG" : "ENOMEM");
	for (size_t i = 0; r == 0 && i < path.n_segments; i++)
		buf_printf(&out, "[%.*s]", STR_ARG(path.segments[i]));
	return buf_str(&out);
}

#define is_path(raw, want) is_str(parsed(STR(raw)), STR(want))

static void paths_are_split_at_slashes(void)
{
	is_path("/", "[]");
	is_path("/a", "[a]");
	is_path("/a/", "[a][]");
	is_path("/a/b", "[a][b]");
	is_path("//a", "[][a]");
	is_path("/a//b/", "[a][][b][]");
	is_false(path.changed);
}

static void segments_are_decoded_once(void)
{
	is_path("/%41/b%20c", "[A][b c]");
	is_path("/a%2Fb/c", "[a/b][c]");
	is_path("/%2541", "[%41]");
	is_path("/a+b", "[a+b]");
	is_path("/caf%C3%A9", "[caf\xc3\xa9]");
	is_path("/%0d%0a", "[\r\n]");
	is_path("/%41/%42/c/%43%44", "[A][B][c][CD]");
	is_str(path.raw[0], STR("%41"));
	is_str(path.raw[3], STR("%43%44"));
	is_false(path.changed);
}

static void dot_segments_are_removed(void)
{
	is_path("/a/./b", "[a][b]");
	is_true(path.changed);
	is_path("/a/../b", "[b]");
	is_path("/a/b/../../c", "[c]");
	is_path("/..", "[]");
	is_path("/.", "[]");
	is_path("/../../a", "[a]");
	is_path("/a/..", "[]");
	is_path("/a/b/..", "[a][]");
	is_path("/a/.", "[a][]");
	is_path("/a/./", "[a][]");
	is_path("/a//..", "[a][]");
	is_path("/%2e%2E/a/.%2e/b", "[b]");
	is_path("/a/%2e/b", "[a][b]");
	is_path("/...", "[...]");
	is_path("/a/..b", "[a][..b]");
	is_path("/..%2f..%2fetc", "[../../etc]");
	is_path("/%c0%ae%c0%ae/x", "[\xc0\xae\xc0\xae][x]");
	is_path("/static/../../../../../../etc/passwd", "[etc][passwd]");
}

static void bad_paths_are_refused(void)
{
	is_path("", "EINVAL");
	is_path("a", "EINVAL");
	is_path("*", "EINVAL");
	is_path("/%", "EINVAL");
	is_path("/%4", "EINVAL");
	is_path("/%zz", "EINVAL");
	is_path("/a%00b", "EINVAL");
	is_path("/a\0b", "EINVAL");
	is_path("/a/%4/b", "EINVAL");
}

static void segments_are_bounded(void)
{
	char text[2 * HTTP_SEGMENTS_MAX + 2];

	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "/a", 2);
	is_int(http_path_parse((struct str){ text, sizeof(text) }, &arena, &path), -E2BIG);
	is_int(http_path_parse((struct str){ text, sizeof(text) - 2 }, &arena, &path), 0);
	is_int(path.n_segments, HTTP_SEGMENTS_MAX);
}

static void memory_is_bounded(void)
{
	struct arena small;

	arena_init(&small, 0);
	is_int(http_path_parse(STR("/a/b"), &small, &path), 0);
	is_int(http_path_parse(STR("/a/%62"), &small, &path), -ENOMEM);
	arena_fini(&small);
}

static void long_paths_are_read_in_linear_time(void)
{
	static char text[1 << 20];
	uint64_t start = clock_monotonic_ns();

	for (size_t i = 0; i + 8 <= sizeof(text); i += 8)
		memcpy(text + i, "/%61/../", 8);
	is_int(http_path_parse((struct str){ text, sizeof(text) }, &arena, &path), -E2BIG);
	for (size_t i = 0; i + 8 <= sizeof(text); i += 8)
		memcpy(text + i, "/%61x/..", 8);
	is_int(http_path_parse((struct str){ text, sizeof(text) }, &arena, &path), 0);
	is_int(path.n_segments, 1);
	is_true(clock_monotonic_ns() - start < 20 * NS_PER_S);
}

static struct str decoded(struct str text, bool plus_is_space)
{
	struct str out = STR_NONE;
	int r = http_decode(text, plus_is_space, &arena, &out);

	return r == 0 ? out : r == -EINVAL ? STR("EINVAL") : STR("ENOMEM");
}

static void escapes_are_decoded(void)
{
	struct str plain = STR("plain");

	is_ptr(decoded(plain, true).ptr, plain.ptr);
	is_str(decoded(STR("a%20b+c"), false), STR("a b+c"));
	is_str(decoded(STR("a%20b+c"), true), STR("a b c"));
	is_str(decoded(STR("+"), true), STR(" "));
	is_str(decoded(STR("%2B%25"), true), STR("+%"));
	is_str(decoded(STR("%ff%Fe"), true), STR("\xff\xfe"));
	is_str(decoded(STR(""), true), STR(""));
	is_str(decoded(STR("%00"), true), STR("EINVAL"));
	is_str(decoded(STR("a\0b"), true), STR("EINVAL"));
	is_str(decoded(STR("%"), true), STR("EINVAL"));
	is_str(decoded(STR("%a"), true), STR("EINVAL"));
	is_str(decoded(STR("%ag"), true), STR("EINVAL"));
}

/* The pairs as name=value; */
static struct str pairs(struct str query)
{
	struct str name, value;
	struct buf out;

	buf_init_arena(&out, &arena);
	while (http_query_next(&query, &name, &value))
		buf_printf(&out, "%.*s=%.*s;", STR_ARG(name), STR_ARG(value));
	return buf_str(&out);
}

static void queries_are_split_into_pairs(void)
{
	is_str(pairs(STR("a=1&b=2")), STR("a=1;b=2;"));
	is_str(pairs(STR("a")), STR("a=;"));
	is_str(pairs(STR("a=")), STR("a=;"));
	is_str(pairs(STR("=b")), STR("=b;"));
	is_str(pairs(STR("=")), STR("=;"));
	is_str(pairs(STR("a=b=c")), STR("a=b=c;"));
	is_str(pairs(STR("&&a=1&&b&")), STR("a=1;b=;"));
	is_str(pairs(STR("a+b=%20")), STR("a+b=%20;"));
	is_str(pairs(STR("")), STR(""));
	is_str(pairs(STR_NONE), STR(""));
}

int main(void)
{
	arena_init_required(&arena);
	TEST(paths_are_split_at_slashes);
	TEST(segments_are_decoded_once);
	TEST(dot_segments_are_removed);
	TEST(bad_paths_are_refused);
	TEST(segments_are_bounded);
	TEST(memory_is_bounded);
	TEST(long_paths_are_read_in_linear_time);
	TEST(escapes_are_decoded);
	TEST(queries_are_split_into_pairs);
	arena_fini(&arena);
	return tap_done();
}
