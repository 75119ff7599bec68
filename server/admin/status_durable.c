/* server/admin/status_durable.c: what the status says of the store. */
#include "server/admin/admin.h"
#include "server/admin/status.h"
#include "server/expr/json.h"
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
		   stats.degraded ? "degraded" : "ok", stats.n_waiting, stats.n_ops,
		   stats.n_commits, stats.n_failed, stats.n_refused, stats.size_bytes);
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
