/* server/admin/admin.c: the table of endpoints, and who may ask.
 *
 * Who reaches the socket may do everything. But on a loopback address that is also a page in the
 * browser of somebody who works on this machine: it may send requests to any address, and by a name of its own
 * that leads here read the answers. Browsers say where a request comes from. */
#include "server/admin/admin.h"
#include "core/io/net.h"

static const struct {
	const char *pattern;
	route_native_fn *run;
} endpoints[] = {
	{ "GET /", admin_page },
	{ "GET /v1/status", admin_status },
	{ "GET /v1/routes", admin_routes },
	{ "GET /v1/explain", admin_explain },
	{ "GET /v1/graph", admin_graph },
	{ "GET /v1/jobs", admin_jobs },
	{ "GET /v1/jobs/{name}/history", admin_job_history },
	{ "POST /v1/jobs/{name}/runs", admin_job_run },
	{ "GET /v1/jobs/{name}/runs/{id}", admin_job_run_told },
	{ "GET /v1/async", admin_async },
	{ "GET /v1/async/history", admin_async_history },
	{ "POST /v1/jobs/{name}/pause", admin_job_pause },
	{ "POST /v1/jobs/{name}/resume", admin_job_resume },
	{ "GET /v1/actors", admin_actors },
	{ "GET /v1/peers", admin_peers },
	{ "GET /help", admin_help },
	{ "GET /help/{name}", admin_help_one },
	{ "GET /v1/upstreams", admin_upstreams },
	{ "GET /v1/log", admin_log },
	{ "PUT /v1/log", admin_log_set },
	{ "POST /v1/reload", admin_reload },
	{ "POST /v1/upgrade", admin_upgrade },
	{ "GET /v1/caches", admin_caches },
	{ "DELETE /v1/cache", admin_cache_purge },
	{ "GET /healthz", admin_health },
	{ "GET /readyz", admin_ready },
	{ "GET /metrics", admin_metrics },
};

struct admin_route {
	struct route route; /* first: the router's */
	route_native_fn *run;
};

/* A name that nobody else can let lead here. */
static bool admin_is_here(struct str name)
{
	struct net_addr addr;

	if (name.len == 0 || str_eq_nocase(name, STR("localhost")) ||
	    str_eq_nocase(name, STR("leat")))
		return true;
	return net_addr_from_host(name, 0, &addr) == 0 && net_addr_is_loopback(&addr);
}

/* Not a page of another site. */
static bool admin_may(const struct request *request)
{
	const struct http_field *origin = http_head_find(&request->head, STR("origin"));
	const struct http_field *host = http_head_find(&request->head, STR("host"));

	if (request->listen && request->listen->addr.sa.sa_family == AF_UNIX)
		return true; /* no page reaches that */
	if (!admin_is_here(request->head.host))
		return false;
	return !origin || (host && str_starts_with(origin->value, STR("http://")) &&
			   str_eq_nocase(str_skip(origin->value, 7), host->value));
}

static void admin_enter(struct request *request)
{
	const struct admin_route *route =
		container_of(request->route, const struct admin_route, route);
	struct reply reply;

	if (admin_may(request)) {
		route->run(request);
		return;
	}
	reply = reply_problem(&request->arena, 403, STR_NONE, STR_NONE, STR_NONE,
			      STR("the admin API is not for pages of other sites"));
	request_reply(request, &reply);
}

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
		struct admin_route *made = arena_zalloc(&arena, sizeof(*made));
		struct route *route = &made->route;

		made->run = endpoints[i].run;
		route->native = admin_enter;
		route->body.max = 64 << 10;
		check(route_pattern_read(str_of(endpoints[i].pattern), (struct place){ 0 }, &arena,
					 &diag, &route->pattern));
		check(router_add(router, &route->pattern, (struct place){ 0 }, route, &diag));
	}
	diag_fini(&diag);
	return router;
}
