/* core/task/each.h: a task for each of n items, at most `max` of them at once, results in the
 * items' order.
 *
 * Promises
 *   - make(each, index) is called for the items 0 to n - 1, in order, whenever fewer than `max` are running (0: no limit).
 *     It returns an IDLE task, which is then started, or NULL: the item needs none, and counts as OK. It may return the
 *     memory of a task whose on_end has returned: memory for `max` tasks is enough for any n.
 *   - task.index is the item's index: by it the task's on_end puts what came of it into its place, so that results
 *     have the order of the items whatever the order of the endings. `outcomes`, when the owner gives it, has n bytes
 *     and gets each item's enum outcome at its index; what never ran has OUTCOME_CANCELLED.
 *   - The first item that does not end with OUTCOME_OK ends it all with that outcome: those that run are cancelled, for
 *     the rest make() is not called. With keep_going failures are kept per element: in `outcomes` and, counted, in
 *     base.n_failed; all items run, and it ends with OUTCOME_OK.
 *
 * No item at all ends with OUTCOME_OK. Outcomes, cancelling, ownership and thread:
 * core/task/composite.h. */
#pragma once
#include "core/task/composite.h"

struct each;
typedef struct task *each_make_fn(struct each *each, uint32_t index);

struct each {
	struct composite base;
	each_make_fn *make;
	uint8_t *outcomes; /* NULL, or the owner's memory for n of them */
	uint32_t n_items;
	uint32_t next; /* the item whose turn it is */
	uint32_t max;
	bool keep_going;
};

/* max, outcomes and keep_going are set afterwards, before the start. */
void each_init(struct each *each, uint32_t n_items, each_make_fn *make, task_fn *on_end);

static inline void each_start(struct each *each, struct scope *scope)
{
	task_start(&each->base.task, scope);
}

/* The each whose on_end is called with this task. */
static inline struct each *each_from(struct task *task)
{
	return container_of(task, struct each, base.task);
}

/* The each whose item a task is. */
static inline struct each *each_of(const struct task *item)
{
	return container_of(composite_of(item), struct each, base);
}
