/* server/admin/live.c: live connections and topics, for people and for Prometheus. */
#include "server/admin/status.h"
#include "server/live/topics.h"
#include <inttypes.h>

struct live_totals {
	unsigned n_websockets, n_events;
	uint64_t received, sent, dropped, slow;
	struct topics_stats topics;
};

static struct live_totals live_totals(const struct server *server)
{
	struct live_totals totals = { 0 };

	for (size_t i = 0; i < server->n_workers; i++) {
		const struct worker_stats *stats = &server->workers[i]->stats;

		totals.n_websockets += atomic_load(&stats->n_websockets);
		totals.n_events += atomic_load(&stats->n_events);
		totals.received += atomic_load(&stats->live_in);
		totals.sent += atomic_load(&stats->live_out);
		totals.dropped += atomic_load(&stats->live_dropped);
		totals.slow += atomic_load(&stats->live_slow);
	}
	topics_stats(server->topics, &totals.topics);
	return totals;
}

void admin_write_live(struct buf *out, const struct server *server)
{
	struct live_totals totals = live_totals(server);

	buf_printf(out,
		   "{\"websockets\":%u,\"event_streams\":%u,\"received\":%" PRIu64
		   ",\"sent\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"slow\":%" PRIu64
		   ",\"topics\":%zu,\"subscribers\":%zu,\"published\":%" PRIu64
		   ",\"history_bytes\":%zu}",
		   totals.n_websockets, totals.n_events, totals.received, totals.sent,
		   totals.dropped, totals.slow, totals.topics.n_topics,
		   totals.topics.n_subscriptions, totals.topics.n_published,
		   totals.topics.kept_bytes);
}

static void metric_write(struct buf *out, const char *name, const char *type, const char *help,
			 uint64_t number)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type,
		   name, number);
}

void admin_write_live_metrics(const struct server *server, struct buf *out)
{
	struct live_totals totals = live_totals(server);

	buf_printf(out,
		   "# HELP leat_live_connections Connections that go on behind an answer.\n"
		   "# TYPE leat_live_connections gauge\n"
		   "leat_live_connections{kind=\"websocket\"} %u\n"
		   "leat_live_connections{kind=\"events\"} %u\n",
		   totals.n_websockets, totals.n_events);
	metric_write(out, "leat_live_received_total", "counter", "Messages of WebSocket clients.",
		     totals.received);
	metric_write(out, "leat_live_sent_total", "counter",
		     "Messages and events that were queued for clients.", totals.sent);
	metric_write(out, "leat_live_dropped_total", "counter",
		     "Publications that clients have lost since they did not read.",
		     totals.dropped);
	metric_write(out, "leat_live_slow_total", "counter",
		     "Clients that were disconnected since they did not read.", totals.slow);
	metric_write(out, "leat_topics", "gauge",
		     "Topics that somebody subscribes to, or that keep "
		     "something.",
		     totals.topics.n_topics);
	metric_write(out, "leat_topic_subscribers", "gauge", "Subscriptions.",
		     totals.topics.n_subscriptions);
	metric_write(out, "leat_topic_published_total", "counter", "Messages that were published.",
		     totals.topics.n_published);
	metric_write(out, "leat_topic_kept_bytes", "gauge",
		     "What topics keep for those who come again.", totals.topics.kept_bytes);
}
