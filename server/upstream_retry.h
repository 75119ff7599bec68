/* server/upstream_retry.h: `retry:` of an upstream. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "server/client/upstream.h"

extern const struct setting upstream_retry_keys[];

/* `node` may be NULL: nothing is tried again. False with errors in diag. */
bool upstream_read_retry(struct upstream *upstream, const struct node *node, struct conf *conf,
			 struct diag *diag);
