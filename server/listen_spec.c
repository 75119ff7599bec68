/* server/listen_spec.c */
#include "server/listen_spec.h"
#include "core/io/tls_server.h"
#include "server/inherited.h"
#include "server/listen_tls.h"
#include "server/policy/policies.h"

struct listen_config {
	struct str address;
	const struct node *tls;
	struct setting_texts trusted_proxies;
	bool proxy_protocol;
};

#define AT(field) offsetof(struct listen_config, field)
const struct setting listen_keys[] = {
	{ "address", SETTING_TEXT, AT(address),
	  .help = "host:port, [v6]:port, *:port, unix:/path, or systemd:NAME of a socket unit.",
	  .required = true },
	{ "tls", SETTING_MAP, AT(tls), .help = "Certificates; without it the listener is plain.",
	  .keys = listen_tls_keys },
	{ "proxy_protocol", SETTING_BOOL, AT(proxy_protocol), "false",
	  "Whether each connection begins with a PROXY header, version 1 or 2, before TLS; from "
	  "trusted_proxies only, where they are named." },
	{ "trusted_proxies", SETTING_TEXTS, AT(trusted_proxies),
	  .help = "Whose X-Forwarded-For, X-Forwarded-Proto, Forwarded and PROXY header are "
		  "believed: addresses, networks and unix." },
	SETTINGS_END
};
#undef AT

static bool listen_is_short(const struct node *node)
{
	return node_is_scalar(node) && node->kind != NODE_NULL;
}

static bool listen_compile_proxies(struct listen_spec *spec, const struct listen_config *config,
				   struct arena *arena, struct diag *diag)
{
	struct networks *trusted;

	spec->proxy_protocol = config->proxy_protocol;
	if (config->trusted_proxies.n_texts == 0)
		return true;
	trusted = arena_alloc(arena, sizeof(*trusted));
	spec->trusted = trusted;
	return networks_compile(trusted, &config->trusted_proxies, arena, diag);
}

bool listen_spec_compile(struct listen_spec *spec, const struct node *node,
			 struct policy_nodes *nodes, struct conf *conf, struct diag *diag)
{
	struct listen_config config = { 0 };
	const struct settings_part parts[] = { { listen_keys, &config }, { policy_keys, nodes } };
	const struct node *address = listen_is_short(node) ? node : node_find(node, "address");

	spec->place = node->place;
	if (listen_is_short(node))
		config.address = node->text;
	else if (settings_read(parts, ARRAY_LEN(parts), node, "a listener", &conf->arena, diag) > 0)
		return false;
	if (!listen_compile_proxies(spec, &config, &conf->arena, diag))
		return false;
	if (config.tls)
		spec->tls = listen_tls_compile(config.tls, conf, diag);
	spec->text = config.address;
	if (spec->text.len == 0 && conf->checking)
		return true;
	if ((inherited_is_meant(spec->text) ? inherited_parse(spec->text, &spec->addr)
					    : net_addr_parse(spec->text, &spec->addr)) == 0)
		return true;
	diag_error(diag, address->place,
		   "\"%s\" is not an address; write 127.0.0.1:8080, [::1]:8080, *:8080, "
		   "unix:/path or systemd:NAME",
		   spec->text.ptr);
	return false;
}

void listen_spec_fini(struct listen_spec *spec)
{
	tls_server_unref(take(&spec->tls));
}
