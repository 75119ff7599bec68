/* server/http/forwarded.h: what trusted proxies say of the client that they ask for:
 * X-Forwarded-For and X-Forwarded-Proto, or Forwarded (RFC 7239).
 *
 * Each proxy adds the address that it was asked from at the right end. Seen from there, the first
 * address that is not a trusted proxy's is the client's: everything further left is what the
 * client itself, or somebody nobody vouches for, has written. */
#pragma once
#include "core/base/cidr.h"
#include "server/http/head.h"

struct forwarded {
	bool known; /* they say an address */
	bool secure;
	struct ip ip;
	uint16_t port; /* 0: not said */
};

/* For a request that a trusted proxy sends. False when nobody can tell who is meant:
 * X-Forwarded-For and Forwarded name different clients (one of them is not the proxy's), or a
 * quoted string in Forwarded has no end. */
bool forwarded_read(const struct http_head *head, const struct cidr_set *trusted,
		    struct forwarded *ret_forwarded);
