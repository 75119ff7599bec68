/* core/thread/fork.h: one work cut into pieces that several threads of the pool do at once, and
 * joined again.
 *
 * Called by work that runs on a thread of the pool. That thread does pieces itself; others join it
 * as far as they are free and the queue's limits let them, so that it neither waits for a thread
 * nor goes past what the queue may run. What nobody else has begun it does alone. */
#pragma once
#include "core/thread/pool.h"

/* Piece `index` of n_pieces, on any thread of the pool, at the same time as others. */
typedef void fork_fn(void *data, size_t index);

/* Returns when all pieces are done; what they wrote is seen. */
void fork_run(struct pool_queue *queue, size_t n_pieces, fork_fn *piece, void *data);

/* How many threads may work on pieces: for choosing how many there should be. */
unsigned fork_n_threads(struct pool_queue *queue);
