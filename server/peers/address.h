/* server/peers/address.h: addresses of actors on other hosts: ACTOR@HOST.
 *
 * HOST is the name of an entry of `peers:`, or its address: "counter@10.0.0.2:8080",
 * "cart/42@[::1]:8080", "counter@shop". No value of a template can put an '@' into the part before
 * it (TEMPLATE_ACTOR), so that none chooses a host. Pure. */
#pragma once
#include "core/base/str.h"

enum { PEER_HOST_MAX = 300 }; /* bytes of a normal host, with its port */

/* Splits at the first '@'. False: there is none, and it is an actor of this process. */
bool peer_address_split(struct str name, struct str *ret_actor, struct str *ret_host);

/* The one way of writing a host and port: lower case, numbers as net_addr_write() has them. Empty: it
 * is no host:port. */
struct str peer_address_normal(struct str host, char out[PEER_HOST_MAX]);
