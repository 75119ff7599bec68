/* server/admin/upstreams.c: what is known of the upstreams and each of their servers. */
#include "core/base/clock.h"
#include "server/admin/admin.h"
#include "server/client/upstream_names.h"
#include "server/expr/json.h"
#include <inttypes.h>

static void write_address(struct buf *out, const struct net_addr *addr)
{
	char text[NET_ADDR_TEXT_MAX];

	json_write_text(str_of(net_addr_write(text, addr)), out);
}

/* Why it would (not) be called now. */
static const char *peer_state(struct peer *peer, const struct upstream *upstream, uint64_t now_ns)
{
	if (breaker_is_wanted(&upstream->breaker) &&
	    !breaker_admits(&peer->breaker, &upstream->breaker, now_ns))
		return "open";
	if (upstream->health.interval_ms && peer_is_down(peer))
		return "down";
	return peer_is_doubted(peer, now_ns) ? "doubted" : "up";
}

static void write_seat(struct buf *out, const struct seat *seat, const struct upstream *upstream)
{
	struct peer *peer = seat->peer;
	const struct fleet_stats *stats = &peer->stats;
	uint64_t now_ns = clock_monotonic_ns();

	buf_add(out, STR("{\"address\":"));
	write_address(out, &peer->addr);
	buf_add(out, STR(",\"host\":"));
	json_write_text(peer->host, out);
	buf_printf(out, ",\"state\":\"%s\",\"weight\":%" PRIu32 ",\"backup\":%s",
		   peer_state(peer, upstream, now_ns), seat->weight,
		   seat->backup ? "true" : "false");
	if (breaker_is_wanted(&upstream->breaker))
		buf_printf(out, ",\"breaker\":\"%s\"",
			   breaker_state_name(breaker_state(&peer->breaker, now_ns)));
	buf_printf(out,
		   ",\"calls\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"connects\":%" PRIu64
		   ",\"reused\":%" PRIu64 ",\"in_flight\":%d,\"idle\":%d,\"open\":%d}",
		   atomic_load(&stats->calls), atomic_load(&stats->failed),
		   atomic_load(&stats->connects), atomic_load(&stats->reused),
		   atomic_load(&stats->in_flight), atomic_load(&stats->idle),
		   atomic_load(&stats->open));
}

static void write_seats(struct buf *out, struct upstream *upstream)
{
	struct roster *roster = upstream_roster(upstream);

	for (size_t i = 0; i < roster->n_seats; i++) {
		if (i)
			buf_add_char(out, ',');
		write_seat(out, &roster->seats[i], upstream);
	}
	roster_unref(roster);
}

/* The servers as they were configured, with what their names are known to mean. */
static void write_names(struct buf *out, struct upstream *upstream)
{
	for (size_t i = 0; i < upstream->n_servers; i++) {
		const struct upstream_server *server = &upstream->servers[i];
		struct net_addr addrs[UPSTREAM_FOUND_MAX];
		bool v6 = str_has(server->host, ':'), stale;
		size_t n = upstream_addresses(upstream, i, addrs, ARRAY_LEN(addrs), &stale);

		buf_printf(out, "%s{\"server\":\"%s%.*s%s:%u\",\"stale\":%s,\"addresses\":[",
			   i ? "," : "", v6 ? "[" : "", STR_ARG(server->host), v6 ? "]" : "",
			   server->port, stale ? "true" : "false");
		for (size_t j = 0; j < n; j++) {
			if (j)
				buf_add_char(out, ',');
			write_address(out, &addrs[j]);
		}
		buf_add(out, STR("]}"));
	}
}

static void write_pool(struct buf *out, struct upstream *upstream)
{
	struct permits_stats stats;

	permits_stats(upstream->fleet->permits, &stats);
	buf_printf(out, "{\"max\":%u,\"open\":%u,\"waiting\":%u,\"refused\":%" PRIu64 "}",
		   stats.max, stats.n_taken, stats.n_waiting, stats.n_refused);
}

static void write_upstream(struct buf *out, struct upstream *upstream)
{
	const struct fleet_stats *stats = &upstream->fleet->stats;

	buf_add(out, STR("{\"name\":"));
	json_write_text(upstream->name, out);
	buf_add(out, STR(",\"servers\":["));
	write_seats(out, upstream);
	buf_add(out, STR("],\"resolved\":["));
	write_names(out, upstream);
	buf_add(out, STR("],\"pool\":"));
	write_pool(out, upstream);
	buf_printf(out,
		   ",\"calls\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"retries\":%" PRIu64
		   ",\"connects\":%" PRIu64 ",\"reused\":%" PRIu64
		   ",\"in_flight\":%d,\"idle\":%d,\"open\":%d}",
		   atomic_load(&stats->calls), atomic_load(&stats->failed),
		   atomic_load(&upstream->fleet->n_retries), atomic_load(&stats->connects),
		   atomic_load(&stats->reused), atomic_load(&stats->in_flight),
		   atomic_load(&stats->idle), atomic_load(&stats->open));
}

void admin_write_upstreams(const struct generation *generation, struct buf *out)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < generation->http.n_upstreams; i++) {
		if (i)
			buf_add_char(out, ',');
		write_upstream(out, generation->http.upstreams[i]);
	}
	buf_add_char(out, ']');
}

void admin_upstreams(struct request *request)
{
	struct buf json;

	buf_init_arena(&json, &request->arena);
	buf_add(&json, STR("{\"upstreams\":"));
	admin_write_upstreams(request->generation, &json);
	buf_add_char(&json, '}');
	request_reply_json(request, json.error ? 500 : 200, buf_str(&json));
}

/* ------------------------------------------------------------ metrics */

struct metric {
	const char *name, *type, *help;
	size_t offset; /* into fleet_stats */
	bool signed_int;
};

static const struct metric metrics[] = {
	{ "leat_upstream_calls_total", "counter", "Calls to an upstream.",
	  offsetof(struct fleet_stats, calls), false },
	{ "leat_upstream_failed_total", "counter", "Calls that got no usable response.",
	  offsetof(struct fleet_stats, failed), false },
	{ "leat_upstream_connects_total", "counter", "Connections that were made to its servers.",
	  offsetof(struct fleet_stats, connects), false },
	{ "leat_upstream_in_flight", "gauge", "Calls in progress.",
	  offsetof(struct fleet_stats, in_flight), true },
	{ "leat_upstream_open", "gauge", "Open connections.", offsetof(struct fleet_stats, open),
	  true },
};

static int64_t metric_of(const struct metric *metric, const struct fleet_stats *stats)
{
	const char *at = (const char *)stats + metric->offset;

	return metric->signed_int
		       ? atomic_load((const atomic_int *)(const void *)at)
		       : (int64_t)atomic_load((const _Atomic uint64_t *)(const void *)at);
}

static void write_metric(struct buf *out, const struct metric *metric,
			 const struct upstream *upstream)
{
	buf_printf(out, "%s{upstream=\"", metric->name);
	admin_write_label(upstream->name, out);
	buf_printf(out, "\"} %" PRId64 "\n", metric_of(metric, &upstream->fleet->stats));
}

void admin_write_upstream_metrics(const struct generation *generation, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metrics[i].name, metrics[i].help,
			   metrics[i].name, metrics[i].type);
		for (size_t j = 0; j < generation->http.n_upstreams; j++)
			write_metric(out, &metrics[i], generation->http.upstreams[j]);
	}
}
