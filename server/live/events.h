/* server/live/events.h: the ending `events:`: server-sent events (text/event-stream).
 *
 * What is published to the topics that it subscribes to is sent on as it comes. Who comes again with
 * Last-Event-ID gets what was kept meanwhile: the id of an event holds the number of the last
 * publication of each topic. */
#pragma once
#include "server/live/live.h"

struct events_spec; /* compiled, immutable */

extern const struct setting events_keys[];

/* Compiles the node at `events:` (a topic, a list of them, or a map). NULL with errors in the
 * compiler's diag. */
const struct events_spec *events_compile(struct flow_compiler *compiler, struct expr_compiler *expr,
					 const struct node *node, const struct live_place *place);

/* What it consists of. */
struct live_view events_view(const struct events_spec *spec);

/* On the request's loop; leads to exactly one answer. */
void events_serve(const struct events_spec *spec, struct request *request);
