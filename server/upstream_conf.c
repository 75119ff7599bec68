/* server/upstream_conf.c */
#include "server/upstream_conf.h"
#include "server/upstream_follow.h"
#include "server/upstream_health.h"
#include "server/upstream_hedge.h"
#include "server/upstream_retry.h"
#include "server/upstream_servers.h"
#include "server/upstream_tls.h"
#include "server/upstream_via.h"

struct upstream_config {
	struct str url, via;
	const struct node *servers, *balance, *timeouts, *tls, *pool, *breaker, *retry, *hedge,
		*follow, *health;
	uint64_t timeout_ms, max_response, stale_ms;
};

#define AT(field) offsetof(struct upstream_timeouts, field)
static const struct setting timeouts_keys[] = {
	{ "acquire", SETTING_DURATION, AT(acquire_ms), "5s",
	  "Waiting for a connection when no more may be opened.", 1, 3600000 },
	{ "connect", SETTING_DURATION, AT(connect_ms), "5s", "Looking up the name and connecting.",
	  1, 3600000 },
	{ "tls", SETTING_DURATION, AT(tls_ms), "0",
	  "The TLS handshake; 0: within what is left of connect.", 0, 3600000 },
	{ "first_byte", SETTING_DURATION, AT(first_byte_ms), "30s",
	  "From the request being sent to the head of the response.", 1, 86400000 },
	{ "idle", SETTING_DURATION, AT(idle_ms), "30s", "Between two reads of a response's body.",
	  1, 86400000 },
	{ "total", SETTING_DURATION, AT(total_ms), "0",
	  "The whole call; 0: as long as the route may take.", 0, 86400000 },
	SETTINGS_END
};
#undef AT

struct pool_config {
	int64_t max, waiters, idle;
	uint64_t idle_close_ms;
};

#define AT(field) offsetof(struct pool_config, field)
static const struct setting pool_keys[] = {
	{ "max", SETTING_INT, AT(max), "10000",
	  "Connections that may be open at once, of the whole process; 0: any number.", 0,
	  1000000 },
	{ "waiters", SETTING_INT, AT(waiters), "1000",
	  "Calls that may wait for one of them; the next fails with pool_exhausted.", 0, 1000000 },
	{ "idle", SETTING_INT, AT(idle), "128",
	  "Unused connections that a loop keeps for a server.", 0, 10000 },
	{ "idle_close", SETTING_DURATION, AT(idle_close_ms), "55s",
	  "When an unused connection is closed.", 1, 86400000 },
	SETTINGS_END
};
#undef AT

struct breaker_config {
	int64_t failures, error_rate, min_calls, probes;
	uint64_t window_ms, open_ms;
	bool count_5xx;
};

#define AT(field) offsetof(struct breaker_config, field)
static const struct setting breaker_keys[] = {
	{ "failures", SETTING_INT, AT(failures), "5",
	  "So many failures in a row open it; 0: they do not.", 0, 1000000 },
	{ "error_rate", SETTING_INT, AT(error_rate), "0",
	  "Per cent of the calls of a window that open it by failing; 0: they do not.", 0, 100 },
	{ "min_calls", SETTING_INT, AT(min_calls), "20",
	  "Calls in a window before its error_rate counts.", 1, 1000000 },
	{ "window", SETTING_DURATION, AT(window_ms), "10s", "The window of error_rate.", 100,
	  3600000 },
	{ "open", SETTING_DURATION, AT(open_ms), "5s",
	  "How long a server is not called, before probes are let through.", 1, 3600000 },
	{ "probes", SETTING_INT, AT(probes), "1",
	  "Probes at a time, and how many must succeed in a row to close it.", 1, 1000 },
	{ "count_5xx", SETTING_BOOL, AT(count_5xx), "false",
	  "A status from 500 on is a failure of the server, too." },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct upstream_config, field)
