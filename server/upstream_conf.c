/* server/upstream_conf.c */
#include "server/upstream_conf.h"
#include "core/base/memory.h"
#include "server/upstream_tls.h"
#include <errno.h>

struct upstream_config {
	struct str url;
	struct setting_texts servers;
	uint64_t timeout_ms;
	const struct node *timeouts, *tls;
	int64_t max_idle;
	uint64_t idle_close_ms, max_response;
};

struct timeouts_config {
	uint64_t connect_ms, first_byte_ms, idle_ms, total_ms;
};

#define AT(field) offsetof(struct timeouts_config, field)
static const struct setting timeouts_keys[] = {
	{ "connect", SETTING_DURATION, AT(connect_ms), "5s", "Looking up the name and connecting.",
	  1, 3600000 },
	{ "first_byte", SETTING_DURATION, AT(first_byte_ms), "30s",
	  "From the request being sent to the head of the response.", 1, 86400000 },
	{ "idle", SETTING_DURATION, AT(idle_ms), "30s", "Between two reads of a response's body.",
	  1, 86400000 },
	{ "total", SETTING_DURATION, AT(total_ms), "0",
	  "The whole call; 0: as long as the route may take.", 0, 86400000 },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct upstream_config, field)
const struct setting upstream_keys[] = {
	{ "url", SETTING_TEXT, AT(url),
	  .help = "http:// or https://host[:port][/prefix] of the only server." },
	{ "servers", SETTING_TEXTS, AT(servers),
	  .help = "host:port of each server; calls go to them in turn." },
	{ "tls", SETTING_MAP, AT(tls),
	  .help = "How https:// servers are believed; with `servers` it means https.",
	  .keys = upstream_tls_keys },
	{ "timeout", SETTING_DURATION, AT(timeout_ms), .help = "The same as timeouts: {total}.",
	  .min = 1, .max = 86400000 },
	{ "timeouts", SETTING_MAP, AT(timeouts), .help = "How long each phase of a call may take.",
	  .keys = timeouts_keys },
	{ "max_idle", SETTING_INT, AT(max_idle), "32",
	  "Unused connections that a loop keeps for a server.", 0, 10000 },
	{ "idle_close", SETTING_DURATION, AT(idle_close_ms), "55s",
	  "When an unused connection is closed.", 1, 86400000 },
	{ "max_response", SETTING_SIZE, AT(max_response), "8m",
	  "The largest body of a response; more is too_large.", 1, INT64_C(1) << 40 },
	SETTINGS_END
};
#undef AT

static bool upstream_refuse_later(const struct node *node, struct diag *diag)
{
	static const char *const later[] = { "balance", "pool",   "retry", "hedge",
					     "breaker", "health", "proxy", "srv" };
	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(later); i++) {
		const struct node_entry *entry = node_entry_find(node, later[i]);

		if (!entry)
			continue;
		diag_error(diag, entry->key_place,
			   "%s is not in this version of leat yet; remove it", later[i]);
		ok = false;
	}
	return ok;
}

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

static bool upstream_read_servers(struct upstream *upstream, const struct setting_texts *servers,
				  struct diag *diag)
{
	bool ok = true;

	for (size_t i = 0; i < servers->n_texts; i++) {
		int r = upstream_add_server(upstream, servers->texts[i]);

		if (r == 0)
			continue;
		diag_error(diag, servers->nodes[i]->place,
			   r == -ENOSPC ? "\"%.*s\" is one server too many; 64 is the most"
					: "\"%.*s\" is not a server; write host:port",
			   STR_ARG(servers->texts[i]));
		ok = false;
	}
	if (ok && upstream->n_servers)
		upstream_set_origin(upstream, servers->texts[0], STR_NONE);
	return ok;
}

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

static bool upstream_read(struct upstream *upstream, const struct node_entry *entry,
			  struct conf *conf, struct diag *diag)
{
	struct arena *arena = &conf->arena;
	struct upstream_config config = { 0 };
	struct timeouts_config timeouts = { 0 };
	const struct settings_part part = { upstream_keys, &config },
				   times = { timeouts_keys, &timeouts };
	const struct node *node = entry->value;

	if (node->kind == NODE_MAP && !upstream_refuse_later(node, diag))
		return false;
	if (settings_read(&part, 1, node, "an upstream", arena, diag) > 0)
		return false;
	settings_defaults(timeouts_keys, &timeouts, arena);
	if (config.timeouts &&
	    settings_read(&times, 1, config.timeouts, "timeouts", arena, diag) > 0)
		return false;
	if ((config.url.len > 0) == (config.servers.n_texts > 0)) {
		diag_error(diag, entry->key_place, "upstream \"%s\" needs one of url and servers",
			   entry->key.ptr);
		return false;
	}
	upstream->timeouts = (struct upstream_timeouts){ timeouts.connect_ms,
							 timeouts.first_byte_ms, timeouts.idle_ms,
							 config.timeout_ms ? config.timeout_ms
									   : timeouts.total_ms };
	upstream->max_idle = (uint64_t)config.max_idle;
	upstream->idle_close_ms = config.idle_close_ms;
	upstream->response_max = config.max_response;
	if (!upstream_read_tls(upstream, &config, conf, diag))
		return false;
	if (config.url.len)
		return upstream_read_url(upstream, config.url, node_find(node, "url"), diag);
	return upstream_read_servers(upstream, &config.servers, diag);
}

static bool upstream_is_same(const struct upstream *a, const struct upstream *b)
{
	if (a->n_servers != b->n_servers || !str_eq(a->authority, b->authority) ||
	    !str_eq(a->prefix, b->prefix) ||
	    memcmp(&a->timeouts, &b->timeouts, sizeof(a->timeouts)) != 0 ||
	    a->max_idle != b->max_idle || a->idle_close_ms != b->idle_close_ms ||
	    a->response_max != b->response_max || !a->tls != !b->tls ||
	    !str_eq(a->server_name, b->server_name) ||
	    memcmp(a->tls_identity, b->tls_identity, sizeof(a->tls_identity)) != 0)
		return false;
	for (size_t i = 0; i < a->n_servers; i++)
		if (!str_eq(a->servers[i].host, b->servers[i].host) ||
		    a->servers[i].port != b->servers[i].port)
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
	if (before && upstream_is_same(upstream, before)) {
		upstream_unref(upstream);
		return upstream_ref(before);
	}
	return upstream;
}
