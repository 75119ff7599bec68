/* server/store/store_conf.h: where the store is. */
#pragma once
#include "conf/load.h"

/* What `store: {path}` says (`node` is the section, or NULL; `path` may be empty), relative to the
 * file that says it; else leat.db in the state directory that systemd gives; else ":memory:".
 * Ends in NUL. */
struct str store_place(struct conf *conf, const struct node *node, struct str path);
