/* server/live/packet.c */
#include "server/live/packet.h"
#include <stdatomic.h>
#include <stdlib.h>

struct packet {
	atomic_uint n_refs;
	struct arena_budget *budget;
	size_t size;
	char bytes[];
};

struct packet *packet_create_empty(struct arena_budget *budget, size_t size, char **ret_bytes)
{
	struct packet *packet;

	if (!arena_budget_take(budget, sizeof(*packet) + size))
		return NULL;
	packet = malloc(sizeof(*packet) + size);
	if (!packet) {
		arena_budget_give_back(budget, sizeof(*packet) + size);
		return NULL;
	}
	atomic_init(&packet->n_refs, 1);
	packet->budget = budget;
	packet->size = size;
	*ret_bytes = packet->bytes;
	return packet;
}

struct packet *packet_create(struct arena_budget *budget, struct str bytes)
{
	char *to;
	struct packet *packet = packet_create_empty(budget, bytes.len, &to);

	if (packet && bytes.len > 0)
		memcpy(to, bytes.ptr, bytes.len);
	return packet;
}

struct packet *packet_create_frame(struct arena_budget *budget, enum frame_opcode opcode,
				   bool compressed, struct str payload)
{
	char head[FRAME_OWN_HEAD_MAX], *to;
	size_t n = frame_write_head(head, opcode, true, compressed, payload.len);
	struct packet *packet = packet_create_empty(budget, n + payload.len, &to);

	if (!packet)
		return NULL;
	memcpy(to, head, n);
	if (payload.len > 0)
		memcpy(to + n, payload.ptr, payload.len);
	return packet;
}

struct packet *packet_ref(struct packet *packet)
{
	atomic_fetch_add_explicit(&packet->n_refs, 1, memory_order_relaxed);
	return packet;
}

void packet_unref(struct packet *packet)
{
	if (!packet || atomic_fetch_sub_explicit(&packet->n_refs, 1, memory_order_acq_rel) != 1)
		return;
	arena_budget_give_back(packet->budget, sizeof(*packet) + packet->size);
	free(packet);
}

struct str packet_bytes(const struct packet *packet)
{
	return (struct str){ packet->bytes, packet->size };
}
