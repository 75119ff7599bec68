/* server/admin/metrics_tallies.c: routes, tasks and jobs: how often, how long, how it ended. */
#include "core/base/clock.h"
#include "server/admin/admin.h"
#include "server/admin/metric.h"
#include "server/async/async.h"
#include "server/jobs/jobs.h"

struct row {
	struct metric_label labels[2];
	const struct tally *tally; /* NULL: `others` */
};

/* What is listed, in the arena of the request. */
struct rows {
	struct arena *arena;
	struct row *rows;
	size_t n_rows;
	const char *kind;
	struct tally_view others; /* of those that found no room */
};

static struct tally_view row_view(const struct rows *rows, const struct row *row)
{
	struct tally_view view = rows->others;

	if (row->tally)
		tally_look(row->tally, &view);
	return view;
}

static void rows_init(struct rows *rows, struct arena *arena)
{
	*rows = (struct rows){ .arena = arena };
	rows->rows = arena_alloc_array(arena, METRIC_NAMES_MAX + 1, sizeof(*rows->rows));
}

static void rows_add(struct rows *rows, struct metric_label first, struct metric_label second,
		     const struct tally *tally)
{
	struct tally_view view;

	if (!rows->rows || !tally)
		return;
	if (rows->n_rows < METRIC_NAMES_MAX) {
		rows->rows[rows->n_rows++] = (struct row){ { first, second }, tally };
		return;
	}
	tally_look(tally, &view);
	if (rows->n_rows == METRIC_NAMES_MAX)
		rows->rows[rows->n_rows++] =
			(struct row){ { { first.name, STR("(others)") },
					{ second.name, second.name ? STR("(others)") : STR_NONE } },
				      NULL };
	tally_view_add(&rows->others, &view);
}

static void rows_write_counts(const struct rows *rows, const char *name, const char *help,
			      bool failed, struct buf *out)
{
	metric_head(out, name, "counter", help);
	for (size_t i = 0; i < rows->n_rows; i++) {
		struct tally_view view = row_view(rows, &rows->rows[i]);

		metric_u64(out, name, rows->rows[i].labels, failed ? view.n_failed : view.n);
	}
}

/* Those that have any. */
static void rows_write_times(const struct rows *rows, const char *name, const char *help,
			     struct buf *out)
{
	metric_head(out, name, "histogram", help);
	for (size_t i = 0; i < rows->n_rows; i++) {
		struct tally_view view = row_view(rows, &rows->rows[i]);

		if (view.up_to[TALLY_BOUNDS])
			metric_times(out, name, rows->rows[i].labels, &view);
	}
}

/* ------------------------------------------------------------ routes */

static void metrics_write_routes(const struct generation *generation, struct arena *arena,
				 struct buf *out)
{
	struct rows rows;

	rows_init(&rows, arena);
	for (size_t i = 0; i < generation->n_routes; i++)
		rows_add(&rows,
			 (struct metric_label){ "route", generation->routes[i]->pattern.text },
			 (struct metric_label){ NULL, STR_NONE }, generation->routes[i]->tally);
	rows_write_counts(&rows, "leat_route_requests_total", "Requests that a route has taken.",
			  false, out);
	rows_write_counts(&rows, "leat_route_failures_total",
			  "Requests that ended in a failure of their tasks.", true, out);
	rows_write_times(&rows, "leat_route_duration_seconds",
			 "From the head of a request to that of its answer, of requests that "
			 "needed more than a constant reply.",
			 out);
}

/* Of routes with `async`: the requests above are those that were answered with 202. */
static void metrics_write_async(const struct generation *generation, struct arena *arena,
				struct buf *out)
{
	struct rows rows;

	rows_init(&rows, arena);
	for (size_t i = 0; i < generation->n_routes; i++)
		if (generation->routes[i]->async)
			rows_add(&rows,
				 (struct metric_label){ "route",
							generation->routes[i]->pattern.text },
				 (struct metric_label){ NULL, STR_NONE },
				 generation->routes[i]->async->tally);
	if (rows.n_rows == 0)
		return;
	rows_write_counts(&rows, "leat_async_runs_total",
			  "Tries at requests that were kept that have ended.", false, out);
	rows_write_counts(&rows, "leat_async_failures_total", "Those of them that have failed.",
			  true, out);
	rows_write_times(&rows, "leat_async_duration_seconds",
			 "From the start of a try to its end.", out);
	metric_head(out, "leat_async_running", "gauge", "Requests of a route that are at work.");
	for (size_t i = 0; i < rows.n_rows; i++)
		if (rows.rows[i].tally)
			metric_u64(out, "leat_async_running", rows.rows[i].labels,
				   (uint64_t)MAX(atomic_load(&rows.rows[i].tally->n_now), 0));
}

