/* server/networks.h: a list of addresses and networks in the configuration: allow, deny,
 * trusted_proxies. */
#pragma once
#include "conf/settings.h"
#include "core/base/cidr.h"

struct networks {
	struct cidr_set set;
	bool has_unix; /* the word unix: clients of unix sockets */
};

/* False with errors in diag. `arena` is required. */
bool networks_compile(struct networks *networks, const struct setting_texts *texts,
		      struct arena *arena, struct diag *diag);

/* The length of the longest network that has the client, of 128 bits; -1: none. `ip` NULL: a unix
 * socket, which is as long as an address. */
int networks_find(const struct networks *networks, const struct ip *ip);
