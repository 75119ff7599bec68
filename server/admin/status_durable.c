/* server/admin/status_durable.c: what the status says of the store, and of what is done once. */
#include "server/admin/admin.h"
#include "server/admin/status.h"
#include "server/expr/json.h"
#include "server/jobs/agenda.h"
#include "server/store/store.h"
#include <inttypes.h>

void admin_write_store(struct store *store, struct buf *out)
{
	struct store_stats stats;

	if (!store) {
		buf_add(out, STR("null"));
		return;
	}
	store_stats(store, &stats);
	buf_add(out, STR("{\"path\":"));
	json_write_text(str_of(store_path(store)), out);
	buf_printf(out,
		   ",\"state\":\"%s\",\"waiting\":%zu,\"ops\":%" PRIu64 ",\"commits\":%" PRIu64
		   ",\"failed\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"size_bytes\":%" PRIu64
		   ",\"problem\":",
		   stats.degraded         ? "degraded"
		   : store_is_open(store) ? "ok"
					  : "waiting", /* for the process before */
		   stats.n_waiting, stats.n_ops, stats.n_commits, stats.n_failed, stats.n_refused,
		   stats.size_bytes);
	json_write_text(str_of(stats.problem), out);
	buf_add_char(out, '}');
}

void admin_write_store_metrics(struct store *store, struct buf *out)
{
	struct store_stats stats;

	if (!store)
		return;
	store_stats(store, &stats);
	admin_write_metric(out, "leat_store_up", "gauge", "0: the store does not work.",
			   !stats.degraded);
	admin_write_metric(out, "leat_store_waiting", "gauge", "What waits for the store.",
			   stats.n_waiting);
	admin_write_metric(out, "leat_store_ops_total", "counter", "What the store has done.",
			   stats.n_ops);
	admin_write_metric(out, "leat_store_commits_total", "counter", "Its transactions.",
			   stats.n_commits);
	admin_write_metric(out, "leat_store_failed_total", "counter",
			   "What was not kept, as the store did not work.", stats.n_failed);
	admin_write_metric(out, "leat_store_refused_total", "counter",
			   "What was not kept, as too much was waiting.", stats.n_refused);
	admin_write_metric(out, "leat_store_bytes", "gauge", "The size of its file.",
			   stats.size_bytes);
}

/* ------------------------------------------------------------ schedule:, runs that were asked for, async: */

static void lane_write(const struct agendas_lane *lane, struct buf *out)
{
	buf_printf(out,
		   "{\"running\":%zu,\"done\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"dead\":%" PRIu64
		   "}",
		   lane->n_running, lane->n_done, lane->n_failed, lane->n_dead);
}

void admin_write_scheduled(struct agendas *agendas, struct buf *out)
{
	struct agendas_stats stats;

	if (!agendas) {
		buf_add(out, STR("null"));
		return;
	}
	agendas_stats(agendas, &stats);
	lane_write(&stats.lanes[LANE_OWN], out);
}

void admin_write_async(struct agendas *agendas, struct buf *out)
{
	struct agendas_stats stats;

	if (!agendas) {
		buf_add(out, STR("null"));
		return;
	}
	agendas_stats(agendas, &stats);
	lane_write(&stats.lanes[LANE_CLIENTS], out);
}

void admin_write_scheduled_metrics(struct agendas *agendas, struct buf *out)
{
	struct agendas_stats stats;
	const struct agendas_lane *own;

	if (!agendas)
		return;
	agendas_stats(agendas, &stats);
	own = &stats.lanes[LANE_OWN];
	admin_write_metric(out, "leat_scheduled_running", "gauge",
			   "Scheduled runs that have begun and are not over.", own->n_running);
	admin_write_metric(out, "leat_scheduled_done_total", "counter",
			   "Scheduled runs that have succeeded.", own->n_done);
	admin_write_metric(out, "leat_scheduled_failed_total", "counter",
			   "Tries of scheduled runs that have failed.", own->n_failed);
	admin_write_metric(out, "leat_scheduled_dead_total", "counter",
			   "Scheduled runs that were given up.", own->n_dead);
}
