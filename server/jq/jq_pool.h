/* server/jq/jq_pool.h: the jq workers of this process.
 *
 * As many as may be needed at once, each started when it first is, kept, and started again when it
 * has died. Who holds a permit of the pool's name (core/task/resource.h) has the worker of that
 * number to himself, on whatever loop: the messages that bring the permit order the accesses. */
#pragma once
#include "core/io/child.h"
#include "core/io/spawn.h"

#define JQ_PERMITS "\x1fjq" /* no `shared:` thing can be called so */

struct jq_call;

struct jq_slot {
	struct child child; /* pid 0: not started */
	int fd;             /* its socket, which does not block */
	uint32_t n_requests;
	struct jq_call *call; /* that waits for its end: jq_call.c */
};

struct jq_pool {
	struct spawner *spawner;
	size_t n_slots;
	struct jq_slot slots[];
};

struct jq_pool *jq_pool_create(struct spawner *spawner, size_t n_workers);

/* Ends the workers. Nobody may hold a permit. NULL is accepted. */
void jq_pool_destroy(struct jq_pool *pool);

/* Starts a worker: takes as long as spawn_start(). 0 or a negative errno. */
int jq_slot_start(struct jq_slot *slot);

/* Ends it and waits for that, which is soon. No effect when it was not started. */
void jq_slot_end(struct jq_slot *slot);
