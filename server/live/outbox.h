/* server/live/outbox.h: what goes to the client of a live connection: packets in their order, as the
 * body of an answer.
 *
 * A queue that is bounded by its owner: what is published to a client that does not read may be dropped,
 * oldest first; its own answers never are. What was put in goes out from the loop, never inside of the
 * call that puts it in; small packets that wait go together. While it is held, what may be dropped waits,
 * and what may not goes before it. All of it runs on one loop. */
#pragma once
#include "core/io/loop.h"
#include "server/body_source.h"
#include "server/live/packet.h"
#include "server/live/round.h"

enum {
	OUTBOX_ITEM = 64,          /* what a packet counts beside its bytes */
	OUTBOX_JOIN_MAX = 8 << 10, /* bytes that go together */
};

struct outbox_item {
	struct packet *prefix; /* goes before it; or NULL */
	struct packet *packet;
	bool droppable;
};

struct outbox {
	struct body_source source;
	struct loop *loop;
	struct round
		*round; /* that it sends in; NULL, as at first: by itself, from the ready list */
	struct arena_budget *budget;
	struct outbox_item *items; /* a ring; NULL while there was none */
	uint32_t n_items, n_room, first;
	uint32_t n_held;        /* of n_items, the last: they wait */
	size_t size;            /* of those that wait, with OUTBOX_ITEM each */
	struct packet *sending; /* the sender's until its next read */
	struct ready ready;
	void (*on_sent)(struct outbox *outbox);  /* a piece was taken: there is more room */
	void (*on_close)(struct outbox *outbox); /* nothing is sent any more; once */
	uint64_t n_taken;                        /* packets that the sender has taken */
	uint64_t taken_size;                     /* bytes of them */
	bool waiting;                            /* the sender, for more */
	bool held;                               /* what may be dropped waits from here on */
	bool ended;                              /* nothing comes behind what is there */
	bool closed;
};

void outbox_init(struct outbox *outbox, struct loop *loop, struct arena_budget *budget);
void outbox_fini(struct outbox *outbox); /* it is closed, or was never read */

/* Takes the reference, also when it fails: false without memory, or when it has ended. */
bool outbox_put(struct outbox *outbox, struct packet *packet, bool droppable);

/* The same for two that are one, of which the first is not NULL: what is the client's own before what
 * is everybody's. */
bool outbox_put_pair(struct outbox *outbox, struct packet *prefix, struct packet *packet,
		     bool droppable);

/* Drops packets that may be, oldest first, until there is room for `size` bytes within `max`. Returns how
 * many. */
size_t outbox_drop(struct outbox *outbox, size_t size, size_t max);
void outbox_clear(struct outbox *outbox); /* all that wait */

/* From here on what may be dropped waits. Until it is released, or ended. */
void outbox_hold(struct outbox *outbox);
bool outbox_release(struct outbox *outbox); /* whether anything has waited */

/* The body ends behind what is there. */
void outbox_end(struct outbox *outbox);

static inline bool outbox_has_room(const struct outbox *outbox, size_t size, size_t max)
{
	return outbox->size + size + OUTBOX_ITEM <= max;
}
