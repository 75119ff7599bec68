/* server/client/checks.h: active health checks of an upstream's servers.
 *
 * One loop of the process asks each of them again and again, over a connection of its own, beside the
 * pool and its permits; what it finds is the peer's, for all loops. A server that has failed `fall`
 * checks in a row is not called until `rise` have succeeded. They stop when nobody names the upstream
 * any more. */
#pragma once
#include "server/client/upstream.h"

/* On the client's loop: checks the upstream, if it wants that and is not checked already. */
void client_check(struct client *client, struct upstream *upstream);

/* For client_sweep(): upstreams that nobody calls any more are checked no more. */
void client_sweep_checks(struct client *client);

/* On the client's loop, before it stops: nothing is checked any more. */
void client_stop_checks(struct client *client);
