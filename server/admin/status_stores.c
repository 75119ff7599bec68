/* server/admin/status_stores.c: what the status says of databases and Redis servers. */
#include "server/admin/admin.h"
#include "server/expr/json.h"
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
