/* tests/fuzz/router.c: patterns, one a line; then each of them, and each other line, as a
 * request. The router must choose as the plain reading of its rules does: of all patterns that
 * match, the most specific one. */
#include "server/router.h"
#include "core/base/check.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROUTES_MAX = 24 };

struct table {
	struct route_pattern patterns[ROUTES_MAX];
	size_t n;
};

/* One letter a segment: less is more specific. Empty: no match. */
static void rank(const struct route_pattern *pattern, const struct http_path *path,
		 char out[HTTP_SEGMENTS_MAX + 2])
{
	struct str rest = str_skip(pattern->path, 1), segment;
	size_t at = 0;

	while (str_next_part(&rest, '/', &segment)) {
		bool is_param = segment.len > 0 && segment.ptr[0] == '{';

		if (at == path->n_segments)
			break;
		if (is_param && pattern->has_rest && !rest.ptr) {
			out[at] = 'c';
			out[at + 1] = '\0';
			return;
		}
		if (is_param ? path->segments[at].len == 0 : !str_eq(path->segments[at], segment))
			break;
		out[at++] = is_param ? 'b' : 'a';
		if (!rest.ptr && at == path->n_segments) {
			out[at] = '\0';
			return;
		}
	}
	out[0] = '\0';
}

/* GET's choice among the patterns without host, as the rules have it. */
static const struct route_pattern *expected(const struct table *table, const struct http_path *path)
{
	const struct route_pattern *best = NULL;
	char ranks[2][HTTP_SEGMENTS_MAX + 2];

	for (size_t i = 0; i < table->n; i++) {
		const struct route_pattern *pattern = &table->patterns[i];
		int order;

		if (pattern->host.len > 0 ||
		    (pattern->method.len > 0 && !str_eq(pattern->method, STR("GET"))))
			continue;
		rank(pattern, path, ranks[1]);
		if (!ranks[1][0])
			continue;
		order = best ? strcmp(ranks[1], ranks[0]) : -1;
		if (order > 0 || (order == 0 && pattern->method.len == 0))
			continue;
		best = pattern;
		memcpy(ranks[0], ranks[1], sizeof(ranks[0]));
	}
	return best;
}

static void look_up(const struct router *router, const struct table *table, struct str raw,
		    struct arena *arena)
{
	struct str segments[HTTP_SEGMENTS_MAX], raws[HTTP_SEGMENTS_MAX];
	struct http_path path = { .segments = segments, .raw = raws };
	struct router_match match;

	if (http_path_parse(raw, arena, &path) < 0)
		return;
	router_find(router, HTTP_GET, STR("GET"), STR(""), &path, &match);
	check(match.route == expected(table, &path));
	check(match.n_params <= ROUTER_PARAMS_MAX);
	if (match.route)
		check(match.n_params == ((const struct route_pattern *)match.route)->n_params);
	router_find(router, HTTP_OTHER, STR("LOCK"), STR("x.a.test"), &path, &match);
	router_find(router, HTTP_HEAD, STR("HEAD"), raw, &path, &match);
}

static void add(struct router *router, struct table *table, struct str line, struct arena *arena,
		struct diag *diag)
{
	struct route_pattern *pattern = &table->patterns[table->n];

	if (table->n < ROUTES_MAX &&
	    route_pattern_read(line, (struct place){ 0 }, arena, diag, pattern) &&
	    router_add(router, pattern, (struct place){ 0 }, pattern, diag))
		table->n++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size }, rest = text, line;
	struct router *router;
	struct table table = { .n = 0 };
	struct arena arena;
	struct diag diag;

	if (size == 0 || size > 2000)
		return 0;
	arena_init_required(&arena);
	diag_init(&diag);
	router = router_create(&arena);
	while (str_next_part(&rest, '\n', &line))
		add(router, &table, line, &arena, &diag);
	for (rest = text; str_next_part(&rest, '\n', &line);) {
		ptrdiff_t slash = str_find_char(line, '/');

		if (slash >= 0)
			look_up(router, &table, str_skip(line, (size_t)slash), &arena);
	}
	diag_fini(&diag);
	arena_fini(&arena);
	return 0;
}
