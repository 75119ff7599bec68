/* server/listen_spec.c */
#include "server/listen_spec.h"
#include "server/policy/policies.h"

struct listen_config {
	struct str address;
	const struct node *tls;
};

#define AT(field) offsetof(struct listen_config, field)
const struct setting listen_keys[] = {
	{ "address", SETTING_TEXT, AT(address),
	  .help = "host:port, [v6]:port, *:port, or unix:/path.", .required = true },
	{ "tls", SETTING_NODE, AT(tls), .help = "Not in this version yet." },
	SETTINGS_END
};
#undef AT

static bool listen_is_short(const struct node *node)
{
	return node_is_scalar(node) && node->kind != NODE_NULL;
}

bool listen_spec_compile(struct listen_spec *spec, const struct node *node,
			 struct policy_nodes *nodes, bool offline, struct arena *arena,
			 struct diag *diag)
{
	struct listen_config config = { 0 };
	const struct settings_part parts[] = { { listen_keys, &config }, { policy_keys, nodes } };
	const struct node *address = listen_is_short(node) ? node : node_find(node, "address");

	spec->place = node->place;
	if (listen_is_short(node))
		config.address = node->text;
	else if (settings_read(parts, ARRAY_LEN(parts), node, "a listener", arena, diag) > 0)
		return false;
	if (config.tls) {
		diag_error(diag, node_entry_find(node, "tls")->key_place,
			   "tls is not in this version of leat yet; remove it");
		return false;
	}
	spec->text = config.address;
	if (spec->text.len == 0 && offline)
		return true;
	if (net_addr_parse(spec->text, &spec->addr) == 0)
		return true;
	diag_error(diag, address->place,
		   "\"%s\" is not an address; write 127.0.0.1:8080, [::1]:8080, *:8080 or "
		   "unix:/path",
		   spec->text.ptr);
	return false;
}