const struct setting upstream_keys[] = {
	{ "url", SETTING_TEXT, AT(url),
	  .help = "http:// or https://host[:port][/prefix] of the only server." },
	{ "servers", SETTING_NODE, AT(servers),
	  .help = "host:port of each server, or srv:_service._tcp.domain, or a map with weight, "
		  "backup "
		  "and group.",
	  .keys = upstream_server_keys },
	{ "via", SETTING_TEXT, AT(via),
	  .help = "http://[user:password@]host:port of an HTTP proxy that its servers are reached "
		  "by." },
	{ "balance", SETTING_NODE, AT(balance),
	  .help = "round_robin, weighted, least_conn, random_two or {consistent_hash: KEY}.",
	  .keys = upstream_balance_keys },
	{ "tls", SETTING_MAP, AT(tls),
	  .help = "How https:// servers are believed; with `servers` it means https.",
	  .keys = upstream_tls_keys },
	{ "timeout", SETTING_DURATION, AT(timeout_ms), .help = "The same as timeouts: {total}.",
	  .min = 1, .max = 86400000 },
	{ "timeouts", SETTING_MAP, AT(timeouts), .help = "How long each phase of a call may take.",
	  .keys = timeouts_keys },
	{ "pool", SETTING_MAP, AT(pool), .help = "How many connections there may be.",
	  .keys = pool_keys },
	{ "breaker", SETTING_MAP, AT(breaker),
	  .help = "A server that fails is not called for a while.", .keys = breaker_keys },
	{ "retry", SETTING_NODE, AT(retry),
	  .help = "Makes a call again that has failed: a number, or times, wait, codes, budget.",
	  .keys = upstream_retry_keys },
	{ "hedge", SETTING_NODE, AT(hedge),
	  .help = "Asks another server beside one that is slow to answer; the first answer counts: "
		  "a "
		  "duration, p95, or after and max.",
	  .keys = upstream_hedge_keys },
	{ "follow", SETTING_NODE, AT(follow),
	  .help = "Redirects that tasks follow, as far as they stay at their host: a number, or "
		  "max, "
		  "allow_hosts and allow_http.",
	  .keys = upstream_follow_keys },
	{ "health", SETTING_MAP, AT(health),
	  .help = "Asks every server again and again whether it is well.",
	  .keys = upstream_health_keys },
	{ "stale_ok", SETTING_DURATION, AT(stale_ms), "1h",
	  "How long the addresses of a name are used beyond their time when DNS does not answer.",
	  0, INT64_C(30) * 86400000 },
	{ "max_response", SETTING_SIZE, AT(max_response), "8m",
	  "The largest body of a response; more is too_large.", 1, INT64_C(1) << 40 },
	SETTINGS_END
};
#undef AT

/* What requests say in Host, and what stands before their paths. */
static void upstream_set_origin(struct upstream *upstream, struct str authority, struct str prefix)
{
	upstream->authority = arena_str(&upstream->arena, authority);
	upstream->prefix = arena_str(&upstream->arena, prefix);
}

static bool upstream_read_url(struct upstream *upstream, struct str url, const struct node *node,
			      struct diag *diag)
{
	struct str rest, authority;
	ptrdiff_t slash;

	if (!upstream->tls && !str_starts_with(url, STR("http://"))) {
		diag_error(diag, node->place,
			   "\"%.*s\" is not a URL of an upstream; write http://host:port or "
			   "https://host",
			   STR_ARG(url));
		return false;
	}
	rest = str_skip(url, upstream->tls ? 8 : 7);
	slash = str_find_char(rest, '/');
	authority = slash < 0 ? rest : str_first(rest, (size_t)slash);
	rest = slash < 0 ? STR_NONE : str_skip(rest, (size_t)slash);
	while (rest.len && rest.ptr[rest.len - 1] == '/')
		rest.len--;
	if (str_has(rest, '?') || str_has(rest, '#') ||
	    upstream_add_server(upstream, authority) < 0) {
		diag_error(diag, node->place,
			   "\"%.*s\" is not a URL of an upstream; write http://host:port[/prefix]",
			   STR_ARG(url));
		return false;
	}
	upstream_set_origin(upstream, authority, rest);
	return true;
}

