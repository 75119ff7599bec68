/* server/admin/status.c: status, health, metrics, reload. */
#include "server/admin/status.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/version.h"
#include "server/expr/json.h"
#include "server/gpu/gpu_status.h"
#include "server/logger.h"
#include "server/server.h"
#include "server/sql/sql_db.h"
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

struct server *admin_server(struct request *request)
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

struct totals admin_totals(const struct server *server)
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

struct trace_totals admin_trace_totals(const struct server *server)
{
	struct trace_totals totals = { 0 };

	for (size_t i = 0; i < server->n_workers; i++) {
		const struct tracer_stats *stats = &server->workers[i]->tracer.stats;

		totals.spans += atomic_load(&stats->spans);
		totals.dropped += atomic_load(&stats->dropped);
		totals.exported += atomic_load(&stats->exported);
		totals.failed += atomic_load(&stats->failed);
	}
	return totals;
}

/* By the first digit of their status. */
static void write_responses(struct buf *out, const struct totals *totals)
{
	buf_add(out, STR(",\"responses\":{"));
	for (size_t i = 1; i < ARRAY_LEN(totals->status); i++)
		buf_printf(out, "%s\"%zuxx\":%" PRIu64, i > 1 ? "," : "", i, totals->status[i]);
	buf_add_char(out, '}');
}

static void write_trace(struct buf *out, const struct server *server)
{
	struct trace_totals totals = admin_trace_totals(server);

	buf_printf(out,
		   ",\"trace\":{\"spans\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"exported\":%" PRIu64
		   ",\"exports_failed\":%" PRIu64 "}",
		   totals.spans, totals.dropped, totals.exported, totals.failed);
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
	write_trace(&json, server);
	write_responses(&json, &totals);
	buf_add(&json, STR(",\"refused\":"));
	write_refused(&json);
	buf_add(&json, STR(",\"upstreams\":"));
	admin_write_upstreams(generation, &json);
	buf_add(&json, STR(",\"redis\":"));
	admin_write_redises(&json, generation);
	buf_add(&json, STR(",\"sql\":"));
	admin_write_sqls(&json, generation);
	buf_add(&json, STR(",\"actors\":"));
	admin_write_actors(server, &json);
	buf_add(&json, STR(",\"peers\":"));
	admin_write_peers(generation, &json);
	buf_add(&json, STR(",\"kafka\":"));
	admin_write_kafkas(&json, generation);
	buf_add(&json, STR(",\"live\":"));
	admin_write_live(&json, server);
	buf_add(&json, STR(",\"caches\":"));
	admin_write_caches(&json, generation);
	buf_add(&json, STR(",\"store\":"));
	admin_write_store(server->store, &json);
	buf_add(&json, STR(",\"scheduled\":"));
	admin_write_scheduled(server->agendas, &json);
	buf_add(&json, STR(",\"async\":"));
	admin_write_async(server->agendas, &json);
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
	else if (server_is_short_of_memory(admin_server(request)))
		request_reply_json(request, 503, STR("{\"status\":\"short of memory\"}"));
	else
		request_reply_json(request, 200, STR("{\"status\":\"ready\"}"));
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
	const struct server *server;
	struct buf json;

	free(asked);
	if (!request)
		return;
	server = admin_server(request);
	buf_init_arena(&json, &request->arena);
	buf_printf(&json, "{\"accepted\":%s,\"generation\":%" PRIu64 "%s,\"diagnostics\":",
		   accepted ? "true" : "false", server->generation->number,
		   !accepted && server->handed_over ? ",\"again\":true" : "");
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
