/* server/http/proxy_protocol.h: the header that a proxy puts before the bytes of a connection, to
 * tell whose connection it is: HAProxy's PROXY protocol, versions 1 and 2.
 *
 * Pure bytes. One reading: what is not exactly of the form is refused, as early as the bytes
 * allow. */
#pragma once
#include "core/base/cidr.h"

enum { PROXY_HEADER_MAX = 4096 }; /* with the TLVs of version 2, which are skipped */

struct proxy_source {
	bool known; /* else the address is the socket's: LOCAL, UNKNOWN, families that are not IP */
	struct ip ip;
	uint16_t port;
};

enum proxy_step { PROXY_MORE, PROXY_WHOLE, PROXY_BAD };

/* All bytes from the first one on, at most PROXY_HEADER_MAX of which are looked at. PROXY_WHOLE:
 * *ret_size are the header's. */
enum proxy_step proxy_header_read(struct str bytes, size_t *ret_size,
				  struct proxy_source *ret_source);
