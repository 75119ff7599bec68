/* core/task/resource.h: locks and pools of permits, waited for without a thread.
 *
 * A lock is a pool of one. Those who wait are served strictly in the order in which they came;
 * how many may wait, and how long, is bounded by the one who asks. Permits are numbered from 0,
 * and the one that came back last goes out first, so that an array of objects indexed by it is a
 * pool of objects whose warm ones are used.
 *
 * A hold ends by permit_release(), in the scope that took it, however that ends:
 * core/task/hold.h does it for a task. */
#pragma once
#include "core/task/home.h"

struct acquire {
	uint32_t
		n_permits; /* of the pool, the same for all who ask (the latest one counts); 0 is 1 */
	uint32_t
		n_wait_max; /* how many may wait at once; 0: no bound. More fail with REASON_FULL */
	uint64_t
		wait_ms; /* then it ends with REASON_EXPIRED; 0: at once or not at all; WAIT_FOREVER */
};

/* A permit of the pool of that name. A task that ended with OUTCOME_OK holds it, and its memory
 * must stay, until permit_release(). */
void acquire_init(struct wait_task *wait, struct homes *homes, struct str name,
		  const struct acquire *acquire, task_fn *on_end);

/* The lock of that name: names of locks and of pools are apart. `n_permits` is not used. */
void guard_init(struct wait_task *wait, struct homes *homes, struct str name,
		const struct acquire *acquire, task_fn *on_end);

/* Gives back what the task holds; no effect when it holds nothing. On its loop. */
void permit_release(struct wait_task *wait);

uint32_t permit_number(const struct wait_task *wait); /* while it holds */

/* ------------------------------------------------------------ without a name, on one loop */

struct resource {
	struct list waiting; /* of struct ask.link */
	size_t n_waiting;
	uint32_t n_permits, n_held;
	uint32_t n_numbered; /* numbers below this have been used */
	uint32_t *spare;     /* those of them that are free, the last one on top */
	uint32_t n_spare, n_spare_max;
	void **objects; /* n_permits of them, or NULL */
};

/* `objects` may be NULL; else n_permits of them, copied. */
void resource_init(struct resource *resource, uint32_t n_permits, void *const objects[]);
void resource_fini(struct resource *resource); /* nobody may wait or hold */

void resource_acquire_init(struct wait_task *wait, struct resource *resource,
			   const struct acquire *acquire, task_fn *on_end);
void *resource_object(const struct wait_task *wait); /* while it holds; NULL without objects */
