/* core/task/future_stage.c: futures that are made of others.
 *
 * A stage waits for its inputs and holds the promise of one future, whose `stage` it is. It is
 * gone as soon as that future's fate is known, also when some inputs have not ended. */
#include "core/task/future_stage.h"
#include "core/base/memory.h"
#include <errno.h>
#include <stdlib.h>

enum stage_kind {
	STAGE_THEN,
	STAGE_RECOVER,
	STAGE_AFTER,
	STAGE_COLLECT,
	STAGE_AWAIT,
	STAGE_FORWARD,
};

struct input {
	struct future_watch watch;
	struct future *from; /* a handle; NULL: given away */
	struct stage *stage;
};

struct stage {
	enum stage_kind kind;
	struct promise promise;
	future_fn *fn;
	void *arg;
	struct timer timer; /* STAGE_AFTER */
	size_t n_inputs;
	size_t n_left; /* inputs that have not ended */
	struct input inputs[];
};

/* The value of collect and await. */
struct future_list {
	size_t n;
	struct future *items[];
};

static void future_list_free(void *value)
{
	struct future_list *list = value;

	for (size_t i = 0; i < list->n; i++)
		future_unref(list->items[i]);
	free(list);
}

struct future *future_nth(const struct future *list, size_t n)
{
	const struct future_list *value = future_value(list);

	check(value && n < value->n);
	return value->items[n];
}

/* ------------------------------------------------------------ the end of a stage */

static void stage_free(struct stage *stage)
{
	if (stage->kind == STAGE_AFTER)
		timer_stop(&stage->timer);
	for (size_t i = 0; i < stage->n_inputs; i++) {
		struct input *input = &stage->inputs[i];

		future_unwatch(&input->watch);
		future_unref(input->from);
	}
	free(stage);
}

void stage_abandon(struct stage *stage, struct list *walk, struct promise *ret_promise)
{
	for (size_t i = 0; i < stage->n_inputs; i++)
		future_walk_add(walk, stage->inputs[i].from);
	promise_move(ret_promise, &stage->promise);
	stage_free(stage);
}

/* The promise is the caller's now, and to be completed. */
static struct promise stage_take_promise(struct stage *stage)
{
	struct promise promise;

	promise_move(&promise, &stage->promise);
	promise.future->stage = NULL;
	return promise;
}

static void stage_pass(struct stage *stage, struct future *from)
{
	struct promise promise = stage_take_promise(stage);

	promise_share(&promise, from);
	stage_free(stage);
}

/* The function may do anything, so it comes last. */
static void stage_call(struct stage *stage, struct input *input)
{
	struct promise promise = stage_take_promise(stage);
	struct future *from = take(&input->from);
	future_fn *fn = stage->fn;
	void *arg = stage->arg;

	stage_free(stage);
	fn(from, &promise, arg);
	promise_drop(&promise);
	future_unref(from);
}

static void stage_complete_list(struct stage *stage)
{
	struct promise promise = stage_take_promise(stage);
	size_t n = stage->n_inputs;
	struct future_list *list = mem_alloc(sizeof(*list) + n * sizeof(list->items[0]));

	list->n = n;
	for (size_t i = 0; i < n; i++)
		list->items[i] = take(&stage->inputs[i].from);
	promise_set(&promise, list, future_list_free);
	stage_free(stage);
}

/* The result's fate is that of `from`, and the other inputs are wanted no more. */
static void stage_fail_fast(struct stage *stage, struct future *from)
{
	struct promise promise = stage_take_promise(stage);

	promise_share(&promise, from);
	for (size_t i = 0; i < stage->n_inputs; i++)
		future_discard(stage->inputs[i].from);
	stage_free(stage);
}

/* ------------------------------------------------------------ its inputs */

static void stage_on_input(struct future_watch *watch, struct future *from)
{
	struct input *input = container_of(watch, struct input, watch);
	struct stage *stage = input->stage;
	bool is_ready = future_state(from) == FUTURE_READY;

	stage->n_left--;
	switch (stage->kind) {
	case STAGE_THEN:
	case STAGE_RECOVER:
		if (is_ready == (stage->kind == STAGE_THEN))
			stage_call(stage, input);
		else
			stage_pass(stage, from);
		return;
	case STAGE_AFTER:
	case STAGE_FORWARD:
		stage_pass(stage, from);
		return;
	case STAGE_COLLECT:
	case STAGE_AWAIT:
		if (!is_ready && stage->kind == STAGE_COLLECT)
			stage_fail_fast(stage, from);
		else if (stage->n_left == 0)
			stage_complete_list(stage);
		return;
	}
	unreachable();
}

static void stage_on_timer(struct timer *timer)
{
	struct stage *stage = container_of(timer, struct stage, timer);
	struct promise promise = stage_take_promise(stage);

	promise_fail(&promise, -ETIMEDOUT);
	future_discard(stage->inputs[0].from);
	stage_free(stage);
}

/* Takes the handles and the promise. */
static struct stage *stage_create(enum stage_kind kind, struct promise *promise,
				  struct future *const futures[], size_t n)
{
	struct stage *stage = mem_zalloc(sizeof(*stage) + n * sizeof(stage->inputs[0]));

	stage->kind = kind;
	stage->n_inputs = stage->n_left = n;
	promise_move(&stage->promise, promise);
	stage->promise.future->stage = stage;
	for (size_t i = 0; i < n; i++) {
		struct input *input = &stage->inputs[i];

		check(futures[i]->loop == stage->promise.future->loop);
		*input = (struct input){ .from = futures[i], .stage = stage };
		future_on_any(futures[i], &input->watch, stage_on_input);
	}
	return stage;
}

/* ------------------------------------------------------------ what makes them */

static struct future *stage_call_on(enum stage_kind kind, struct future *from, future_fn *fn,
				    void *arg)
{
	struct promise promise;
	struct future *future = promise_init(&promise, from->loop);
	struct stage *stage = stage_create(kind, &promise, &from, 1);

	stage->fn = fn;
	stage->arg = arg;
	return future;
}

struct future *future_then(struct future *from, future_fn *fn, void *arg)
{
	return stage_call_on(STAGE_THEN, from, fn, arg);
}

struct future *future_recover(struct future *from, future_fn *fn, void *arg)
{
	return stage_call_on(STAGE_RECOVER, from, fn, arg);
}

struct future *future_after(struct future *from, uint64_t timeout_ms)
{
	struct promise promise;
	struct future *future = promise_init(&promise, from->loop);
	struct stage *stage = stage_create(STAGE_AFTER, &promise, &from, 1);

	timer_init(&stage->timer, from->loop, stage_on_timer);
	timer_start(&stage->timer, timeout_ms);
	return future;
}

static struct future *stage_list_of(enum stage_kind kind, struct loop *loop,
				    struct future *const futures[], size_t n)
{
	struct promise promise;
	struct future *future = promise_init(&promise, loop);
	struct stage *stage = stage_create(kind, &promise, futures, n);

	if (n == 0)
		stage_complete_list(stage);
	return future;
}

struct future *future_collect(struct loop *loop, struct future *const futures[], size_t n)
{
	return stage_list_of(STAGE_COLLECT, loop, futures, n);
}

struct future *future_await(struct loop *loop, struct future *const futures[], size_t n)
{
	return stage_list_of(STAGE_AWAIT, loop, futures, n);
}

void future_forward(struct future *from, struct promise *to)
{
	if (promise_is_discarded(to)) {
		future_discard(from);
		promise_discard(to);
		future_unref(from);
		return;
	}
	stage_create(STAGE_FORWARD, to, &from, 1);
}
