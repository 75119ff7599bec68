/* server/admin/status.c: status, health, metrics, reload. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/version.h"
#include "server/admin/admin.h"
#include "server/expr/json.h"
#include "server/gpu/gpu_status.h"
#include "server/logger.h"
#include "server/server.h"
#include "server/sql/sql_db.h"
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

static struct server *admin_server(struct request *request)
{
	return request->worker->server;
}

static void admin_finish_json(struct request *request, struct buf *json)
{
	request_reply_json(request, json->error ? 500 : 200, buf_str(json));
}

/* RFC 3339, UTC, to the second. */
static void write_time(struct buf *out, int64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / (int64_t)NS_PER_S);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	buf_printf(out, "\"%04d-%02d-%02dT%02d:%02d:%02dZ\"", tm.tm_year + 1900, tm.tm_mon + 1,
		   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

struct totals {
	uint64_t requests, accepted, status[6];
	uint64_t handshakes, handshakes_resumed, handshakes_failed;
	unsigned n_conns, n_busy;
};

static struct totals admin_totals(const struct server *server)
{
	struct totals totals = { 0 };

	for (size_t i = 0; i < server->n_workers; i++) {
		const struct worker_stats *stats = &server->workers[i]->stats;

		totals.requests += atomic_load(&stats->requests);
		totals.accepted += atomic_load(&stats->accepted);
		totals.handshakes += atomic_load(&stats->handshakes);
		totals.handshakes_resumed += atomic_load(&stats->handshakes_resumed);
		totals.handshakes_failed += atomic_load(&stats->handshakes_failed);
		totals.n_conns += atomic_load(&stats->n_conns);
		totals.n_busy += atomic_load(&stats->n_busy);
		for (size_t j = 0; j < ARRAY_LEN(totals.status); j++)
			totals.status[j] += atomic_load(&stats->status[j]);
	}
	return totals;
}

static void write_sql(struct buf *out, const struct sql_db *db)
{
	static const char *const states[] = { "idle", "up", "down" };
	const struct sql_stats *stats = &db->stats;

	buf_add(out, STR("{\"name\":"));
	json_write_text(db->name, out);
	buf_printf(out,
		   ",\"kind\":\"%s\",\"state\":\"%s\",\"open\":%d,\"in_use\":%d,\"waiting\":%d,"
		   "\"queries\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"connects\":%" PRIu64
		   ",\"refused\":%" PRIu64 "}",
		   db->driver->scheme, states[atomic_load(&stats->state)],
		   atomic_load(&stats->open), atomic_load(&stats->in_use),
		   atomic_load(&stats->waiting), atomic_load(&stats->queries),
		   atomic_load(&stats->errors), atomic_load(&stats->connects),
		   atomic_load(&stats->refused));
}

static void write_sqls(struct buf *out, const struct generation *generation)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < generation->sql.n_dbs; i++) {
		if (i)
			buf_add_char(out, ',');
		write_sql(out, generation->sql.dbs[i]);
	}
	buf_add_char(out, ']');
}

static bool listener_is_secure(const struct listener *listener)
{
	const struct listen_spec *listen =
		generation_listen(listener->server->generation, listener->number);

	return listen && listen->tls;
}

static void write_listeners(struct buf *out, struct server *server)
{
	struct listener *listener;
	bool first = true;

	buf_add_char(out, '[');
	list_each(listener, &server->listeners, struct listener, link) {
		struct net_addr addr = listener->addr;
		char text[NET_ADDR_TEXT_MAX];

		net_local_addr(listener->fd, &addr);
		if (!first)
			buf_add_char(out, ',');
		buf_add(out, STR("{\"address\":"));
		json_write_text(str_of(net_addr_write(text, &addr)), out);
		buf_printf(out, ",\"admin\":%s,\"tls\":%s}", listener->admin ? "true" : "false",
			   listener_is_secure(listener) ? "true" : "false");
		first = false;
	}
	buf_add_char(out, ']');
}

static void write_queue(struct buf *out, const char *name, struct pool_queue *queue)
{
	struct pool_stats stats;

	pool_queue_stats(queue, &stats);
	buf_printf(out,
		   "\"%s\":{\"waiting\":%zu,\"running\":%u,\"done\":%" PRIu64
		   ",\"refused\":%" PRIu64 "}",
		   name, stats.n_waiting, stats.n_running, stats.n_done, stats.n_refused);
}

/* What the pool does for routes with files; the queues are of all loops. */
static void write_files(struct buf *out, const struct server *server)
{
	const struct desk *desk = &server->workers[0]->files;

	buf_add(out, STR(",\"files\":{"));
	write_queue(out, "look_ups", desk->look_queue);
	buf_add_char(out, ',');
	write_queue(out, "reads", desk->read_queue);
	buf_add_char(out, '}');
}

