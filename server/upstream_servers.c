/* server/upstream_servers.c */
#include "server/upstream_servers.h"
#include <errno.h>

enum { WEIGHT_MAX = 1000 };

struct server_config {
	struct str address, group;
	int64_t weight;
	bool backup;
};

#define AT(field) offsetof(struct server_config, field)
const struct setting upstream_server_keys[] = {
	{ "address", SETTING_TEXT, AT(address),
	  .help = "host:port of the server, or srv:_service._tcp.domain.", .required = true },
	{ "weight", SETTING_INT, AT(weight), "1", "Its share of the calls, beside the others.", 1,
	  WEIGHT_MAX },
	{ "backup", SETTING_BOOL, AT(backup), "false",
	  "It is called only when no other server of its group can be." },
	{ "group", SETTING_TEXT, AT(group),
	  .help = "Servers that stand in for one another have the same name here." },
	SETTINGS_END
};
#undef AT

struct balance_config {
	const struct node *consistent_hash;
};

const struct setting upstream_balance_keys[] = {
	{ "consistent_hash", SETTING_TEMPLATE, offsetof(struct balance_config, consistent_hash),
	  .help = "Calls with the same key go to the same server, as long as it can be called.",
	  .required = true },
	SETTINGS_END
};

/* The names of an upstream's groups, in the order in which they came. */
struct groups {
	struct str names[UPSTREAM_SERVERS_MAX];
	uint16_t n_names;
};

static uint16_t groups_number(struct groups *groups, struct str name)
{
	uint16_t i = 0;

	if (name.len == 0)
		return UPSTREAM_GROUP_NONE;
	while (i < groups->n_names && !str_eq(groups->names[i], name))
		i++;
	if (i == groups->n_names)
		groups->names[groups->n_names++] = name;
	return (uint16_t)(i + 1);
}

/* ------------------------------------------------------------ one server */

static bool server_read_text(const struct node *node, struct server_config *config,
			     struct diag *diag)
{
	ptrdiff_t space = str_find_char(node->text, ' ');
	struct str rest = space < 0 ? STR_NONE : str_trim(str_skip(node->text, (size_t)space));
	uint64_t weight = 1;

	config->address = space < 0 ? node->text : str_first(node->text, (size_t)space);
	if (rest.len &&
	    (!str_starts_with(rest, STR("weight=")) || str_to_u64(str_skip(rest, 7), &weight) < 0 ||
	     weight < 1 || weight > WEIGHT_MAX)) {
		diag_error(diag, node->place,
			   "\"%.*s\" does not belong to an address; write host:port weight=3, or "
			   "{address: host:port, weight: 3, backup: true}",
			   STR_ARG(str_first(rest, 80)));
		return false;
	}
	config->weight = (int64_t)weight;
	return true;
}

static bool server_read_node(const struct node *node, struct server_config *config,
			     struct arena *arena, struct diag *diag)
{
	const struct settings_part part = { upstream_server_keys, config };

	if (node->kind == NODE_MAP)
		return settings_read(&part, 1, node, "a server", arena, diag) == 0;
	if (node_is_scalar(node) && node->text.len)
		return server_read_text(node, config, diag);
	diag_error(diag, node->place, "a server is host:port, or {address: host:port, …}, not %s",
		   node_kind_name(node));
	return false;
}

static bool server_is_twice(const struct upstream *upstream)
{
	const struct upstream_server *added = &upstream->servers[upstream->n_servers - 1];

	for (size_t i = 0; i + 1 < upstream->n_servers; i++)
		if (upstream->servers[i].port == added->port &&
		    str_eq_nocase(upstream->servers[i].host, added->host))
			return true;
	return false;
}

static bool upstream_read_server(struct upstream *upstream, const struct node *node,
				 struct groups *groups, struct arena *arena, struct diag *diag)
{
	struct server_config config = { 0 };
	struct upstream_server *added;
	int r;

