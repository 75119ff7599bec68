/* server/upstream_hedge.h: `hedge:` of an upstream, and of a task that calls one. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "server/client/upstream.h"

extern const struct setting upstream_hedge_keys[];

/* "50ms", "p95", "off", or a map. False with errors in diag. */
bool upstream_read_hedge(struct upstream_hedge *hedge, const struct node *node, struct arena *arena,
			 struct diag *diag);
