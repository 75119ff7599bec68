/* server/peers/address.c */
#include "server/peers/address.h"
#include "core/io/net.h"
#include "server/client/upstream.h"
#include <stdio.h>

bool peer_address_split(struct str name, struct str *ret_actor, struct str *ret_host)
{
	ptrdiff_t at = str_find_char(name, '@');

	if (at < 0)
		return false;
	*ret_actor = str_first(name, (size_t)at);
	*ret_host = str_skip(name, (size_t)at + 1);
	return true;
}

struct str peer_address_normal(struct str host, char out[PEER_HOST_MAX])
{
	char number[NET_ADDR_TEXT_MAX];
	struct upstream_server server;
	struct net_addr addr;
	int len;

	if (host.len >= PEER_HOST_MAX - 1 || upstream_read_address(host, 0, &server) < 0 ||
	    server.port == 0)
		return STR_NONE;
	if (net_addr_from_host(server.host, server.port, &addr) == 0)
		len = snprintf(out, PEER_HOST_MAX, "%s", net_addr_write(number, &addr));
	else
		len = snprintf(out, PEER_HOST_MAX, "%.*s:%u", STR_ARG(server.host), server.port);
	if (len <= 0 || len >= PEER_HOST_MAX)
		return STR_NONE;
	for (int i = 0; i < len; i++)
		out[i] = char_lower(out[i]);
	return (struct str){ out, (size_t)len };
}
