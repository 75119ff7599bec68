/* server/admin/metrics.c: figures in Prometheus' text format 0.0.4. */
#include "core/base/clock.h"
#include "server/admin/metric.h"
#include "server/admin/status.h"
#include "server/gpu/gpu_status.h"
#include "server/logger.h"
#include <inttypes.h>
#include <stdio.h>

enum { LOOPS_MAX = 1024 };

static void metric_loops(struct buf *out, const struct server *server)
{
	static const char *const metrics[][3] = {
		{ "leat_loop_requests_total", "counter", "Requests that a loop has answered." },
		{ "leat_loop_turns_total", "counter", "Rounds of a loop." },
		{ "leat_loop_busy_seconds_total", "counter", "How long a loop was at work." },
		{ "leat_loop_connections", "gauge", "Open connections of a loop." },
		{ "leat_loop_lag_seconds", "gauge",
		  "The longest round of a loop since it was last asked." },
	};
	const size_t n_metrics = ARRAY_LEN(metrics);
	double numbers[ARRAY_LEN(metrics)][LOOPS_MAX];
	size_t n_loops = MIN(server->n_workers, (size_t)LOOPS_MAX);
	char index[12];

	for (size_t i = 0; i < n_loops; i++) {
		const struct worker *worker = server->workers[i];
		struct loop_stats stats;

		loop_stats(worker->loop, &stats);
		numbers[0][i] = (double)atomic_load(&worker->stats.requests);
		numbers[1][i] = (double)stats.turns;
		numbers[2][i] = (double)stats.busy_ns / NS_PER_S;
		numbers[3][i] = atomic_load(&worker->stats.n_conns);
		numbers[4][i] = (double)stats.lag_max_ns / NS_PER_S;
	}
	for (size_t metric = 0; metric < n_metrics; metric++) {
		metric_head(out, metrics[metric][0], metrics[metric][1], metrics[metric][2]);
		for (size_t i = 0; i < n_loops; i++) {
			snprintf(index, sizeof(index), "%zu", i);
			metric_double(out, metrics[metric][0],
				      (struct metric_label[2]){ { "loop", str_of(index) } },
				      numbers[metric][i]);
		}
	}
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

static double metric_of_queue(const struct pool_stats *stats, unsigned metric)
{
	const double numbers[] = { (double)stats->n_waiting,
				   stats->n_running,
				   (double)stats->n_done,
				   (double)stats->n_refused,
				   (double)stats->waited_ns / NS_PER_S,
				   (double)stats->ran_ns / NS_PER_S };

	return numbers[metric];
}

static void metric_compute(struct buf *out, const struct compute_queues *queues)
{
	static const char *const metrics[][3] = {
		{ "leat_compute_waiting", "gauge", "Works that wait for a thread." },
		{ "leat_compute_running", "gauge", "Works on a thread." },
		{ "leat_compute_done_total", "counter", "Works that are done." },
		{ "leat_compute_refused_total", "counter",
		  "Works that were refused as the queue was full." },
		{ "leat_compute_waited_seconds_total", "counter",
		  "How long all works that were begun have waited." },
		{ "leat_compute_ran_seconds_total", "counter",
		  "How long all works that are done have run." },
	};

	for (unsigned i = 0; i < ARRAY_LEN(metrics); i++) {
		metric_head(out, metrics[i][0], metrics[i][1], metrics[i][2]);
		for (size_t j = 0; j < queues->n_queues; j++) {
			struct pool_stats stats;

			pool_queue_stats(queues->queues[j].open, &stats);
			metric_double(
				out, metrics[i][0],
				(struct metric_label[2]){ { "queue", queues->queues[j].name } },
				metric_of_queue(&stats, i));
		}
	}
}

static void metric_sql(struct buf *out, const char *name, const struct sql_db *db, uint64_t number)
{
	metric_u64(out, name, (struct metric_label[2]){ { "database", db->name } }, number);
}

static void metric_sqls(struct buf *out, const struct sql_section *sql)
{
	metric_head(out, "leat_sql_queries_total", "counter", "Jobs that a database has ended.");
	for (size_t i = 0; i < sql->n_dbs; i++)
		metric_sql(out, "leat_sql_queries_total", sql->dbs[i],
			   atomic_load(&sql->dbs[i]->stats.queries));
	metric_head(out, "leat_sql_errors_total", "counter", "Those of them that have failed.");
	for (size_t i = 0; i < sql->n_dbs; i++)
		metric_sql(out, "leat_sql_errors_total", sql->dbs[i],
			   atomic_load(&sql->dbs[i]->stats.errors));
	metric_head(out, "leat_sql_open", "gauge", "Open connections.");
	for (size_t i = 0; i < sql->n_dbs; i++)
		metric_sql(out, "leat_sql_open", sql->dbs[i],
			   (uint64_t)atomic_load(&sql->dbs[i]->stats.open));
	metric_head(out, "leat_sql_waiting", "gauge", "Tasks that wait for a connection.");
	for (size_t i = 0; i < sql->n_dbs; i++)
		metric_sql(out, "leat_sql_waiting", sql->dbs[i],
			   (uint64_t)atomic_load(&sql->dbs[i]->stats.waiting));
	metric_head(out, "leat_sql_up", "gauge", "0: the last try to open it has failed.");
	for (size_t i = 0; i < sql->n_dbs; i++)
		metric_sql(out, "leat_sql_up", sql->dbs[i],
			   atomic_load(&sql->dbs[i]->stats.state) != SQL_DB_DOWN);
}

static void metric_trace(struct buf *out, const struct server *server)
{
	struct trace_totals totals = admin_trace_totals(server);

	metric_one(out, "leat_trace_spans_total", "counter", "Spans of sampled traces.",
		   totals.spans);
	metric_one(out, "leat_trace_spans_dropped_total", "counter",
		   "Spans that were dropped: too many waited, or the collector did not take them.",
		   totals.dropped);
	metric_one(out, "leat_trace_spans_exported_total", "counter",
		   "Spans that the collector has taken.", totals.exported);
	metric_one(out, "leat_trace_exports_failed_total", "counter",
		   "Batches of spans that the collector did not take.", totals.failed);
}

void admin_write_metric(struct buf *out, const char *name, const char *type, const char *help,
			uint64_t number)
{
	metric_one(out, name, type, help, number);
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
	metric_loops(&out, server);
	metric_trace(&out, server);
	admin_write_live_metrics(server, &out);
	metric_policies(&out);
	metric_compute(&out, &server->generation->queues);
	admin_write_shared_metrics(server, &out);
#if WITH_GPU
	gpu_metrics_write(&out);
#endif
	admin_write_process_metrics(server, &out);
	admin_write_tally_metrics(server->generation, &request->arena, &out);
	admin_write_upstream_metrics(server->generation, &out);
	metric_sqls(&out, &server->generation->sql);
	admin_write_redis_metrics(server->generation, &out);
	admin_write_actor_metrics(server, &out);
	admin_write_peer_metrics(server->generation, &out);
	admin_write_kafka_metrics(server->generation, &out);
	admin_write_cache_metrics(server->generation, &out);
	admin_write_store_metrics(server->store, &out);
	admin_write_scheduled_metrics(server->agendas, &out);
	reply.body = buf_str(&out);
	if (out.error)
		reply = *reply_refusal(500);
	request_reply(request, &reply);
}
