/* server/peer_route.h: the route by which other daemons connect (server/peers/peer_frame.h), and the
 * one that takes what libprocess sends, which no pattern leads to (server/peers/wire.h). */
#pragma once
#include "server/generation.h"

/* When there is somebody in `peers:` who may come by it; after the routes that were written, which
 * win. */
void peer_route_add(struct generation *generation, struct flow_compiler *compiler);