/* ------------------------------------------------------------ maps of an upstream */

static bool upstream_read_map(const struct setting *table, void *target, const struct node *node,
			      const char *what, struct conf *conf, struct diag *diag)
{
	const struct settings_part part = { table, target };

	settings_defaults(table, target, &conf->arena);
	return !node || settings_read(&part, 1, node, what, &conf->arena, diag) == 0;
}

static bool upstream_read_timeouts(struct upstream *upstream, const struct upstream_config *config,
				   struct conf *conf, struct diag *diag)
{
	if (!upstream_read_map(timeouts_keys, &upstream->timeouts, config->timeouts, "timeouts",
			       conf, diag))
		return false;
	if (config->timeout_ms)
		upstream->timeouts.total_ms = config->timeout_ms;
	return true;
}

static bool upstream_read_pool(struct upstream *upstream, const struct node *node,
			       struct conf *conf, struct diag *diag)
{
	struct pool_config config = { 0 };

	if (!upstream_read_map(pool_keys, &config, node, "pool", conf, diag))
		return false;
	upstream->pool = (struct upstream_pool){ (uint32_t)config.max, (uint32_t)config.waiters,
						 (uint64_t)config.idle, config.idle_close_ms };
	return true;
}

static bool upstream_read_breaker(struct upstream *upstream, const struct node *node,
				  struct conf *conf, struct diag *diag)
{
	struct breaker_config config = { 0 };

	if (!node)
		return true;
	if (!upstream_read_map(breaker_keys, &config, node, "breaker", conf, diag))
		return false;
	if (config.failures == 0 && config.error_rate == 0) {
		diag_error(
			diag, node->place,
			"this breaker never opens; give it failures or error_rate, or remove it");
		return false;
	}
	upstream->breaker = (struct breaker_settings){
		.failures = (uint32_t)config.failures,
		.error_rate = (uint32_t)config.error_rate,
		.min_calls = (uint32_t)config.min_calls,
		.probes = (uint32_t)config.probes,
		.window_ms = config.window_ms,
		.open_ms = config.open_ms,
	};
	upstream->breaker_5xx = config.count_5xx;
	return true;
}

/* ------------------------------------------------------------ the whole of it */

/* TLS is what https:// says, or `tls` beside `servers`. */
static bool upstream_read_tls(struct upstream *upstream, const struct upstream_config *config,
			      struct conf *conf, struct diag *diag)
{
	bool https = str_starts_with(config->url, STR("https://"));

	if (config->url.len && config->tls && !https) {
		diag_error(diag, config->tls->place, "tls is for https; write url: https://…");
		return false;
	}
	return (!https && !config->tls) || upstream_tls_compile(upstream, config->tls, conf, diag);
}

static bool upstream_read_origin(struct upstream *upstream, const struct upstream_config *config,
				 const struct node *node, struct conf *conf, struct diag *diag)
{
	if (config->url.len)
		return upstream_read_url(upstream, config->url, node_find(node, "url"), diag);
	return upstream_read_servers(upstream, config->servers, conf, diag);
}

static bool upstream_read(struct upstream *upstream, const struct node_entry *entry,
			  struct conf *conf, struct diag *diag)
{
	struct upstream_config config = { 0 };
	const struct settings_part part = { upstream_keys, &config };
	const struct node *node = entry->value;