	if (!server_read_node(node, &config, arena, diag))
		return false;
	r = upstream_add_server(upstream, config.address);
	if (r < 0) {
		diag_error(diag, node->place,
			   r == -ENOSPC ? "\"%.*s\" is one server too many; 64 is the most"
					: "\"%.*s\" is not a server; write host:port, or "
					  "srv:_http._tcp.domain",
			   STR_ARG(str_first(config.address, 80)));
		return false;
	}
	if (server_is_twice(upstream)) {
		diag_error(diag, node->place,
			   "\"%.*s\" is listed twice; remove one, or give it a weight",
			   STR_ARG(config.address));
		return false;
	}
	added = &upstream->servers[upstream->n_servers - 1];
	added->weight = (uint32_t)config.weight;
	added->backup = config.backup;
	added->group = groups_number(groups, config.group);
	return true;
}

/* ------------------------------------------------------------ all of them */

static bool upstream_has_main(const struct upstream *upstream)
{
	for (size_t i = 0; i < upstream->n_servers; i++)
		if (!upstream->servers[i].backup)
			return true;
	return upstream->n_servers == 0;
}

bool upstream_read_servers(struct upstream *upstream, const struct node *node, struct conf *conf,
			   struct diag *diag)
{
	struct groups groups = { .n_names = 0 };
	bool ok = true;

	if (node->kind != NODE_LIST)
		return upstream_read_server(upstream, node, &groups, &conf->arena, diag);
	for (size_t i = 0; i < node->n_entries; i++)
		ok &= upstream_read_server(upstream, node->entries[i].value, &groups, &conf->arena,
					   diag);
	if (ok && node->n_entries == 0) {
		diag_error(diag, node->place, "there are no servers; write servers: [host:port]");
		return false;
	}
	if (ok && !upstream_has_main(upstream)) {
		diag_error(diag, node->place, "all servers are backups; at least one is not");
		return false;
	}
	return ok;
}

/* ------------------------------------------------------------ balance */

static const struct {
	const char *name;
	enum balance_policy policy;
} policies[] = {
	{ "round_robin", BALANCE_ROUND_ROBIN },
	{ "weighted", BALANCE_ROUND_ROBIN },
	{ "least_conn", BALANCE_LEAST_CONN },
	{ "random_two", BALANCE_RANDOM_TWO },
};

static bool upstream_is_weighted(const struct upstream *upstream)
{
	for (size_t i = 0; i < upstream->n_servers; i++)
		if (upstream->servers[i].weight != 1)
			return true;
	return false;
}

static bool upstream_read_policy(struct upstream *upstream, const struct node *node,
				 struct diag *diag)
{
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		if (!str_eq(node->text, str_of(policies[i].name)))
			continue;
		upstream->balance = policies[i].policy;
		if (i > 0 || !upstream_is_weighted(upstream))
			return true;
		diag_error(diag, node->place,
			   "round_robin knows no weights; write balance: weighted");
		return false;
	}
	diag_error(diag, node->place,
		   "\"%.*s\" is no way to balance; write round_robin, weighted, least_conn, "
		   "random_two or {consistent_hash: \"${…}\"}",
		   STR_ARG(str_first(node->text, 80)));
	return false;
}

bool upstream_read_balance(struct upstream *upstream, const struct node *node, struct conf *conf,
			   struct diag *diag)
{
	struct balance_config config = { 0 };
	const struct settings_part part = { upstream_balance_keys, &config };

	if (!node)
		return true;
	if (node_is_scalar(node))
		return upstream_read_policy(upstream, node, diag);
	if (settings_read(&part, 1, node, "balance", &conf->arena, diag) > 0)
		return false;
	upstream->balance = BALANCE_HASH;
	return true;
}

const struct node *upstream_hash_key(const struct node *entry)
{
	const struct node *balance = entry && entry->kind == NODE_MAP ? node_find(entry, "balance")
								      : NULL;

	return balance && balance->kind == NODE_MAP ? node_find(balance, "consistent_hash") : NULL;
}
