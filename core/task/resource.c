/* core/task/resource.c */
#include "core/task/resource.h"
#include "core/base/memory.h"
#include "core/task/ask.h"
#include <stdlib.h>

/* ------------------------------------------------------------ numbers */

/* The number that came back last. After the pool was made smaller, the last one that is still in
 * it. */
static uint32_t resource_number(struct resource *resource)
{
	for (uint32_t at = resource->n_spare; at > 0; at--) {
		uint32_t number = resource->spare[at - 1];

		if (number >= resource->n_permits)
			continue;
		resource->n_spare--;
		memmove(&resource->spare[at - 1], &resource->spare[at],
			(resource->n_spare - (at - 1)) * sizeof(number));
		return number;
	}
	check(resource->n_numbered < resource->n_permits);
	return resource->n_numbered++;
}

static void resource_add_spare(struct resource *resource, uint32_t number)
{
	if (resource->n_spare == resource->n_spare_max) {
		resource->n_spare_max = MAX(resource->n_spare_max * 2, 4U);
		resource->spare =
			mem_realloc_array(resource->spare, resource->n_spare_max, sizeof(number));
	}
	resource->spare[resource->n_spare++] = number;
}

/* ------------------------------------------------------------ permits */

static void resource_grant(struct resource *resource, struct ask *ask)
{
	resource->n_held++;
	ask->slot = resource_number(resource);
	ask_answer(ask, REASON_NONE);
}

static void resource_serve(struct resource *resource)
{
	struct ask *ask;

	while (resource->n_held < resource->n_permits &&
	       (ask = list_first(&resource->waiting, struct ask, link))) {
		ask_stop_waiting(ask, &resource->n_waiting);
		resource_grant(resource, ask);
	}
}

static void resource_on_ask(void *thing, struct ask *ask)
{
	struct resource *resource = thing;

	if (ask->n > 0) {
		resource->n_permits = (uint32_t)ask->n;
		resource_serve(resource); /* there may be more than before */
	}
	if (resource->n_waiting == 0 && resource->n_held < resource->n_permits)
		resource_grant(resource, ask);
	else
		ask_wait(ask, &resource->waiting, &resource->n_waiting);
}

static void resource_on_withdraw(void *thing, struct ask *ask)
{
	struct resource *resource = thing;

	ask_stop_waiting(ask, &resource->n_waiting);
}

static void resource_on_give_back(void *thing, struct ask *ask)
{
	struct resource *resource = thing;

	check(resource->n_held > 0);
	resource->n_held--;
	resource_add_spare(resource, ask->slot);
	resource_serve(resource);
}

static bool resource_is_idle(const void *thing)
{
	const struct resource *resource = thing;

	return resource->n_held == 0 && resource->n_waiting == 0;
}

/* ------------------------------------------------------------ the kinds */

void resource_init(struct resource *resource, uint32_t n_permits, void *const objects[])
{
	*resource = (struct resource){ .n_permits = n_permits };
	list_init(&resource->waiting);
	if (!objects)
		return;
	resource->objects = mem_realloc_array(NULL, MAX(n_permits, 1U), sizeof(void *));
	for (uint32_t i = 0; i < n_permits; i++)
		resource->objects[i] = objects[i];
}

void resource_fini(struct resource *resource)
{
	check(resource->n_waiting == 0);
	free(resource->spare);
	free(resource->objects);
}

static void resource_on_init(void *thing, const struct owner *owner)
{
	(void)owner;
	resource_init(thing, 0, NULL);
}

static void resource_on_fini(void *thing)
{
	resource_fini(thing);
}

static void resource_tell(const void *thing, struct home_figures *figures)
{
	const struct resource *resource = thing;

	figures->n_held = resource->n_held;
	figures->n_waiting = resource->n_waiting;
}

static const struct thing_ops resource_ops = {
	.name = "resource",
	.kind = HOME_RESOURCE,
	.size = sizeof(struct resource),
	.holds = true,
	.init = resource_on_init,
	.fini = resource_on_fini,
	.ask = resource_on_ask,
	.withdraw = resource_on_withdraw,
	.give_back = resource_on_give_back,
	.is_idle = resource_is_idle,
	.tell = resource_tell,
	.figured = HOME_FIGURES_POOL,
};

static const struct thing_ops guard_ops = {
	.name = "guard",
	.kind = HOME_GUARD,
	.size = sizeof(struct resource),
	.holds = true,
	.init = resource_on_init,
	.fini = resource_on_fini,
	.ask = resource_on_ask,
	.withdraw = resource_on_withdraw,
	.give_back = resource_on_give_back,
	.is_idle = resource_is_idle,
};

/* ------------------------------------------------------------ tasks */

static const struct task_ops acquire_task_ops = { "acquire", wait_start, wait_cancel };
static const struct task_ops guard_task_ops = { "lock", wait_start, wait_cancel };

void acquire_init(struct wait_task *wait, struct homes *homes, struct str name,
		  const struct acquire *acquire, task_fn *on_end)
{
	wait_init(wait, &acquire_task_ops, &resource_ops, on_end);
	wait_set_name(wait, homes, name);
	wait_set_limit(wait, acquire->n_wait_max, acquire->wait_ms);
	wait->ask.n = MAX(acquire->n_permits, 1U);
}

void guard_init(struct wait_task *wait, struct homes *homes, struct str name,
		const struct acquire *acquire, task_fn *on_end)
{
	wait_init(wait, &guard_task_ops, &guard_ops, on_end);
	wait_set_name(wait, homes, name);
	wait_set_limit(wait, acquire->n_wait_max, acquire->wait_ms);
	wait->ask.n = 1;
}

void resource_acquire_init(struct wait_task *wait, struct resource *resource,
			   const struct acquire *acquire, task_fn *on_end)
{
	wait_init(wait, &acquire_task_ops, &resource_ops, on_end);
	wait_set_unnamed(wait, resource);
	wait_set_limit(wait, acquire->n_wait_max, acquire->wait_ms);
}

void permit_release(struct wait_task *wait)
{
	wait_return(wait);
}

uint32_t permit_number(const struct wait_task *wait)
{
	check(wait->holds);
	return wait->ask.slot;
}

void *resource_object(const struct wait_task *wait)
{
	const struct resource *resource = wait->unnamed;

	return resource && resource->objects ? resource->objects[permit_number(wait)] : NULL;
}