	if (settings_read(&part, 1, node, "an upstream", &conf->arena, diag) > 0)
		return false;
	if ((config.url.len > 0) == (config.servers != NULL)) {
		diag_error(diag, entry->key_place, "upstream \"%s\" needs one of url and servers",
			   entry->key.ptr);
		return false;
	}
	upstream->response_max = config.max_response;
	upstream->stale_ms = config.stale_ms;
	return upstream_read_timeouts(upstream, &config, conf, diag) &
	       upstream_read_pool(upstream, config.pool, conf, diag) &
	       upstream_read_breaker(upstream, config.breaker, conf, diag) &
	       upstream_read_retry(upstream, config.retry, conf, diag) &
	       (!config.hedge ||
		upstream_read_hedge(&upstream->hedge, config.hedge, &conf->arena, diag)) &
	       (!config.follow ||
		upstream_read_follow(&upstream->follow, config.follow, &upstream->arena, diag)) &
	       upstream_read_health(upstream, config.health, conf, diag) &
	       ((!config.via.len || upstream_read_via(upstream, node_find(node, "via"), diag)) &&
		upstream_read_tls(upstream, &config, conf, diag) &&
		upstream_read_origin(upstream, &config, node, conf, diag) &&
		upstream_check_via(upstream, node_find(node, "via"), diag) &&
		upstream_read_balance(upstream, config.balance, conf, diag));
}

/* ------------------------------------------------------------ the one before */

static bool server_is_same(const struct upstream_server *a, const struct upstream_server *b)
{
	return str_eq(a->host, b->host) && a->srv == b->srv && a->port == b->port &&
	       a->weight == b->weight && a->group == b->group && a->backup == b->backup;
}

static bool upstream_speaks_same(const struct upstream *a, const struct upstream *b)
{
	return str_eq(a->authority, b->authority) && str_eq(a->prefix, b->prefix) &&
	       !a->tls == !b->tls && upstream_via_is_same(a->via, b->via) &&
	       str_eq(a->server_name, b->server_name) &&
	       memcmp(a->tls_identity, b->tls_identity, sizeof(a->tls_identity)) == 0;
}

static bool health_is_same(const struct upstream_health *a, const struct upstream_health *b)
{
	return str_eq(a->path, b->path) && a->interval_ms == b->interval_ms &&
	       a->timeout_ms == b->timeout_ms && a->rise == b->rise && a->fall == b->fall &&
	       memcmp(&a->expected, &b->expected, sizeof(a->expected)) == 0;
}

static bool hedge_is_same(const struct upstream_hedge *a, const struct upstream_hedge *b)
{
	return a->after_ms == b->after_ms && a->p95 == b->p95 && a->max == b->max;
}

static bool upstream_is_same(const struct upstream *a, const struct upstream *b)
{
	if (a->n_servers != b->n_servers || !upstream_speaks_same(a, b) ||
	    memcmp(&a->timeouts, &b->timeouts, sizeof(a->timeouts)) != 0 ||
	    memcmp(&a->pool, &b->pool, sizeof(a->pool)) != 0 ||
	    memcmp(&a->breaker, &b->breaker, sizeof(a->breaker)) != 0 ||
	    memcmp(&a->retry, &b->retry, sizeof(a->retry)) != 0 ||
	    !hedge_is_same(&a->hedge, &b->hedge) ||
	    !upstream_follow_is_same(&a->follow, &b->follow) ||
	    !health_is_same(&a->health, &b->health) || a->breaker_5xx != b->breaker_5xx ||
	    a->balance != b->balance || a->stale_ms != b->stale_ms ||
	    a->response_max != b->response_max)
		return false;
	for (size_t i = 0; i < a->n_servers; i++)
		if (!server_is_same(&a->servers[i], &b->servers[i]))
			return false;
	return true;
}

struct upstream *upstream_compile(const struct node_entry *entry, struct upstream *before,
				  struct conf *conf, struct diag *diag)
{
	struct upstream *upstream = upstream_create(entry->key);

	if (!upstream_read(upstream, entry, conf, diag)) {
		upstream_unref(upstream);
		return NULL;
	}
	if (!before)
		return upstream;
	if (upstream_is_same(upstream, before)) {
		upstream_unref(upstream);
		return upstream_ref(before);
	}
	upstream_succeed(upstream, before);
	return upstream;
}
