/* server/admin/peers.c: GET /v1/peers, and the figures of other hosts. No key is shown. */
#include "server/peers/peers.h"
#include "core/base/clock.h"
#include "server/admin/metric.h"
#include "server/admin/status.h"
#include "server/expr/json.h"
#include <inttypes.h>

static uint64_t peer_figure(const struct peer_stats *stats, unsigned figure)
{
	const _Atomic uint64_t *const figures[] = { &stats->sent,    &stats->received,
						    &stats->acked,   &stats->lost,
						    &stats->refused, &stats->connects,
						    &stats->fails,   &stats->denied };

	return atomic_load_explicit(figures[figure], memory_order_relaxed);
}

static const struct {
	const char *key, *metric, *help;
} figures[] = {
	{ "sent", "leat_peer_sent_total", "Messages sent to the host." },
	{ "received", "leat_peer_received_total", "Messages that came from it." },
	{ "acked", "leat_peer_acked_total", "Messages that it has taken." },
	{ "lost", "leat_peer_lost_total", "Messages in doubt: sent, and the connection was lost." },
	{ "refused", "leat_peer_refused_total", "Messages that were not sent." },
	{ "connects", "leat_peer_connects_total", "Connections made, by either side." },
	{ "fails", "leat_peer_fails_total", "Tries to connect that failed." },
	{ "denied", "leat_peer_denied_total", "Connections that have not proven who they are." },
};

static void peer_write(struct fellow *peer, struct buf *out)
{
	uint64_t rtt_ns = atomic_load(&peer->stats.rtt_ns);

	buf_add(out, STR("{\"name\":"));
	json_write_text(peer->conf.name, out);
	buf_add(out, STR(",\"address\":"));
	if (peer->conf.address.len)
		json_write_text(peer->conf.address, out);
	else
		buf_add(out, STR("null"));
	buf_printf(out, ",\"form\":\"%s\"", peer->form->name);
	if (peer->form->write)
		peer->form->write(peer, out);
	for (unsigned i = 0; i < ARRAY_LEN(figures); i++)
		buf_printf(out, ",\"%s\":%" PRIu64, figures[i].key, peer_figure(&peer->stats, i));
	if (rtt_ns)
		buf_printf(out, ",\"rtt_ms\":%.3f", (double)rtt_ns / NS_PER_MS);
	else
		buf_add(out, STR(",\"rtt_ms\":null"));
	buf_add_char(out, '}');
}

void admin_write_peers(const struct generation *generation, struct buf *out)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < generation->peers.n_peers; i++) {
		if (i)
			buf_add_char(out, ',');
		peer_write(generation->peers.peers[i], out);
	}
	buf_add_char(out, ']');
}

void admin_peers(struct request *request)
{
	struct buf json;

	buf_init_arena(&json, &request->arena);
	buf_add(&json, STR("{\"peers\":"));
	admin_write_peers(admin_server(request)->generation, &json);
	buf_add_char(&json, '}');
	request_reply_json(request, json.error ? 500 : 200, buf_str(&json));
}

void admin_write_peer_metrics(const struct generation *generation, struct buf *out)
{
	const struct peer_section *section = &generation->peers;
	size_t n_peers = MIN(section->n_peers, (size_t)METRIC_NAMES_MAX);

	for (unsigned i = 0; n_peers && i < ARRAY_LEN(figures); i++) {
		metric_head(out, figures[i].metric, "counter", figures[i].help);
		for (size_t j = 0; j < n_peers; j++) {
			const struct metric_label labels[2] = {
				{ "peer", section->peers[j]->conf.name },
			};

			metric_u64(out, figures[i].metric, labels,
				   peer_figure(&section->peers[j]->stats, i));
		}
	}
	if (n_peers)
		metric_head(out, "leat_peer_rtt_seconds", "gauge",
			    "How long the last heartbeat took.");
	for (size_t j = 0; j < n_peers; j++) {
		const struct metric_label labels[2] = {
			{ "peer", section->peers[j]->conf.name },
		};

		metric_double(out, "leat_peer_rtt_seconds", labels,
			      (double)atomic_load(&section->peers[j]->stats.rtt_ns) / NS_PER_S);
	}
}
