/* server/admin/graph_json.c: a graph as JSON, with how long its tasks take. */
#include "core/base/clock.h"
#include "server/admin/admin.h"
#include "server/expr/json.h"
#include "server/tally.h"
#include <inttypes.h>

enum { GRAPH_DEPTH_MAX = 8 };

void admin_write_times(const struct tally *tally, struct buf *out)
{
	struct tally_view view;
	uint64_t n;

	tally_look(tally, &view);
	n = view.up_to[TALLY_BOUNDS];
	if (n == 0)
		return;
	buf_printf(out,
		   ",\"timed\":%" PRIu64
		   ",\"mean_ms\":%.3f,\"p50_ms\":%.3f,\"p95_ms\":%.3f,\"max_ms\":%.3f",
		   n, (double)view.sum_ns / (double)n / NS_PER_MS,
		   (double)tally_view_quantile_ns(&view, 0.5) / NS_PER_MS,
		   (double)tally_view_quantile_ns(&view, 0.95) / NS_PER_MS,
		   (double)view.max_ns / NS_PER_MS);
}

static void graph_member(const char *name, struct str value, struct buf *out)
{
	buf_printf(out, ",\"%s\":", name);
	json_write_text(value, out);
}

void admin_write_graph_json(const struct flow *flow, unsigned depth, struct buf *out)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < flow_n_tasks(flow); i++) {
		struct flow_task_info info, before;

		flow_task_info(flow, i, &info);
		buf_add(out, i ? STR(",{\"name\":") : STR("{\"name\":"));
		json_write_text(info.name, out);
		graph_member("verb", info.verb, out);
		graph_member("summary", info.summary, out);
		graph_member("notes", info.notes, out);
		buf_printf(out,
			   ",\"wave\":%zu,\"guard\":%s,\"detached\":%s,\"optional\":%s,"
			   "\"timeout_ms\":%" PRIu64 ",\"after\":[",
			   info.wave, info.guard ? "true" : "false",
			   info.detached ? "true" : "false",
			   info.optional || info.has_default ? "true" : "false", info.timeout_ms);
		for (size_t j = 0; j < info.n_before; j++) {
			flow_task_info(flow, info.before[j], &before);
			if (j)
				buf_add_char(out, ',');
			json_write_text(before.name, out);
		}
		buf_printf(out, "],\"runs\":%" PRIu64 ",\"failures\":%" PRIu64,
			   info.tally ? atomic_load(&info.tally->n) : 0,
			   info.tally ? atomic_load(&info.tally->n_failed) : 0);
		if (info.tally)
			admin_write_times(info.tally, out);
		if (info.group && !info.calls && depth < GRAPH_DEPTH_MAX) {
			buf_add(out, STR(",\"group\":"));
			admin_write_graph_json(info.group, depth + 1, out);
		}
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
}
