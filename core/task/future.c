/* core/task/future.c: futures and promises themselves; what is made of them is in future_stage.c.
 *
 * Counting. Handles are held by the consumer, by the promise (given back when its completion has
 * arrived on the loop), by the ready list, and by a word to the producer that is under way. Only
 * the last of these may be the last one on another thread, and only of a discarded future, which
 * has no value: so values are freed on their loop.
 *
 * Telling the producer. `told` is NOBODY until the producer listens or the future is discarded,
 * whichever is first; the second of the two sends the word. Fields that it needs are written
 * before `told` is. */
#include "core/task/future.h"
#include "core/base/memory.h"
#include "core/task/future_stage.h"
#include <errno.h>
#include <stdlib.h>

enum told {
	TOLD_NOBODY,
	TOLD_LISTENING, /* the producer wants to hear */
	TOLD_DISCARDED,
};

/* ------------------------------------------------------------ counting */

size_t future_size(void)
{
	return sizeof(struct future);
}

struct future *future_ref(struct future *future)
{
	atomic_fetch_add_explicit(&future->refs, 1, memory_order_relaxed);
	return future;
}

static void future_free(struct future *future)
{
	check(list_is_empty(&future->watches) && !future->stage);
	if (future->source)
		future_unref(future->source);
	else if (future->state == FUTURE_READY && future->free_value)
		future->free_value(future->value);
	free(future);
}

/* Freeing one may free others: one after the other, not one within the other. */
void future_unref(struct future *future)
{
	static _Thread_local struct future *dead;
	static _Thread_local bool reaping;

	if (!future || atomic_fetch_sub_explicit(&future->refs, 1, memory_order_acq_rel) != 1)
		return;
	future->next_dead = dead;
	dead = future;
	if (reaping)
		return;
	reaping = true;
	while ((future = dead)) {
		dead = future->next_dead;
		future_free(future);
	}
	reaping = false;
}

/* ------------------------------------------------------------ ending */

static void future_call_watches(struct ready *ready)
{
	struct future *future = container_of(ready, struct future, ready);
	struct list *link;

	while ((link = list_pop(&future->watches))) {
		struct future_watch *watch = container_of(link, struct future_watch, link);

		watch->fn(watch, future);
	}
	future_unref(future);
}

static void future_call_soon(struct future *future)
{
	if (list_is_linked(&future->ready.link))
		return;
	future_ref(future);
	loop_ready(future->loop, &future->ready);
}

static void future_settle(struct future *future, enum future_state state)
{
	check(future->state == FUTURE_PENDING && !future->stage);
	future->state = (uint8_t)state;
	if (!list_is_empty(&future->watches))
		future_call_soon(future);
}

/* What the promise sent is here: nobody else looks at it now. */
static void future_arrive(struct future *future)
{
	if (future->state == FUTURE_PENDING)
		future_settle(future, future->sent_state);
	else if (future->sent_state == FUTURE_READY && future->free_value)
		future->free_value(future->value);
	future_unref(future);
}

static void future_on_arrived(struct post *post)
{
	future_arrive(container_of(post, struct future, arrived));
}

/* ------------------------------------------------------------ promises */

static void promise_on_told(struct post *post)
{
	struct future *future = container_of(post, struct future, tell);

	if (future->promise)
		future->on_discard(future->promise);
	future_unref(future);
}

struct future *promise_init(struct promise *promise, struct loop *loop)
{
	struct future *future = mem_zalloc(sizeof(*future));

	future->loop = loop;
	future->refs = 2;
	list_init(&future->watches);
	list_init(&future->walk);
	ready_init(&future->ready, future_call_watches);
	future->arrived.run = future_on_arrived;
	future->tell.run = promise_on_told;
	promise->future = future;
	return future;
}

static struct future *promise_empty(struct promise *promise)
{
	struct future *future = take(&promise->future);

	check(future);
	future->promise = NULL;
	return future;
}

static void promise_send(struct future *future, enum future_state state)
{
	future->sent_state = (uint8_t)state;
	if (loop_is_current(future->loop))
		future_arrive(future);
	else
		loop_post(future->loop, &future->arrived); /* it may be gone after this */
}

