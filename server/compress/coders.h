/* server/compress/coders.h: the coders of one loop, and its time for them.
 *
 * All bodies that are compressed share CODERS_TURN_NS of each turn of their loop, one after the
 * other in the order in which they asked: however many there are, nobody else waits for longer.
 * Coders that are not used are kept, a few of each kind; those in use count in the server's
 * memory, and where that is short there are none. */
#pragma once
#include "core/base/arena.h"
#include "core/io/loop.h"
#include "server/compress/coder.h"

enum {
	CODERS_TURN_NS = 500000,
	CODERS_KEPT_MAX = 4, /* of each coding */
};

struct coders {
	struct loop *loop;
	struct arena_budget *budget;
	struct list kept[N_CODINGS];
	unsigned n_kept[N_CODINGS];
	size_t n_used;
	struct list waiting; /* of struct coder_turn */
	struct ready ready;  /* the next turn */
	uint64_t spent_ns;   /* of this turn */
};

struct coder_turn {
	struct list link;
	void (*on_turn)(struct coder_turn *turn);
};

void coders_init(struct coders *coders, struct loop *loop, struct arena_budget *budget);
void coders_fini(struct coders *coders); /* none may be in use; harmless before coders_init() */

/* A coder that has begun a body of `size` bytes (UINT64_MAX: not known). NULL without memory. */
struct coder *coders_take(struct coders *coders, enum coding coding, int level, uint64_t size);
void coders_give_back(struct coders *coders, struct coder *coder);

/* True: there is time in this turn. False: on_turn is called once, in a later one. */
bool coders_may_work(struct coders *coders, struct coder_turn *turn);
void coders_worked(struct coders *coders,
		   uint64_t since_ns); /* since clock_monotonic_ns() was that */
void coder_turn_init(struct coder_turn *turn, void (*on_turn)(struct coder_turn *turn));
void coder_turn_cancel(struct coder_turn *turn);
