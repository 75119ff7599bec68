/* server/admin/status_stores.c: what the status says of databases and Redis servers. */
#include "server/admin/admin.h"
#include "server/expr/json.h"
#include "server/kafka/kafka_outbox.h"
#include "server/sql/sql_db.h"
#include <inttypes.h>

static void write_redis(struct buf *out, struct redis *redis)
{
	struct redis_stats *stats = &redis->stats;
	char problem[REDIS_PROBLEM_MAX];
	int connections = atomic_load(&stats->connections);

	redis_problem(redis, problem);
	buf_add(out, STR("{\"name\":"));
	json_write_text(redis->name, out);
	buf_printf(out,
		   ",\"mode\":\"%s\",\"state\":\"%s\",\"connections\":%d,\"pipelined\":%d,"
		   "\"waiting\":%d,\"commands\":%" PRIu64 ",\"errors\":%" PRIu64
		   ",\"connects\":%" PRIu64 ",\"reconnects\":%" PRIu64 ",\"problem\":",
		   redis_mode_name(redis->mode),
		   problem[0]        ? "down"
		   : connections > 0 ? "up"
				     : "idle",
		   connections, atomic_load(&stats->pipelined), atomic_load(&stats->waiting),
		   atomic_load(&stats->commands), atomic_load(&stats->errors),
		   atomic_load(&stats->connects), atomic_load(&stats->reconnects));
	json_write_text(str_of(problem), out);
	buf_add_char(out, '}');
}

void admin_write_redises(struct buf *out, const struct generation *generation)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < generation->redis.n_redises; i++) {
		if (i)
			buf_add_char(out, ',');
		write_redis(out, generation->redis.redises[i]);
	}
	buf_add_char(out, ']');
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

void admin_write_sqls(struct buf *out, const struct generation *generation)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < generation->sql.n_dbs; i++) {
		if (i)
			buf_add_char(out, ',');
		write_sql(out, generation->sql.dbs[i]);
	}
	buf_add_char(out, ']');
}

static struct kafka_outbox_stats kept_stats(struct kafka *kafka)
{
	struct kafka_outbox_stats stats = { 0 };
#if WITH_KAFKA
	const struct kafka_outbox *outbox = atomic_load(&kafka->outbox);

	if (outbox)
		kafka_outbox_stats(outbox, &stats);
#else
	(void)kafka;
#endif
	return stats;
}

static void write_kept(struct buf *out, struct kafka *kafka)
{
	struct kafka_outbox_stats stats = kept_stats(kafka);

	buf_printf(out, ",\"spooled\":%" PRId64 ",\"given_up\":%" PRIu64, stats.n_kept,
		   stats.n_dead);
}

static void write_kafka(struct buf *out, struct kafka *kafka)
{
	struct kafka_stats *stats = &kafka->stats;
	char problem[KAFKA_PROBLEM_MAX];

	kafka_problem(kafka, problem);
	buf_add(out, STR("{\"name\":"));
	json_write_text(kafka->name, out);
	write_kept(out, kafka);
	buf_printf(out,
		   ",\"state\":\"%s\",\"queued\":%d,\"sent\":%" PRIu64 ",\"errors\":%" PRIu64
		   ",\"refused\":%" PRIu64 ",\"problem\":",
		   kafka_state_name(kafka), atomic_load(&stats->queued), atomic_load(&stats->sent),
		   atomic_load(&stats->errors), atomic_load(&stats->refused));
	json_write_text(str_of(problem), out);
	buf_add_char(out, '}');
}

void admin_write_kafkas(struct buf *out, const struct generation *generation)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < generation->kafka.n_kafkas; i++) {
		if (i)
			buf_add_char(out, ',');
		write_kafka(out, generation->kafka.kafkas[i]);
	}
	buf_add_char(out, ']');
}

/* ------------------------------------------------------------ for Prometheus */

