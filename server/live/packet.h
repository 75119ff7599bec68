/* server/live/packet.h: bytes for clients of live connections, framed once and sent to many.
 *
 * Immutable and counted; any thread may hold a reference. What it takes is counted in the budget as
 * long as somebody has it, however many have. */
#pragma once
#include "core/base/arena.h"
#include "server/live/frame.h"

struct packet;

/* With one reference, which is the caller's. NULL without memory. */
struct packet *packet_create(struct arena_budget *budget, struct str bytes);

/* Of `size` bytes that the caller writes before anybody else sees it. */
struct packet *packet_create_empty(struct arena_budget *budget, size_t size, char **ret_bytes);

/* A frame of WebSocket. */
struct packet *packet_create_frame(struct arena_budget *budget, enum frame_opcode opcode,
				   bool compressed, struct str payload);

struct packet *packet_ref(struct packet *packet);
void packet_unref(struct packet *packet); /* NULL is accepted */
struct str packet_bytes(const struct packet *packet);
