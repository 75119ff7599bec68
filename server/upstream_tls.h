/* server/upstream_tls.h: `tls:` of an upstream: whom it believes, and what it shows. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "server/client/upstream.h"

/* Makes the upstream, which has no servers yet, speak TLS; `node` may be NULL: as usual. False with
 * errors in diag. */
bool upstream_tls_compile(struct upstream *upstream, const struct node *node, struct conf *conf,
			  struct diag *diag);

extern const struct setting upstream_tls_keys[];
