/* server/live/round.h: those of a loop's live connections that have something to send.
 *
 * All of them send in the same turn of the loop, however many they are: what is published has been handed to
 * every socket with room before sockets are looked at again. (The ready list has a share of the turn, by
 * number: 10,000 subscribers would take three.) What bounds a round is bytes: behind ROUND_MAX the rest
 * has the next turn, so that other requests wait for a share of large publications only. One who is added
 * while the round lasts, as whoever has more than its own share is, waits for the next. One loop's. */
#pragma once
#include "core/io/loop.h"

enum { ROUND_MAX = 64 << 20 }; /* bytes: 6.4 KiB for each of 10,000 */

struct round {
	struct loop *loop;
	struct list waiting; /* of struct ready */
	struct list now;     /* those of the round under way */
	size_t sent;         /* in it, as round_count() was told */
	size_t max;          /* of `sent`: ROUND_MAX */
	struct ready ready;
};

void round_init(struct round *round, struct loop *loop);

/* Harmless when it is there already; taken back by loop_ready_cancel(). */
void round_add(struct round *round, struct ready *ready);

static inline void round_count(struct round *round, size_t size)
{
	round->sent += size;
}
