/* core/task/each.c */
#include "core/task/each.h"
#include <string.h>

static const struct task_ops each_ops = { "each", composite_start, composite_cancel };

static void each_put(struct each *each, uint32_t index, enum outcome outcome)
{
	if (each->outcomes)
		each->outcomes[index] = (uint8_t)outcome;
}

static bool each_has_room(const struct each *each)
{
	const struct composite *base = &each->base;

	return each->next < each->n_items && !base->scope.cancelled && !base->task.cancelled &&
	       (each->max == 0 || base->scope.n_live < each->max);
}

static void each_fill(struct each *each)
{
	while (each_has_room(each)) {
		uint32_t index = each->next++;
		struct task *task = each->make(each, index);

		if (!task) {
			each_put(each, index, OUTCOME_OK);
			continue;
		}
		task->index = index;
		task_start(task, &each->base.scope);
	}
}

static void each_begin(struct composite *base)
{
	struct each *each = container_of(base, struct each, base);

	if (each->outcomes)
		memset(each->outcomes, OUTCOME_CANCELLED, each->n_items);
	each_fill(each);
}

static void each_on_child(struct task *item)
{
	struct each *each = each_of(item);
	struct composite *base = &each->base;
	enum outcome outcome = item->outcome;

	each_put(each, item->index, outcome);
	composite_child_end(base, item);
	if (outcome != OUTCOME_OK && !each->keep_going)
		composite_fail(base, outcome);
	each_fill(each);
}

void each_init(struct each *each, uint32_t n_items, each_make_fn *make, task_fn *on_end)
{
	*each = (struct each){ .n_items = n_items, .make = make };
	composite_init(&each->base, &each_ops, on_end, each_begin, each_on_child);
}
