/* server/upstream_conf.h: the section `http:`: named upstreams. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "server/client/upstream.h"

/* Compiles one entry: a new upstream, or a reference to `before` (may be NULL) when it says the
 * same. NULL with errors. */
struct upstream *upstream_compile(const struct node_entry *entry, struct upstream *before,
				  struct conf *conf, struct diag *diag);
extern const struct setting upstream_keys[];
