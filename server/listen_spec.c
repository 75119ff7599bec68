/* server/listen_spec.c */
#include "server/listen_spec.h"
#include "core/io/tls_server.h"
#include "server/listen_tls.h"
#include "server/policy/policies.h"

struct listen_config {
	struct str address;
	const struct node *tls;
};

#define AT(field) offsetof(struct listen_config, field)
const struct setting listen_keys[] = {
	{ "address", SETTING_TEXT, AT(address),
	  .help = "host:port, [v6]:port, *:port, or unix:/path.", .required = true },
	{ "tls", SETTING_MAP, AT(tls), .help = "Certificates; without it the listener is plain.",
	  .keys = listen_tls_keys },
	SETTINGS_END
};
#undef AT

static bool listen_is_short(const struct node *node)
{
	return node_is_scalar(node) && node->kind != NODE_NULL;
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
	if (config.tls)
		spec->tls = listen_tls_compile(config.tls, conf, diag);
	spec->text = config.address;
	if (spec->text.len == 0 && conf->checking)
		return true;
	if (net_addr_parse(spec->text, &spec->addr) == 0)
		return true;
	diag_error(diag, address->place,
		   "\"%s\" is not an address; write 127.0.0.1:8080, [::1]:8080, *:8080 or "
		   "unix:/path",
		   spec->text.ptr);
	return false;
}

void listen_spec_fini(struct listen_spec *spec)
{
	tls_server_unref(take(&spec->tls));
}