void promise_set(struct promise *promise, void *value, future_free_fn *free_value)
{
	struct future *future = promise_empty(promise);

	future->value = value;
	future->free_value = free_value;
	promise_send(future, FUTURE_READY);
}

void promise_fail(struct promise *promise, int error)
{
	struct future *future = promise_empty(promise);

	check_that(error < 0, "error=%d", error);
	future->error = error;
	promise_send(future, FUTURE_FAILED);
}

void promise_discard(struct promise *promise)
{
	promise_send(promise_empty(promise), FUTURE_DISCARDED);
}

void promise_drop(struct promise *promise)
{
	if (promise->future)
		promise_fail(promise, -EPIPE);
}

/* The value stays with who has it: however long the chain, one step away. */
void promise_share(struct promise *promise, struct future *from)
{
	struct future *future = promise_empty(promise);

	if (future->state == FUTURE_PENDING && from->state == FUTURE_READY)
		future->source = future_ref(from->source ? from->source : from);
	future->error = from->error;
	promise_send(future, from->state);
}

void promise_move(struct promise *to, struct promise *from)
{
	to->future = take(&from->future);
	if (to->future && to->future->promise)
		to->future->promise = to;
}

bool promise_is_discarded(const struct promise *promise)
{
	return atomic_load(&promise->future->told) == TOLD_DISCARDED;
}

void promise_on_discard(struct promise *promise, struct loop *loop, promise_fn *on_discard)
{
	struct future *future = promise->future;
	uint8_t nobody = TOLD_NOBODY;

	check(!future->promise);
	future->promise = promise;
	future->on_discard = on_discard;
	future->producer_loop = loop;
	if (atomic_compare_exchange_strong(&future->told, &nobody, TOLD_LISTENING))
		return;
	future_ref(future);
	loop_post(loop, &future->tell);
}

/* ------------------------------------------------------------ consumers */

enum future_state future_state(const struct future *future)
{
	return future->state;
}

void *future_value(const struct future *future)
{
	const struct future *source = future->source;

	if (future->state != FUTURE_READY)
		return NULL;
	return source ? source->value : future->value;
}

int future_error(const struct future *future)
{
	if (future->state == FUTURE_DISCARDED)
		return -ECANCELED;
	return future->state == FUTURE_FAILED ? future->error : 0;
}

void *future_take(struct future *future)
{
	struct future *root = future->source ? future->source : future;

	check_that(future->state == FUTURE_READY, "state=%u", future->state);
	root->free_value = NULL;
	return take(&root->value);
}

void future_on_any(struct future *future, struct future_watch *watch, future_watch_fn *fn)
{
	list_init(&watch->link);
	watch->fn = fn;
	list_add(&future->watches, &watch->link);
	if (future->state != FUTURE_PENDING)
		future_call_soon(future);
}

void future_unwatch(struct future_watch *watch)
{
	list_remove(&watch->link);
}

/* ------------------------------------------------------------ discarding */

void future_walk_add(struct list *walk, struct future *future)
{
	if (future->state != FUTURE_PENDING || list_is_linked(&future->walk))
		return;
	list_add(walk, &future_ref(future)->walk);
}

static void future_tell_producer(struct future *future)
{
	if (atomic_exchange(&future->told, TOLD_DISCARDED) != TOLD_LISTENING)
		return;
	future_ref(future);
	loop_post(future->producer_loop, &future->tell);
}

static void future_discard_one(struct future *future, struct list *walk)
{
	struct promise promise;

	if (!future->stage) {
		future_settle(future, FUTURE_DISCARDED);
		future_tell_producer(future);
		return;
	}
	stage_abandon(take(&future->stage), walk, &promise);
	future_settle(future, FUTURE_DISCARDED);
	promise_discard(&promise);
}

void future_discard(struct future *future)
{
	struct list walk = LIST_INIT(walk);
	struct list *link;

	future_walk_add(&walk, future);
	while ((link = list_pop(&walk))) {
		future = container_of(link, struct future, walk);
		future_discard_one(future, &walk);
		future_unref(future);
	}
}
