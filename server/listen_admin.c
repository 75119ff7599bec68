/* server/listen_admin.c: the section `admin:`. */
#include "server/listen_spec.h"

struct admin_config {
	struct str listen;
};

void listen_spec_compile_admin(struct listen_spec *spec, const struct node *node,
			       struct arena *arena, struct diag *diag)
{
	static const struct setting keys[] = {
		{ "listen", SETTING_TEXT, offsetof(struct admin_config, listen),
		  "unix:/run/leat/admin.sock",
		  "The address: a unix socket, or a loopback address; off: none." },
		SETTINGS_END
	};
	struct admin_config config = { 0 };
	const struct settings_part part = { keys, &config };

	if (!node)
		settings_defaults(keys, &config, arena);
	else if (settings_read(&part, 1, node, "admin", arena, diag) > 0)
		return;
	if (str_eq(config.listen, STR("off")))
		return;
	spec->text = config.listen;
	spec->place = node ? node->place : (struct place){ 0 };
	if (net_addr_parse(spec->text, &spec->addr) < 0)
		diag_error(diag, spec->place,
			   "\"%s\" is not an address; write unix:/path or 127.0.0.1:port",
			   spec->text.ptr);
	else if (!net_addr_is_loopback(&spec->addr))
		diag_error(
			diag, spec->place,
			"\"%s\" can be reached from elsewhere, and whoever reaches the admin API "
			"may do everything; write unix:/path or 127.0.0.1:port",
			spec->text.ptr);
}
