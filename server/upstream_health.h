/* server/upstream_health.h: `health:` of an upstream. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "server/client/upstream.h"

extern const struct setting upstream_health_keys[];

/* `node` may be NULL: nothing is checked. False with errors in diag. */
bool upstream_read_health(struct upstream *upstream, const struct node *node, struct conf *conf,
			  struct diag *diag);
