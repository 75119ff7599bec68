/* server/live/event.h: one event of text/event-stream, as bytes. */
#pragma once
#include "server/live/packet.h"

/* "id: …\n" (of an id that is not NULL), "event: …\n" (of a name that is not empty), a "data: " for
 * each line of the payload, and an empty line. The name has no line's end. NULL without memory. */
struct packet *event_packet(struct arena_budget *budget, const uint64_t *id, struct str name,
			    struct str payload);
