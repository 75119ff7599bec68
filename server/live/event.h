/* server/live/event.h: one event of text/event-stream, as bytes. */
#pragma once
#include "server/live/packet.h"

/* The line of the id as it is, or nothing; "event: …\n" (of a name that is not empty), a "data: " for each
 * line of the payload, and an empty line. The name has no line's end. NULL without memory. */
struct packet *event_packet(struct arena_budget *budget, struct str id_line, struct str name,
			    struct str payload);
