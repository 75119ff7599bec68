/* server/admin/admin.c: the table of endpoints. */
#include "server/admin/admin.h"

static const struct {
	const char *pattern;
	route_native_fn *run;
} endpoints[] = {
	{ "GET /v1/status", admin_status },
	{ "GET /v1/routes", admin_routes },
	{ "GET /v1/explain", admin_explain },
	{ "GET /v1/graph", admin_graph },
	{ "GET /v1/jobs", admin_jobs },
	{ "GET /v1/jobs/{name}/history", admin_job_history },
	{ "POST /v1/jobs/{name}/runs", admin_job_run },
	{ "POST /v1/jobs/{name}/pause", admin_job_pause },
	{ "POST /v1/jobs/{name}/resume", admin_job_resume },
	{ "GET /v1/upstreams", admin_upstreams },
	{ "POST /v1/reload", admin_reload },
	{ "GET /healthz", admin_health },
	{ "GET /readyz", admin_ready },
	{ "GET /metrics", admin_metrics },
};

/* Lives as long as the program. */
const struct router *admin_router(void)
{
	static struct arena arena;
	static struct router *router;
	struct diag diag;

	if (router)
		return router;
	diag_init(&diag);
	arena_init_required(&arena);
	router = router_create(&arena);
	for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
		struct route *route = arena_zalloc(&arena, sizeof(*route));

		route->native = endpoints[i].run;
		route->body.max = 64 << 10;
		check(route_pattern_read(str_of(endpoints[i].pattern), (struct place){ 0 }, &arena,
					 &diag, &route->pattern));
		check(router_add(router, &route->pattern, (struct place){ 0 }, route, &diag));
	}
	diag_fini(&diag);
	return router;
}
