/* server/upstream_follow.h: `follow:` of an upstream, and of a task that calls one. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "server/client/upstream.h"

extern const struct setting upstream_follow_keys[];

/* A number, or a map. Its texts are in `arena`, which lives as long as `follow`. False with errors in
 * diag. */
bool upstream_read_follow(struct upstream_follow *follow, const struct node *node,
			  struct arena *arena, struct diag *diag);
bool upstream_follow_is_same(const struct upstream_follow *a, const struct upstream_follow *b);