static void write_loops(struct buf *out, struct server *server)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < server->n_workers; i++) {
		struct loop_stats stats;

		loop_stats(server->workers[i]->loop, &stats);
		buf_printf(out,
			   "%s{\"connections\":%u,\"requests\":%" PRIu64 ",\"busy_ms\":%" PRIu64
			   ",\"lag_max_ms\":%" PRIu64 "}",
			   i ? "," : "", atomic_load(&server->workers[i]->stats.n_conns),
			   atomic_load(&server->workers[i]->stats.requests),
			   stats.busy_ns / NS_PER_MS, stats.lag_max_ns / NS_PER_MS);
	}
	buf_add_char(out, ']');
}

/* By policy, those that have refused any. */
static void write_refused(struct buf *out)
{
	unsigned n_written = 0;

	buf_add_char(out, '{');
	for (unsigned id = 0; id < N_POLICIES; id++)
		if (policy_kinds[id] && policy_n_refused(id))
			buf_printf(out, "%s\"%s\":%" PRIu64, n_written++ ? "," : "",
				   policy_kinds[id]->name, policy_n_refused(id));
	buf_add_char(out, '}');
}

/* What computes: how much waits, and how long it has taken. */
static void write_compute(struct buf *out, const struct compute_queues *queues)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < queues->n_queues; i++) {
		struct pool_stats stats;

		pool_queue_stats(queues->queues[i].open, &stats);
		buf_add(out, i ? STR(",{\"name\":") : STR("{\"name\":"));
		json_write_text(queues->queues[i].name, out);
		buf_printf(out,
			   ",\"waiting\":%zu,\"running\":%u,\"done\":%" PRIu64
			   ",\"refused\":%" PRIu64 ",\"waited_ms\":%" PRIu64
			   ",\"waited_max_ms\":%" PRIu64 ",\"ran_ms\":%" PRIu64 "}",
			   stats.n_waiting, stats.n_running, stats.n_done, stats.n_refused,
			   stats.waited_ns / NS_PER_MS, stats.waited_max_ns / NS_PER_MS,
			   stats.ran_ns / NS_PER_MS);
	}
	buf_add_char(out, ']');
}

void admin_status(struct request *request)
{
	struct server *server = admin_server(request);
	const struct generation *generation = server->generation;
	struct totals totals = admin_totals(server);
	struct logger_stats log;
	struct buf json;

	logger_stats(&log);
	buf_init_arena(&json, &request->arena);
	buf_printf(&json,
		   "{\"version\":\"%s\",\"pid\":%d,\"state\":\"%s\",\"generation\":%" PRIu64
		   ",\"loaded\":",
		   LEAT_VERSION, (int)getpid(), server->stopping ? "stopping" : "serving",
		   generation->number);
	write_time(&json, generation->loaded_wall_ns);
	buf_add(&json, STR(",\"started\":"));
	write_time(&json, server->started_wall_ns);
	buf_printf(&json,
		   ",\"uptime_ms\":%" PRIu64 ",\"reloads\":%" PRIu64 ",\"reloads_refused\":%" PRIu64
		   ",\"generations_in_use\":%zu,\"connections\":%u,\"requests_in_work\":%u,"
		   "\"requests\":%" PRIu64 ",\"accepted\":%" PRIu64,
		   (clock_monotonic_ns() - server->started_ns) / NS_PER_MS, server->n_reloads,
		   server->n_reloads_refused, server->n_old + 1, totals.n_conns, totals.n_busy,
		   totals.requests, totals.accepted);
	buf_printf(&json, ",\"routes\":%zu,\"jobs\":%zu,\"log_dropped\":%" PRIu64 ",\"listeners\":",
		   generation->n_routes, generation->n_jobs, log.dropped);
	write_listeners(&json, server);
	buf_add(&json, STR(",\"loops\":"));
	write_loops(&json, server);
	buf_add(&json, STR(",\"compute\":"));
	write_compute(&json, &generation->queues);
#if WITH_GPU
	buf_add(&json, STR(",\"gpu\":"));
	gpu_status_write(&json);
#endif
	write_files(&json, server);
	buf_add(&json, STR(",\"refused\":"));
	write_refused(&json);
	buf_add(&json, STR(",\"upstreams\":"));
	admin_write_upstreams(generation, &json);
	buf_add(&json, STR(",\"sql\":"));
	write_sqls(&json, generation);
	buf_add_char(&json, '}');
	admin_finish_json(request, &json);
}

void admin_health(struct request *request)
{
	request_reply_json(request, 200, STR("{\"status\":\"ok\"}"));
}

void admin_ready(struct request *request)
{
	if (admin_server(request)->stopping)
		request_reply_json(request, 503, STR("{\"status\":\"stopping\"}"));
	else
		request_reply_json(request, 200, STR("{\"status\":\"ready\"}"));
}

/* ------------------------------------------------------------ metrics (Prometheus text format
 * 0.0.4) */

static void metric_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are escaped. */
void admin_write_label(struct str value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] == '\\' || value.ptr[i] == '"')
			buf_add_char(out, '\\');
		if (value.ptr[i] == '\n')
			buf_add(out, STR("\\n"));
		else
			buf_add_char(out, value.ptr[i]);
	}
}

static void metric_route(struct buf *out, const char *name, const struct route *route,
			 uint64_t number)
{
	buf_printf(out, "%s{route=\"", name);
	admin_write_label(route->pattern.text, out);
	buf_printf(out, "\"} %" PRIu64 "\n", number);
}

