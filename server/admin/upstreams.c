/* server/admin/upstreams.c: what is known of the upstreams and each of their servers. */
#include "core/base/clock.h"
#include "server/admin/admin.h"
#include "server/admin/metric.h"
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

static void write_server(struct buf *out, const struct upstream_server *server)
{
	bool v6 = str_has(server->host, ':');

	if (server->srv)
		buf_printf(out, "srv:%.*s", STR_ARG(server->host));
	else
		buf_printf(out, "%s%.*s%s:%u", v6 ? "[" : "", STR_ARG(server->host), v6 ? "]" : "",
			   server->port);
}

/* The servers as they were configured, with what their names are known to mean. */
static void write_names(struct buf *out, struct upstream *upstream)
{
	for (size_t i = 0; i < upstream->n_servers; i++) {
		struct net_addr addrs[UPSTREAM_FOUND_MAX];
		bool stale;
		size_t n = upstream_addresses(upstream, i, addrs, ARRAY_LEN(addrs), &stale);

		buf_printf(out, "%s{\"server\":\"", i ? "," : "");
		write_server(out, &upstream->servers[i]);
		buf_printf(out, "\",\"stale\":%s,\"addresses\":[", stale ? "true" : "false");
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

static void write_hedges(struct buf *out, const struct fleet *fleet)
{
	buf_printf(out, ",\"hedged\":%" PRIu64 ",\"hedges_won\":%" PRIu64,
		   atomic_load(&fleet->n_hedged), atomic_load(&fleet->n_hedges_won));
	if (latency_p95_ns(&fleet->latency))
		buf_printf(out, ",\"p95_ms\":%.3f",
			   (double)latency_p95_ns(&fleet->latency) / (double)NS_PER_MS);
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
	write_hedges(out, upstream->fleet);
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

enum upstream_metric {
	UPSTREAM_CALLS,
	UPSTREAM_FAILED,
	UPSTREAM_RETRIES,
	UPSTREAM_HEDGED,
	UPSTREAM_HEDGES_WON,
	UPSTREAM_CONNECTS,
	UPSTREAM_REUSED,
	UPSTREAM_REFUSED,
	UPSTREAM_IN_FLIGHT,
	UPSTREAM_OPEN,
	UPSTREAM_IDLE,
	UPSTREAM_WAITING,
	N_UPSTREAM_METRICS,
};

static const char *const metrics[N_UPSTREAM_METRICS][3] = {
	[UPSTREAM_CALLS] = { "leat_upstream_calls_total", "counter", "Calls to an upstream." },
	[UPSTREAM_FAILED] = { "leat_upstream_failed_total", "counter",
			      "Calls that got no usable response." },
	[UPSTREAM_RETRIES] = { "leat_upstream_retries_total", "counter",
			       "Tries that were made after one that failed." },
	[UPSTREAM_HEDGED] = { "leat_upstream_hedged_total", "counter",
			      "Tries that were made beside slow ones." },
	[UPSTREAM_HEDGES_WON] = { "leat_upstream_hedges_won_total", "counter",
				  "Those of them that answered first." },
	[UPSTREAM_CONNECTS] = { "leat_upstream_connects_total", "counter",
				"Connections that were made to its servers." },
	[UPSTREAM_REUSED] = { "leat_upstream_reused_total", "counter",
			      "Calls that took a connection that was there." },
	[UPSTREAM_REFUSED] = { "leat_upstream_refused_total", "counter",
			       "Calls that got no connection, as too many waited for one." },
	[UPSTREAM_IN_FLIGHT] = { "leat_upstream_in_flight", "gauge", "Calls in progress." },
	[UPSTREAM_OPEN] = { "leat_upstream_open", "gauge", "Open connections." },
	[UPSTREAM_IDLE] = { "leat_upstream_idle", "gauge", "Those of them without a call." },
	[UPSTREAM_WAITING] = { "leat_upstream_waiting", "gauge",
			       "Calls that wait for a connection." },
};

static uint64_t metric_of(enum upstream_metric metric, const struct fleet *fleet)
{
	const struct fleet_stats *stats = &fleet->stats;
	struct permits_stats permits;

	permits_stats(fleet->permits, &permits);
	switch (metric) {
	case UPSTREAM_CALLS:
		return atomic_load(&stats->calls);
	case UPSTREAM_FAILED:
		return atomic_load(&stats->failed);
	case UPSTREAM_RETRIES:
		return atomic_load(&fleet->n_retries);
	case UPSTREAM_HEDGED:
		return atomic_load(&fleet->n_hedged);
	case UPSTREAM_HEDGES_WON:
		return atomic_load(&fleet->n_hedges_won);
	case UPSTREAM_CONNECTS:
		return atomic_load(&stats->connects);
	case UPSTREAM_REUSED:
		return atomic_load(&stats->reused);
	case UPSTREAM_REFUSED:
		return permits.n_refused;
	case UPSTREAM_IN_FLIGHT:
		return (uint64_t)MAX(atomic_load(&stats->in_flight), 0);
	case UPSTREAM_OPEN:
		return (uint64_t)MAX(atomic_load(&stats->open), 0);
	case UPSTREAM_IDLE:
		return (uint64_t)MAX(atomic_load(&stats->idle), 0);
	case UPSTREAM_WAITING:
		return permits.n_waiting;
	case N_UPSTREAM_METRICS:
		break;
	}
	unreachable();
}

static void write_server_metrics(struct buf *out, struct upstream *upstream)
{
	struct roster *roster = upstream_roster(upstream);
	uint64_t now_ns = clock_monotonic_ns();

	for (size_t i = 0; i < roster->n_seats; i++) {
		struct peer *peer = roster->seats[i].peer;
		char text[NET_ADDR_TEXT_MAX];
		const struct metric_label labels[2] = {
			{ "upstream", upstream->name },
			{ "server", str_of(net_addr_write(text, &peer->addr)) },
		};

		metric_u64(out, "leat_upstream_server_up", labels,
			   strcmp(peer_state(peer, upstream, now_ns), "up") == 0);
	}
	roster_unref(roster);
}

void admin_write_upstream_metrics(const struct generation *generation, struct buf *out)
{
	const struct upstream_section *http = &generation->http;
	size_t n_listed = MIN(http->n_upstreams, (size_t)METRIC_NAMES_MAX);

	for (unsigned i = 0; i < N_UPSTREAM_METRICS; i++) {
		metric_head(out, metrics[i][0], metrics[i][1], metrics[i][2]);
		for (size_t j = 0; j < n_listed; j++)
			metric_u64(out, metrics[i][0],
				   (struct metric_label[2]){
					   { "upstream", http->upstreams[j]->name } },
				   metric_of(i, http->upstreams[j]->fleet));
	}
	metric_head(out, "leat_upstream_duration_seconds", "histogram",
		    "From the start of a call to its answer (of a body that is passed on, to its "
		    "head), with all its tries.");
	for (size_t j = 0; j < n_listed; j++) {
		struct tally_view view;

		tally_times_look(&http->upstreams[j]->fleet->times, &view);
		if (view.up_to[TALLY_BOUNDS])
			metric_times(out, "leat_upstream_duration_seconds",
				     (struct metric_label[2]){
					     { "upstream", http->upstreams[j]->name } },
				     &view);
	}
	metric_head(out, "leat_upstream_server_up", "gauge",
		    "0: a server is not called, by its breaker, its health, or as it could not be "
		    "reached.");
	for (size_t j = 0; j < n_listed; j++)
		write_server_metrics(out, http->upstreams[j]);
}
