/* server/native/task_future.c: futures of modules, and the promises that any of their threads
 * completes.
 *
 * The future is one of the core's (core/task/future.h); the promise of the core is wrapped, because
 * a module may complete it when the loop of its future is gone:
 *
 *   OPEN --> SENT   the producer has completed it: the core carries it to the loop
 *      \---> LEFT   nobody waits any more: the loop has taken the core's promise away
 *
 * One that was deferred is LEFT from the beginning: it has no future, and its end is a message (defer.c).
 *
 * Locking: promise->lock guards its state and the core's promise, and is held while that is
 * completed, which calls nobody: so the loop, which leaves its promises before it ends, is there.
 * The library's lock guards its list of promises. Neither is taken with the other held.
 *
 * A promise is over when both sides are done with it; it is freed later (library_spend()), so that
 * one that is completed twice is told. */
#include "core/base/memory.h"
#include "server/flow/step.h"
#include "server/native/api_parts.h"
#include "server/native/promise.h"
#include "server/native/tasks.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { DETAIL_MAX = 1000 };

enum promise_state {
	PROMISE_OPEN,
	PROMISE_SENT,
	PROMISE_LEFT,
};

struct leat_promise {
	struct list link; /* in promises->open */
	struct lock lock;
	struct promise promise;           /* the core's; while OPEN */
	struct delivery *sent;            /* when SENT: the loop's; guarded by lock */
	struct library *library;          /* lives longer: it ends after fini() */
	enum promise_state state;         /* guarded by lock */
	bool is_used_up;                  /* by its producer; guarded by lock */
	bool has_task;                    /* the future still looks at it; guarded by lock */
	bool is_deferred;                 /* fixed */
	struct native_deferred *deferred; /* until it is completed; guarded by lock */
};

/* What is the module's goes. */
static void delivery_strip(struct delivery *delivery)
{
	if (delivery->free_data)
		delivery->free_data(delivery->data);
	delivery->free_data = NULL;
}

static void delivery_free(void *value)
{
	struct delivery *delivery = value;

	delivery_strip(delivery);
	free(delivery->custom_code);
	free(delivery->detail);
	free(delivery->json);
	free(delivery);
}

/* ------------------------------------------------------------ those of a library */

void promises_init(struct promises *promises)
{
	lock_init(&promises->lock);
	list_init(&promises->open);
}

size_t promises_fini(struct promises *promises)
{
	size_t n_open = 0;
	struct list *link;

	while ((link = list_pop(&promises->open))) {
		struct leat_promise *promise = container_of(link, struct leat_promise, link);

		n_open++;
		deferred_free(promise->deferred);
		free(promise);
	}
	lock_fini(&promises->lock);
	return n_open;
}

/* Both sides are done with it. */
static void promise_retire(struct leat_promise *promise)
{
	struct promises *promises = &promise->library->promises;

	lock_acquire(&promises->lock);
	list_remove(&promise->link);
	lock_release(&promises->lock);
	library_spend(promise->library, promise);
}

/* ------------------------------------------------------------ the producer: any thread */

static void promise_check(const struct leat_promise *promise, bool holds, const char *function,
			  const char *what)
{
	char name[80];

	if (holds)
		return;
	snprintf(name, sizeof(name), "leat->%s", function);
	check_failed_with(what, __FILE__, __LINE__, name, "module=%s",
			  promise ? promise->library->module->name : "?");
}

static void promise_complete(struct leat_promise *promise, struct delivery *delivery,
			     const char *function)
{
	struct native_deferred *deferred;
	bool is_last, was_used_up, was_open;

	lock_acquire(&promise->lock);
	deferred = take(&promise->deferred);
	was_used_up = promise->is_used_up;
	was_open = promise->state == PROMISE_OPEN;
	promise->is_used_up = true;
	if (was_open && !was_used_up) {
		promise->state = PROMISE_SENT;
		promise->sent = delivery;
		promise_set(&promise->promise, delivery, delivery_free);
	}
	is_last = !promise->has_task;
	lock_release(&promise->lock);
	promise_check(promise, !was_used_up, function, "a promise is completed once");
	if (deferred)
		deferred_send(deferred, delivery);
	if (!was_open)
		delivery_free(delivery);
	if (is_last)
		promise_retire(promise);
}