static void metric_routes(struct buf *out, const struct generation *generation)
{
	metric_head(out, "leat_route_requests_total", "counter",
		    "Requests whose route had more to do than a constant reply.");
	for (size_t i = 0; i < generation->n_routes; i++)
		metric_route(out, "leat_route_requests_total", generation->routes[i],
			     atomic_load(&generation->routes[i]->stats.requests));
	metric_head(out, "leat_route_failures_total", "counter",
		    "Requests that ended in a failure of their tasks.");
	for (size_t i = 0; i < generation->n_routes; i++)
		metric_route(out, "leat_route_failures_total", generation->routes[i],
			     atomic_load(&generation->routes[i]->stats.failures));
}

static void metric_policies(struct buf *out)
{
	metric_head(out, "leat_policy_refused_total", "counter",
		    "Requests that a policy has answered instead of their route.");
	for (unsigned id = 0; id < N_POLICIES; id++)
		if (policy_kinds[id] && policy_kinds[id]->admit)
			buf_printf(out, "leat_policy_refused_total{policy=\"%s\"} %" PRIu64 "\n",
				   policy_kinds[id]->name, policy_n_refused(id));
}

static void metric_one(struct buf *out, const char *name, const char *type, const char *help,
		       uint64_t number)
{
	metric_head(out, name, type, help);
	buf_printf(out, "%s %" PRIu64 "\n", name, number);
}

void admin_metrics(struct request *request)
{
	struct server *server = admin_server(request);
	struct totals totals = admin_totals(server);
	struct reply reply = { .status = 200,
			       .content_type = STR("text/plain; version=0.0.4; charset=utf-8") };
	struct logger_stats log;
	struct buf out;

	logger_stats(&log);
	buf_init_arena(&out, &request->arena);
	metric_one(&out, "leat_connections", "gauge", "Open connections.", totals.n_conns);
	metric_one(&out, "leat_requests_in_work", "gauge", "Requests that are being answered.",
		   totals.n_busy);
	metric_one(&out, "leat_connections_accepted_total", "counter", "Connections accepted.",
		   totals.accepted);
	metric_head(&out, "leat_responses_total", "counter",
		    "Answers by the first digit of their status.");
	for (size_t i = 1; i < ARRAY_LEN(totals.status); i++)
		buf_printf(&out, "leat_responses_total{code=\"%zuxx\"} %" PRIu64 "\n", i,
			   totals.status[i]);
	metric_one(&out, "leat_tls_handshakes_total", "counter", "TLS handshakes that were done.",
		   totals.handshakes);
	metric_one(&out, "leat_tls_handshakes_resumed_total", "counter",
		   "Those of them that resumed a session.", totals.handshakes_resumed);
	metric_one(&out, "leat_tls_handshakes_failed_total", "counter",
		   "TLS handshakes that failed, or were not done in time.",
		   totals.handshakes_failed);
	metric_one(&out, "leat_generation", "gauge", "The number of the configuration at work.",
		   server->generation->number);
	metric_one(&out, "leat_reloads_total", "counter", "Reloads that were accepted.",
		   server->n_reloads);
	metric_one(&out, "leat_reloads_refused_total", "counter", "Reloads that were refused.",
		   server->n_reloads_refused);
	metric_one(&out, "leat_log_dropped_total", "counter", "Access lines that were dropped.",
		   log.dropped);
	metric_policies(&out);
#if WITH_GPU
	gpu_metrics_write(&out);
#endif
	metric_routes(&out, server->generation);
	admin_write_upstream_metrics(server->generation, &out);
	reply.body = buf_str(&out);
	if (out.error)
		reply = *reply_refusal(500);
	request_reply(request, &reply);
}

/* ------------------------------------------------------------ reload */

struct admin_reload {
	struct reload reload;
	struct request *request; /* NULL: it has left */
};

static void admin_on_reload_left(struct request *request)
{
	struct admin_reload *asked = request->native;

	asked->request = NULL;
	request_destroy(request);
}

static void admin_on_reloaded(struct reload *reload, bool accepted, struct str text)
{
	struct admin_reload *asked = container_of(reload, struct admin_reload, reload);
	struct request *request = asked->request;
	struct buf json;

	free(asked);
	if (!request)
		return;
	buf_init_arena(&json, &request->arena);
	buf_printf(&json, "{\"accepted\":%s,\"generation\":%" PRIu64 ",\"diagnostics\":",
		   accepted ? "true" : "false", admin_server(request)->generation->number);
	json_write_text(text, &json);
	buf_add_char(&json, '}');
	request_reply_json(request, json.error ? 500 : accepted ? 200 : 422, buf_str(&json));
}

void admin_reload(struct request *request)
{
	struct admin_reload *asked = mem_zalloc(sizeof(*asked));

	asked->request = request;
	asked->reload.on_done = admin_on_reloaded;
	list_init(&asked->reload.link);
	request->native = asked;
	request->on_cancel = admin_on_reload_left;
	server_reload(admin_server(request), &asked->reload);
}
