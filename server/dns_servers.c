/* server/dns_servers.c */
#include "server/dns_servers.h"
#include "core/io/net.h"

enum { DNS_PORT = 53 };

/* An address with or without a port. */
static bool dns_server_parse(struct str text, struct net_addr *ret_addr)
{
	struct str bare = text;

	if (net_addr_parse(text, ret_addr) == 0)
		return ret_addr->sa.sa_family == AF_INET || ret_addr->sa.sa_family == AF_INET6;
	if (str_starts_with(text, STR("[")) && str_ends_with(text, STR("]")))
		bare = (struct str){ text.ptr + 1, text.len - 2 };
	return net_addr_from_host(bare, DNS_PORT, ret_addr) == 0;
}

struct str dns_servers_compile(const struct setting_texts *texts, struct arena *arena,
			       struct diag *diag)
{
	struct str all = STR("");

	for (size_t i = 0; i < texts->n_texts; i++) {
		char text[NET_ADDR_TEXT_MAX];
		struct net_addr addr;

		if (!dns_server_parse(texts->texts[i], &addr)) {
			diag_error(
				diag, texts->nodes[i]->place,
				"\"%.*s\" is no server of names; write an address, as 192.0.2.1, "
				"192.0.2.1:53 or [2001:db8::1]:53",
				STR_ARG(str_first(texts->texts[i], 80)));
			continue;
		}
		all = arena_printf(arena, "%.*s%s%s", STR_ARG(all), all.len ? "," : "",
				   net_addr_write(text, &addr));
	}
	return all;
}
