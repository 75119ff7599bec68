/* server/upstream_via.h: `via:` of an upstream: the HTTP proxy that its servers are reached by. */
#pragma once
#include "conf/load.h"
#include "server/client/upstream.h"

/* Before the upstream has servers. False with errors in diag. */
bool upstream_read_via(struct upstream *upstream, const struct node *node, struct diag *diag);

/* With its servers: whether they can be reached so. */
bool upstream_check_via(const struct upstream *upstream, const struct node *node,
			struct diag *diag);
bool upstream_via_is_same(const struct upstream_via *a, const struct upstream_via *b);