void native_promise_set(struct leat_promise *promise, const char *json, size_t len)
{
	struct delivery *delivery;
	struct json_error error;

	promise_check(promise, promise, "promise_set", "the promise is there");
	delivery = mem_zalloc(sizeof(*delivery));
	if (json_check((struct str){ json, len }, &error)) {
		delivery->json = mem_strndup(json, len);
		delivery->json_len = len;
	} else {
		delivery->code = ERROR_BAD_RESPONSE;
		delivery->detail = mem_printf("the promise was set to what is no JSON: %s at byte "
					      "%zu",
					      error.what, error.offset);
	}
	promise_complete(promise, delivery, "promise_set");
}

void native_promise_set_data(struct leat_promise *promise, void *data, leat_free_fn *free_data)
{
	struct delivery *delivery;

	promise_check(promise, promise, "promise_set_data", "the promise is there");
	promise_check(promise, !promise->is_deferred, "promise_set_data",
		      "what is deferred becomes a message, which is JSON");
	delivery = mem_zalloc(sizeof(*delivery));
	delivery->data = data;
	delivery->free_data = free_data;
	promise_complete(promise, delivery, "promise_set_data");
}

void native_promise_fail(struct leat_promise *promise, const char *code, const char *format, ...)
{
	struct delivery *delivery;
	char text[DETAIL_MAX];
	va_list args;

	promise_check(promise, promise, "promise_fail", "the promise is there");
	promise_check(promise, name_is_valid(str_of(code)), "promise_fail",
		      "a code has lower-case letters, digits and _");
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	delivery = mem_zalloc(sizeof(*delivery));
	delivery->detail = mem_strdup(text);
	if (!error_code_find(str_of(code), &delivery->code)) {
		delivery->code = ERROR_CUSTOM;
		delivery->custom_code = mem_strdup(code);
	}
	promise_complete(promise, delivery, "promise_fail");
}

void native_promise_drop(struct leat_promise *promise)
{
	struct delivery *delivery;

	promise_check(promise, promise, "promise_drop", "the promise is there");
	delivery = mem_zalloc(sizeof(*delivery));
	delivery->code = ERROR_ABORTED;
	delivery->detail = mem_strdup("the promise was dropped");
	promise_complete(promise, delivery, "promise_drop");
}

bool native_promise_is_cancelled(struct leat_promise *promise)
{
	bool is_used_up, is_left;

	promise_check(promise, promise, "promise_is_cancelled", "the promise is there");
	lock_acquire(&promise->lock);
	is_used_up = promise->is_used_up;
	is_left = promise->deferred ? !deferred_is_wanted(promise->deferred)
				    : promise->state == PROMISE_LEFT;
	lock_release(&promise->lock);
	promise_check(promise, !is_used_up, "promise_is_cancelled",
		      "the promise has not been used up");
	return is_left;
}

/* ------------------------------------------------------------ the future: on the loop */

/* It looks at its promise no more; what comes now comes to nobody. What was sent and is not taken loses what the
 * module frees here and now: the module is there as long as the call is, and the future may live longer. */
static void future_leave(struct native_future *future)
{
	struct leat_promise *promise = take(&future->promise);
	struct future *left = take(&future->future);
	struct delivery *sent = NULL;
	bool is_last;

	if (left)
		future_unwatch(&future->watch);
	if (!promise)
		return;
	lock_acquire(&promise->lock);
	if (left && promise->state == PROMISE_SENT)
		sent = promise->sent;
	if (promise->state == PROMISE_OPEN) {
		promise->state = PROMISE_LEFT;
		promise_drop(&promise->promise);
	}
	promise->has_task = false;
	is_last = promise->is_used_up;
	lock_release(&promise->lock);
	if (sent)
		delivery_strip(sent);
	future_unref(left);
	if (is_last)
		promise_retire(promise);
}

