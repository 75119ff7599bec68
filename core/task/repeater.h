/* core/task/repeater.h: tasks from a factory, one after the other, until it returns none;
 * Workflow's repeater.
 *
 * Promises
 *   - make(repeater, round) is called for round 0, 1, …, each time the round before it has ended and that one's on_end
 *     has returned. It returns an IDLE task, which is then started, or NULL: then the repeater ends with OUTCOME_OK. It
 *     may return the same memory again, task_init()ed.
 *   - A round that does not end with OUTCOME_OK ends the repeater with that outcome; with keep_going (Workflow's way)
 *     failures are only counted, in base.n_failed, and make() decides.
 *   - `max` rounds at most (0: no limit). When the factory has still more after them, the repeater fails with
 *     OUTCOME_FAILED and limit_reached; that last task is completed without its start(), OUTCOME_CANCELLED.
 *   - delay_ms lies between the end of a round and the call of make() for the next; cancelling cuts it short.
 *   - repeater_stop() in a round's on_end ends it as NULL would, without delay or another call.
 *   - A million rounds that end within their start() need no stack.
 *
 * base.n_ended is the number of rounds that have ended, as Workflow's repeated_times. Outcomes,
 * cancelling, ownership and thread: core/task/composite.h. */
#pragma once
#include "core/task/composite.h"

struct repeater;
typedef struct task *repeater_make_fn(struct repeater *repeater, uint32_t round);

struct repeater {
	struct composite base;
	repeater_make_fn *make;
	struct task pause; /* a live task of the scope, too, while it lasts */
	struct timer timer;
	uint64_t delay_ms;
	uint32_t round; /* the next one */
	uint32_t max;
	bool keep_going;
	bool stopped;
	bool limit_reached;
};

/* max, delay_ms and keep_going are set afterwards, before the start. */
void repeater_init(struct repeater *repeater, repeater_make_fn *make, task_fn *on_end);

void repeater_stop(struct repeater *repeater);

static inline void repeater_start(struct repeater *repeater, struct scope *scope)
{
	task_start(&repeater->base.task, scope);
}

/* The repeater whose on_end is called with this task. */
static inline struct repeater *repeater_from(struct task *task)
{
	return container_of(task, struct repeater, base.task);
}

/* The repeater whose round a task is. */
static inline struct repeater *repeater_of(const struct task *round)
{
	return container_of(composite_of(round), struct repeater, base);
}
