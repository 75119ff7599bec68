/* server/admin/metrics_shared.c: queues and pools of `shared:`. */
#include "core/task/home.h"
#include "server/admin/admin.h"
#include "server/admin/metric.h"
#include "server/flow/shared.h"
#include "server/server.h"

struct shared_metric {
	const char *name, *help;
	size_t offset; /* into struct home_figures */
};

static void shared_write(const struct server *server, const struct shared_metric *metric,
			 enum shared_kind kind, struct buf *out)
{
	const struct shared_things *things = server->generation->shared;

	metric_head(out, metric->name, "gauge", metric->help);
	for (size_t i = 0; i < things->n_things; i++) {
		const struct shared_thing *thing = &things->things[i];
		const struct metric_label labels[2] = { { kind == SHARED_QUEUE ? "queue" : "pool",
							  thing->name } };
		struct home_figures figures;

		if (thing->kind != kind)
			continue;
		homes_figures(server->homes,
			      kind == SHARED_QUEUE ? HOME_FIGURES_QUEUE : HOME_FIGURES_POOL,
			      thing->name, &figures);
		metric_u64(
			out, metric->name, labels,
			*(const size_t *)(const void *)((const char *)&figures + metric->offset));
	}
}

static bool shared_has(const struct shared_things *things, enum shared_kind kind)
{
	for (size_t i = 0; things && i < things->n_things; i++)
		if (things->things[i].kind == kind)
			return true;
	return false;
}

#define AT(field) offsetof(struct home_figures, field)
void admin_write_shared_metrics(const struct server *server, struct buf *out)
{
	static const struct shared_metric queues[] = {
		{ "leat_queue_messages", "Messages that lie in a queue.", AT(n_left) },
		{ "leat_queue_bytes", "The bytes of these messages.", AT(n_bytes) },
		{ "leat_queue_takers", "Tasks that wait for a message.", AT(n_waiting) },
		{ "leat_queue_putters", "Tasks that wait for room.", AT(n_waiting_room) },
	};
	static const struct shared_metric pools[] = {
		{ "leat_pool_held", "Permits of a pool that are held.", AT(n_held) },
		{ "leat_pool_waiting", "Tasks that wait for a permit.", AT(n_waiting) },
	};

	if (shared_has(server->generation->shared, SHARED_QUEUE))
		for (size_t i = 0; i < ARRAY_LEN(queues); i++)
			shared_write(server, &queues[i], SHARED_QUEUE, out);
	if (shared_has(server->generation->shared, SHARED_POOL))
		for (size_t i = 0; i < ARRAY_LEN(pools); i++)
			shared_write(server, &pools[i], SHARED_POOL, out);
}
#undef AT