static int future_take_json(struct leat_task *task, const struct delivery *delivery)
{
	struct arena *arena = &task->call->arena;
	struct str text = arena_str(arena, (struct str){ delivery->json, delivery->json_len });
	int r = text.ptr ? json_read(text, arena, &task->value, NULL) : -ENOMEM;

	task->has_value = r == 0;
	return r;
}

static enum outcome future_take_delivery(struct leat_task *task, struct delivery *delivery)
{
	struct arena *arena = &task->call->arena;

	if (delivery->code != ERROR_NONE) {
		task->failure = (struct failure){
			.code = delivery->code,
			.custom_code = arena_str(arena, str_of(delivery->custom_code)),
			.detail = arena_str(arena, str_of(delivery->detail)),
		};
		if (task->failure.code == ERROR_CUSTOM && !task->failure.custom_code.ptr)
			task->failure = (struct failure){ .code = ERROR_MEMORY_LIMIT };
		return OUTCOME_FAILED;
	}
	if (delivery->json && future_take_json(task, delivery) < 0) {
		task->failure = (struct failure){ .code = ERROR_MEMORY_LIMIT };
		return OUTCOME_FAILED;
	}
	task->data = take(&delivery->data);
	task->free_data = take(&delivery->free_data);
	return OUTCOME_OK;
}

static void future_on_value(struct future_watch *watch, struct future *future)
{
	struct native_future *own = container_of(watch, struct native_future, watch);
	struct leat_task *task = container_of(own, struct leat_task, future);
	enum outcome outcome = future_take_delivery(task, future_value(future));

	future_unref(take(&own->future));
	future_leave(own);
	task_end(&own->task, outcome);
}

static void future_start(struct task *task)
{
	struct native_future *future = container_of(task, struct native_future, task);

	future_on_any(future->future, &future->watch, future_on_value);
}

static void future_cancel(struct task *task)
{
	future_leave(container_of(task, struct native_future, task));
	task_end(task, OUTCOME_CANCELLED);
}

static const struct task_ops future_ops = { "future", future_start, future_cancel };

static void future_on_end(struct task *task)
{
	struct native_future *future = container_of(task, struct native_future, task);

	future_leave(future); /* when its turn never came */
	native_task_end(container_of(future, struct leat_task, future));
}

void native_future_fini(struct leat_task *task)
{
	future_leave(&task->future);
}

/* A promise whose future nobody has: it can be completed, to no effect. */
static struct leat_promise *promise_make(struct library *library)
{
	struct leat_promise *promise = mem_zalloc(sizeof(*promise));
	struct promises *promises = &library->promises;

	lock_init(&promise->lock);
	promise->library = library;
	promise->state = PROMISE_LEFT;
	lock_acquire(&promises->lock);
	list_add(&promises->open, &promise->link);
	lock_release(&promises->lock);
	return promise;
}

struct leat_promise *promise_defer(struct library *library, struct native_deferred *deferred)
{
	struct leat_promise *promise = promise_make(library);

	promise->is_deferred = true;
	promise->deferred = deferred;
	return promise;
}

struct leat_task *native_future(struct leat_call *call, struct leat_promise **ret_promise,
				leat_task_fn *on_end)
{
	struct leat_task *task = native_task_make(call, "future", NATIVE_FUTURE, on_end);
	struct leat_promise *promise = promise_make(call->target.library);

	*ret_promise = promise;
	if (task->kind == NATIVE_SPARE)
		return task;
	promise->state = PROMISE_OPEN;
	promise->has_task = true;
	task->future.promise = promise;
	list_init(&task->future.watch.link);
	task->future.future = promise_init(&promise->promise, call->loop);
	task->task = &task->future.task;
	task_init(task->task, &future_ops, future_on_end);
	return task;
}
