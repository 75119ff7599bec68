/* server/upstream_servers.h: `servers:` and `balance:` of an upstream. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "server/client/upstream.h"

extern const struct setting upstream_server_keys[], upstream_balance_keys[];

/* Adds the servers to an upstream that has its TLS. False with errors in diag. */
bool upstream_read_servers(struct upstream *upstream, const struct node *node, struct conf *conf,
			   struct diag *diag);

/* With its servers. `node` may be NULL. */
bool upstream_read_balance(struct upstream *upstream, const struct node *node, struct conf *conf,
			   struct diag *diag);

/* The key of `balance: {consistent_hash: KEY}` in an upstream's entry, or NULL. */
const struct node *upstream_hash_key(const struct node *entry);