enum redis_metric {
	REDIS_COMMANDS,
	REDIS_ERRORS,
	REDIS_RECONNECTS,
	REDIS_CONNECTIONS,
	REDIS_PENDING
};

static int64_t redis_metric(struct redis *redis, enum redis_metric metric)
{
	struct redis_stats *stats = &redis->stats;

	switch (metric) {
	case REDIS_COMMANDS:
		return (int64_t)atomic_load(&stats->commands);
	case REDIS_ERRORS:
		return (int64_t)atomic_load(&stats->errors);
	case REDIS_RECONNECTS:
		return (int64_t)atomic_load(&stats->reconnects);
	case REDIS_CONNECTIONS:
		return atomic_load(&stats->connections);
	case REDIS_PENDING:
		return atomic_load(&stats->pipelined) + atomic_load(&stats->waiting);
	}
	unreachable();
}

void admin_write_redis_metrics(const struct generation *generation, struct buf *out)
{
	static const char *const metrics[][3] = {
		[REDIS_COMMANDS] = { "leat_redis_commands_total", "counter",
				     "Commands for a Redis server." },
		[REDIS_ERRORS] = { "leat_redis_errors_total", "counter",
				   "Commands that failed, or had an error for a reply." },
		[REDIS_RECONNECTS] = { "leat_redis_reconnects_total", "counter",
				       "Connections that were made again." },
		[REDIS_CONNECTIONS] = { "leat_redis_connections", "gauge", "Open connections." },
		[REDIS_PENDING] = { "leat_redis_pending", "gauge", "Commands without a reply." },
	};

	for (unsigned i = 0; generation->redis.n_redises && i < ARRAY_LEN(metrics); i++) {
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metrics[i][0], metrics[i][2],
			   metrics[i][0], metrics[i][1]);
		for (size_t j = 0; j < generation->redis.n_redises; j++) {
			struct redis *redis = generation->redis.redises[j];

			buf_printf(out, "%s{redis=", metrics[i][0]);
			json_write_text(redis->name, out);
			buf_printf(out, "} %" PRId64 "\n", redis_metric(redis, i));
		}
	}
}

static int64_t kafka_metric(struct kafka *kafka, unsigned metric)
{
	struct kafka_stats *stats = &kafka->stats;
	const int64_t numbers[] = {
		(int64_t)atomic_load(&stats->sent),       (int64_t)atomic_load(&stats->errors),
		(int64_t)atomic_load(&stats->refused),    atomic_load(&stats->queued),
		atomic_load(&stats->state) != KAFKA_DOWN, kept_stats(kafka).n_kept,
		(int64_t)kept_stats(kafka).n_dead
	};

	return numbers[metric];
}

void admin_write_kafka_metrics(const struct generation *generation, struct buf *out)
{
	static const char *const metrics[][3] = {
		{ "leat_kafka_sent_total", "counter", "Messages that brokers have." },
		{ "leat_kafka_errors_total", "counter", "Messages that could not be sent." },
		{ "leat_kafka_refused_total", "counter",
		  "Messages that were not taken, as the queue was full." },
		{ "leat_kafka_queued", "gauge", "Messages without an answer." },
		{ "leat_kafka_up", "gauge", "0: no broker can be reached." },
		{ "leat_kafka_spooled", "gauge", "Messages that are kept in the store." },
		{ "leat_kafka_given_up_total", "counter",
		  "Messages that are kept, and not tried again before the next start." },
	};

	for (unsigned i = 0; generation->kafka.n_kafkas && i < ARRAY_LEN(metrics); i++) {
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metrics[i][0], metrics[i][2],
			   metrics[i][0], metrics[i][1]);
		for (size_t j = 0; j < generation->kafka.n_kafkas; j++) {
			struct kafka *kafka = generation->kafka.kafkas[j];

			buf_printf(out, "%s{kafka=", metrics[i][0]);
			json_write_text(kafka->name, out);
			buf_printf(out, "} %" PRId64 "\n", kafka_metric(kafka, i));
		}
	}
}