/* ------------------------------------------------------------ tasks */

/* Names are made "group.task". Of called flows each has rows of its own. */
static void tasks_add(struct rows *rows, struct str flow_name, struct str before,
		      const struct flow *flow, unsigned depth)
{
	for (size_t i = 0; i < flow_n_tasks(flow); i++) {
		struct flow_task_info info;
		struct str name;

		flow_task_info(flow, i, &info);
		name = before.len ? arena_printf(rows->arena, "%.*s.%.*s", STR_ARG(before),
						 STR_ARG(info.name))
				  : info.name;
		rows_add(rows, (struct metric_label){ "flow", flow_name },
			 (struct metric_label){ "task", name }, info.tally);
		if (info.group && !info.calls && depth < FLOW_NESTING_MAX)
			tasks_add(rows, flow_name, name, info.group, depth + 1);
	}
}

static void metrics_write_tasks(const struct generation *generation, struct arena *arena,
				struct buf *out)
{
	struct map_slot *slot;
	struct rows rows;

	rows_init(&rows, arena);
	for (size_t i = 0; i < generation->n_routes; i++)
		tasks_add(&rows, generation->routes[i]->pattern.text, STR_NONE,
			  generation->routes[i]->flow, 0);
	for (size_t i = 0; i < generation->n_jobs; i++)
		tasks_add(&rows,
			  arena_printf(arena, "job %.*s", STR_ARG(generation->jobs[i]->name)),
			  STR_NONE, generation->jobs[i]->flow, 0);
	for (size_t at = 0; (slot = map_next(&generation->flows, &at));)
		tasks_add(&rows, arena_printf(arena, "flow %.*s", STR_ARG(slot->key)), STR_NONE,
			  slot->value, 0);
	rows_write_counts(&rows, "leat_task_runs_total", "Runs of a task that have ended.", false,
			  out);
	rows_write_counts(&rows, "leat_task_failures_total",
			  "Those of them that have failed, with a default or without.", true, out);
	rows_write_times(&rows, "leat_task_duration_seconds",
			 "From the start of a task to its end, with all its tries.", out);
}

/* ------------------------------------------------------------ jobs */

static void metrics_write_jobs(const struct generation *generation, struct arena *arena,
			       struct buf *out)
{
	struct rows rows;

	rows_init(&rows, arena);
	for (size_t i = 0; i < generation->n_jobs; i++)
		rows_add(&rows, (struct metric_label){ "job", generation->jobs[i]->name },
			 (struct metric_label){ NULL, STR_NONE }, generation->jobs[i]->tally);
	rows_write_counts(&rows, "leat_job_runs_total",
			  "Attempts at runs of a job that have ended.", false, out);
	rows_write_counts(&rows, "leat_job_failures_total", "Those of them that have failed.", true,
			  out);
	rows_write_times(&rows, "leat_job_duration_seconds",
			 "From the start of an attempt to its end.", out);
	metric_head(out, "leat_job_running", "gauge", "Runs of a job that are at work.");
	for (size_t i = 0; i < rows.n_rows; i++)
		if (rows.rows[i].tally)
			metric_u64(out, "leat_job_running", rows.rows[i].labels,
				   (uint64_t)MAX(atomic_load(&rows.rows[i].tally->n_now), 0));
	metric_head(out, "leat_job_last_success_timestamp_seconds", "gauge",
		    "When a run of a job succeeded last.");
	for (size_t i = 0; i < rows.n_rows; i++) {
		const struct tally *tally = rows.rows[i].tally;
		int64_t ok_ns = tally ? atomic_load(&tally->ok_wall_ns) : 0;

		if (ok_ns)
			metric_double(out, "leat_job_last_success_timestamp_seconds",
				      rows.rows[i].labels, (double)ok_ns / NS_PER_S);
	}
}

void admin_write_tally_metrics(const struct generation *generation, struct arena *arena,
			       struct buf *out)
{
	metrics_write_routes(generation, arena, out);
	metrics_write_async(generation, arena, out);
	metrics_write_tasks(generation, arena, out);
	metrics_write_jobs(generation, arena, out);
}
