/* tests/bench/router.c: nanoseconds a look-up, among 10 and among 100,000 routes. */
#include "server/router.h"
#include "core/base/clock.h"
#include <inttypes.h>
#include <stdio.h>

enum { PATHS = 100000, ROUNDS = 1000000 };

static struct arena arena;

static struct router *build(size_t n_routes, uint64_t *ret_ns)
{
	struct router *router = router_create(&arena);
	uint64_t start;
	struct diag diag;

	diag_init(&diag);
	start = clock_monotonic_ns();
	for (size_t i = 0; i <= n_routes; i++) {
		struct str text = i == n_routes ? STR("GET /hello")
						: arena_printf(&arena, "GET /area%zu/item%zu/{id}",
							       i % 300, i);
		struct route_pattern pattern;

		check(route_pattern_read(text, (struct place){ 0 }, &arena, &diag, &pattern));
		check(router_add(router, &pattern, (struct place){ 0 }, router, &diag));
	}
	*ret_ns = clock_monotonic_ns() - start;
	diag_fini(&diag);
	return router;
}

static uint64_t look_up(const struct router *router, const struct http_path *paths, size_t n_paths)
{
	uint64_t start = clock_monotonic_ns();

	for (size_t i = 0, at = 0; i < ROUNDS; i++) {
		struct router_match match;

		router_find(router, HTTP_GET, STR("GET"), STR("a.test"), &paths[at], &match);
		check(match.route);
		at = at + 1 == n_paths ? 0 : at + 1;
	}
	return (clock_monotonic_ns() - start) / ROUNDS;
}

static void path_of(struct str raw, struct http_path *path)
{
	path->segments = arena_alloc_array(&arena, 4, sizeof(*path->segments));
	path->raw = arena_alloc_array(&arena, 4, sizeof(*path->raw));
	check(http_path_parse(raw, &arena, path) == 0);
}

int main(void)
{
	static struct http_path paths[PATHS], hello;

	arena_init_required(&arena);
	path_of(STR("/hello"), &hello);
	for (size_t n_routes = 10; n_routes <= 100000; n_routes *= 100) {
		uint64_t build_ns;
		struct router *router = build(n_routes, &build_ns);

		for (size_t i = 0; i < PATHS; i++) {
			size_t at = (i * UINT64_C(2654435761)) % n_routes;

			path_of(arena_printf(&arena, "/area%zu/item%zu/7", at % 300, at),
				&paths[i]);
		}
		printf("router %zu routes: built in %" PRIu64 " ms, hello %" PRIu64
		       " ns, random %" PRIu64 " ns\n",
		       n_routes, build_ns / NS_PER_MS, look_up(router, &hello, 1),
		       look_up(router, paths, PATHS));
	}
	arena_fini(&arena);
	return 0;
}
