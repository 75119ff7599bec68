/* server/live/websocket.h: the ending `websocket:` (RFC 6455).
 *
 * A request becomes a connection on which both sides send messages. Each message of the client runs
 * `on_message:`, one at a time and in order; while it runs, and while what was sent to the client waits
 * for it, nothing is read. Pages of other origins may not connect unless `origins:` names them. */
#pragma once
#include "server/live/live.h"

struct websocket_spec; /* compiled, immutable */

extern const struct setting websocket_keys[];

/* Compiles the node at `websocket:`. NULL with errors in the compiler's diag. */
const struct websocket_spec *websocket_compile(struct flow_compiler *compiler,
					       struct expr_compiler *expr, const struct node *node,
					       const struct live_place *place);

/* What it consists of. */
struct live_view websocket_view(const struct websocket_spec *spec);

/* On the request's loop; leads to exactly one answer. */
void websocket_serve(const struct websocket_spec *spec, struct request *request);
