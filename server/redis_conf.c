/* server/redis_conf.c
 *
 * A URL may hold a password, also one that came from a secret: no message repeats it. */
#include "server/redis_conf.h"
#include "core/base/memory.h"
#include "core/io/tls_client.h"
#include "server/redis/redis_pool.h"
#include "server/sql/sql_url.h"
#include "server/upstream_tls.h"

struct redis_config {
	struct str url, user, password, master, sentinel_user, sentinel_password;
	struct setting_texts servers, sentinels;
	int64_t db;
	bool cluster;
	const struct node *tls, *timeouts;
	int64_t connections, waiting;
	uint64_t waiting_bytes, max_reply;
};

struct redis_timeouts {
	uint64_t connect_ms, response_ms;
};

#define AT(field) offsetof(struct redis_timeouts, field)
static const struct setting redis_timeouts_keys[] = {
	{ "connect", SETTING_DURATION, AT(connect_ms), "2s",
	  "Looking up the name, connecting, TLS and the login, together.", 1, 3600000 },
	{ "response", SETTING_DURATION, AT(response_ms), "5s",
	  "How long the oldest reply of a connection may take; then the connection is closed.", 1,
	  86400000 },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct redis_config, field)
const struct setting redis_keys[] = {
	{ "url", SETTING_TEXT, AT(url),
	  .help = "redis://[user:password@]host[:port][/db], rediss:// for TLS, or unix:/path." },
	{ "servers", SETTING_TEXTS, AT(servers),
	  .help = "host:port of some servers of a cluster; the others are learned from them." },
	{ "cluster", SETTING_BOOL, AT(cluster), "false", "Whether the servers are a cluster." },
	{ "sentinels", SETTING_TEXTS, AT(sentinels),
	  .help = "host:port of the sentinels, who know which server is the master." },
	{ "master", SETTING_TEXT, AT(master), .help = "The name that the sentinels know it by." },
	{ "user", SETTING_TEXT, AT(user),
	  .help = "The user of the ACL; without it, the usual one." },
	{ "password", SETTING_TEXT, AT(password), .help = "Its password: ${secret.NAME}." },
	{ "sentinel_user", SETTING_TEXT, AT(sentinel_user), .help = "The user for sentinels." },
	{ "sentinel_password", SETTING_TEXT, AT(sentinel_password),
	  .help = "The password for sentinels." },
	{ "db", SETTING_INT, AT(db), .help = "The number of the database.", .min = 0,
	  .max = 65535 },
	{ "tls", SETTING_MAP, AT(tls), .help = "How servers are believed; it means TLS.",
	  .keys = upstream_tls_keys },
	{ "timeouts", SETTING_MAP, AT(timeouts), .help = "How long each phase may take.",
	  .keys = redis_timeouts_keys },
	{ "connections", SETTING_INT, AT(connections), "2",
	  "Connections of each loop to a server; tasks share them.", 1, REDIS_LANES_MAX },
	{ "waiting", SETTING_INT, AT(waiting), "10000",
	  "Commands without a reply on a connection; one more is pool_exhausted.", 1, 1000000 },
	{ "waiting_bytes", SETTING_SIZE, AT(waiting_bytes), "16m",
	  "Bytes of commands that a connection has not sent yet.", 1024, INT64_C(1) << 30 },
	{ "max_reply", SETTING_SIZE, AT(max_reply), "8m",
	  "The largest reply; a larger one is too_large.", 1, INT64_C(1) << 30 },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ places */

static bool redis_refuse_url(const struct node *node, struct diag *diag)
{
	diag_error(diag, node->place,
		   "this is not a URL of a Redis server; write "
		   "redis://[user:password@]host[:port][/db], rediss://…, or unix:/path");
	return false;
}

static bool redis_add_server(struct redis *redis, struct str host, uint16_t port)
{
	if (redis->n_servers == REDIS_SERVERS_MAX)
		return false;
	redis->servers[redis->n_servers++] =
		(struct upstream_server){ .host = arena_str(&redis->arena, host), .port = port };
	return true;
}

static bool redis_read_database(struct redis *redis, struct str database, const struct node *node,
				struct diag *diag)
{
	uint64_t number = 0;

	if (database.len && (str_to_u64(database, &number) < 0 || number > 65535)) {
		diag_error(diag, node->place,
			   "the path of the URL is the number of the database; write /0 to /65535");
		return false;
	}
	if (database.len)
		redis->db = (int64_t)number;
	return true;
}

static bool redis_read_unix(struct redis *redis, const struct node *node, struct diag *diag)
{
	struct net_addr addr;

	if (redis->tls || redis->mode == REDIS_CLUSTER || net_addr_parse(node->text, &addr) < 0)
		return redis_refuse_url(node, diag);
	return redis_add_server(redis, str_skip(node->text, 5), 0);
}

static bool redis_read_url(struct redis *redis, const struct node *node, struct diag *diag)
{
	struct str scheme = sql_url_scheme(node->text);
	struct upstream_server server;
	struct sql_address address;
	struct net_addr addr;

	if (str_eq(scheme, STR("unix")))
		return redis_read_unix(redis, node, diag);
	if ((!str_eq(scheme, STR("redis")) && !str_eq(scheme, STR("rediss"))) ||
	    !sql_url_read_server(node->text, &redis->arena, &address) || address.query.len)
		return redis_refuse_url(node, diag);
	if (net_addr_from_host(address.host, REDIS_PORT, &addr) < 0 &&
	    upstream_read_address(address.host, REDIS_PORT, &server) < 0)
		return redis_refuse_url(node, diag);
	if (address.user.len)
		redis->login.user = address.user;
	if (address.password.len)
		redis->login.password = address.password;
	return redis_read_database(redis, address.database, node, diag) &&
	       redis_add_server(redis, address.host, address.port ? address.port : REDIS_PORT);
}

static bool redis_read_servers(struct redis *redis, const struct setting_texts *servers,
			       uint16_t usual_port, struct diag *diag)
{
	bool ok = true;

	for (size_t i = 0; i < servers->n_texts; i++) {
		struct upstream_server server;

		if (upstream_read_address(servers->texts[i], usual_port, &server) == 0 &&
		    redis_add_server(redis, server.host, server.port))
			continue;
		diag_error(diag, servers->nodes[i]->place,
			   redis->n_servers == REDIS_SERVERS_MAX
				   ? "\"%.*s\" is one server too many; 64 is the most"
				   : "\"%.*s\" is not a server; write host:port",
			   STR_ARG(str_first(servers->texts[i], 80)));
		ok = false;
	}
	return ok;
}

/* ------------------------------------------------------------ what belongs together */

static bool redis_check_mode(const struct redis_config *config, const struct node_entry *entry,
			     struct diag *diag)
{
	const char *wrong = NULL;

	if ((config->url.len > 0) + (config->servers.n_texts > 0) +
		    (config->sentinels.n_texts > 0) !=
	    1)
		wrong = "needs one of url, servers and sentinels";
	else if (config->servers.n_texts && !config->cluster)
		wrong = "has servers, which are for a cluster; write cluster: true, or url";
	else if (config->sentinels.n_texts && config->cluster)
		wrong = "has sentinels, which a cluster does not; remove one of them";
	else if (!config->sentinels.n_texts != !config->master.len)
		wrong = "needs both of sentinels and master, or none of them";
	else if (!config->sentinels.n_texts &&
		 (config->sentinel_user.len || config->sentinel_password.len))
		wrong = "has a login for sentinels, and no sentinels";
	else if (config->cluster && config->db)
		wrong = "has a db, and a cluster has only the number 0; remove db";
	if (wrong)
		diag_error(diag, entry->key_place, "redis \"%s\" %s", entry->key.ptr, wrong);
	return !wrong;
}

static bool redis_check_login(const struct redis *redis, const struct node_entry *entry,
			      struct diag *diag)
{
	if ((!redis->login.user.len || redis->login.password.len) &&
	    (!redis->sentinel_login.user.len || redis->sentinel_login.password.len))
		return true;
	diag_error(diag, entry->key_place, "redis \"%s\" has a user without a password",
		   entry->key.ptr);
	return false;
}

/* As upstreams have it; what carries it there is thrown away. */
static bool redis_read_tls(struct redis *redis, const struct redis_config *config,
			   struct conf *conf, struct diag *diag)
{
	bool secure = str_starts_with(config->url, STR("rediss://"));
	struct upstream *upstream;
	bool ok;

	if (config->url.len && config->tls && !secure) {
		diag_error(diag, config->tls->place, "tls is for rediss; write url: rediss://…");
		return false;
	}
	if (!secure && !config->tls)
		return true;
	upstream = upstream_create(redis->name);
	ok = upstream_tls_compile(upstream, config->tls, conf, diag);
	if (ok) {
		redis->tls = tls_client_ref(upstream->tls);
		redis->server_name = arena_str(&redis->arena, upstream->server_name);
		memcpy(redis->tls_identity, upstream->tls_identity, sizeof(redis->tls_identity));
	}
	upstream_unref(upstream);
	return ok;
}

static void redis_take(struct redis *redis, const struct redis_config *config)
{
	struct arena *arena = &redis->arena;

	redis->mode = config->cluster             ? REDIS_CLUSTER
		      : config->sentinels.n_texts ? REDIS_SENTINEL
						  : REDIS_SINGLE;
	redis->master = arena_str(arena, config->master);
	redis->login = (struct redis_login){ arena_str(arena, config->user),
					     arena_str(arena, config->password) };
	redis->sentinel_login = (struct redis_login){ arena_str(arena, config->sentinel_user),
						      arena_str(arena, config->sentinel_password) };
	redis->db = config->db;
	redis->n_lanes = (unsigned)config->connections;
	redis->waiting_max = (size_t)config->waiting;
	redis->waiting_bytes = config->waiting_bytes;
	redis->reply_max = config->max_reply;
}

static bool redis_read(struct redis *redis, const struct node_entry *entry, struct conf *conf,
		       struct diag *diag)
{
	struct redis_config config = { 0 };
	struct redis_timeouts timeouts = { 0 };
	const struct settings_part part = { redis_keys, &config },
				   times = { redis_timeouts_keys, &timeouts };

	if (settings_read(&part, 1, entry->value, "an entry of redis", &conf->arena, diag) > 0)
		return false;
	settings_defaults(redis_timeouts_keys, &timeouts, &conf->arena);
	if (config.timeouts &&
	    settings_read(&times, 1, config.timeouts, "timeouts", &conf->arena, diag) > 0)
		return false;
	if (!redis_check_mode(&config, entry, diag))
		return false;
	redis_take(redis, &config);
	redis->connect_ms = timeouts.connect_ms;
	redis->response_ms = timeouts.response_ms;
	if (!redis_read_tls(redis, &config, conf, diag))
		return false;
	if (config.url.len)
		return redis_read_url(redis, node_find(entry->value, "url"), diag) &&
		       redis_check_login(redis, entry, diag);
	return redis_read_servers(
		       redis, config.servers.n_texts ? &config.servers : &config.sentinels,
		       config.servers.n_texts ? REDIS_PORT : REDIS_SENTINEL_PORT, diag) &&
	       redis_check_login(redis, entry, diag);
}

static struct redis *redis_compile(const struct node_entry *entry, struct redis *before,
				   struct conf *conf, struct diag *diag)
{
	struct redis *redis = redis_create(entry->key);

	if (!redis_read(redis, entry, conf, diag)) {
		redis->n_servers = 0; /* it is known all the same: who asks it needs no error of
					 its own */
		return redis;
	}
	if (redis->mode == REDIS_CLUSTER && redis->db) {
		diag_error(diag, entry->key_place, "a cluster has only the database 0");
		redis->n_servers = 0;
		return redis;
	}
	if (!before || !redis_is_same(redis, before))
		return redis;
	redis_unref(redis);
	return redis_ref(before);
}

/* ------------------------------------------------------------ the section */

void redis_section_compile(struct redis_section *section, const struct node *node,
			   const struct redis_section *before, struct conf *conf, struct diag *diag)
{
	size_t n_entries = node && node->kind == NODE_MAP ? node->n_entries : 0;

	section->redises =
		arena_alloc_array(&conf->arena, n_entries + 1, sizeof(*section->redises));
	section->names = arena_alloc_array(&conf->arena, n_entries + 1, sizeof(*section->names));
	for (size_t i = 0; i < n_entries; i++) {
		const struct node_entry *entry = &node->entries[i];

		section->redises[section->n_redises++] =
			redis_compile(entry, redis_section_find(before, entry->key), conf, diag);
		section->names[i] = entry->key.ptr;
	}
	section->names[n_entries] = NULL;
}
