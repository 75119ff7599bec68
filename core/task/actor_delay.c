/* core/task/actor_delay.c: messages that are sent later: after a time, or when a future has ended.
 *
 *   WAITS --(its time has come)--> SENT
 *     \----(delayed_cancel())----> CANCELLED
 *
 * The state is what the actor's loop, which has the timer, and whoever cancels agree by: the
 * message belongs to the side that changed it. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/task/actor_private.h"
#include <errno.h>
#include <stdlib.h>

enum delayed_state { DELAYED_WAITS, DELAYED_SENT, DELAYED_CANCELLED };

struct delayed {
	_Atomic uint32_t refs; /* the caller's, the loop's, one of a post that is under way */
	atomic_int state;      /* enum delayed_state */
	struct actor *actor;   /* counted */
	struct message *message;
	struct timer timer; /* the loop's */
	uint64_t due_ns;
	struct post start, stop;
};

void delayed_unref(struct delayed *delayed)
{
	if (!delayed || atomic_fetch_sub_explicit(&delayed->refs, 1, memory_order_acq_rel) != 1)
		return;
	actor_unref(delayed->actor);
	free(delayed);
}

static void delayed_on_time(struct timer *timer)
{
	struct delayed *delayed = container_of(timer, struct delayed, timer);
	int state = DELAYED_WAITS, r;

	if (atomic_compare_exchange_strong(&delayed->state, &state, DELAYED_SENT)) {
		r = actor_dispatch(delayed->actor, delayed->message);
		if (r < 0)
			message_drop(delayed->message, r);
	}
	delayed_unref(delayed);
}

static void delayed_start(struct delayed *delayed)
{
	if (atomic_load(&delayed->state) == DELAYED_WAITS)
		timer_start_at(&delayed->timer, delayed->due_ns);
	else
		delayed_unref(delayed);
}

static void delayed_stop(struct delayed *delayed)
{
	if (!timer_is_running(&delayed->timer))
		return;
	timer_stop(&delayed->timer);
	delayed_unref(delayed);
}

static void delayed_on_start(struct post *post)
{
	delayed_start(container_of(post, struct delayed, start));
}

static void delayed_on_stop(struct post *post)
{
	struct delayed *delayed = container_of(post, struct delayed, stop);

	delayed_stop(delayed);
	delayed_unref(delayed);
}

struct delayed *actor_delay(struct actor *actor, struct message *message, uint64_t delay_ms)
{
	struct delayed *delayed = mem_zalloc(sizeof(*delayed));

	atomic_init(&delayed->refs, 2);
	delayed->actor = actor_ref(actor);
	delayed->message = message;
	delayed->due_ns =
		clock_monotonic_ns() + MIN(delay_ms, UINT64_MAX / 4 / NS_PER_MS) * NS_PER_MS;
	timer_init(&delayed->timer, actor->loop, delayed_on_time);
	delayed->start.run = delayed_on_start;
	delayed->stop.run = delayed_on_stop;
	if (loop_is_current(actor->loop))
		delayed_start(delayed);
	else
		loop_post(actor->loop, &delayed->start);
	return delayed;
}

bool delayed_cancel(struct delayed *delayed)
{
	int state = DELAYED_WAITS;

	if (!atomic_compare_exchange_strong(&delayed->state, &state, DELAYED_CANCELLED))
		return false;
	if (loop_is_current(delayed->actor->loop)) {
		delayed_stop(delayed);
	} else {
		atomic_fetch_add_explicit(&delayed->refs, 1, memory_order_relaxed);
		loop_post(delayed->actor->loop, &delayed->stop);
	}
	message_drop(delayed->message,
		     -ECANCELED); /* last: who counts messages ends its loop then */
	return true;
}

/* ------------------------------------------------------------ when a future has ended */

static void deferred_on_end(struct future_watch *watch, struct future *future)
{
	struct deferred *deferred = container_of(watch, struct deferred, watch);
	struct actor *actor = take(&deferred->actor);
	int r;

	deferred->state = future_state(future);
	deferred->error = future_error(future);
	if (deferred->state == FUTURE_READY)
		deferred->value = future_take(future);
	future_unref(take(&deferred->future));
	r = actor_dispatch(actor, &deferred->message);
	if (r < 0)
		message_drop(&deferred->message, r);
	actor_unref(actor);
}

void actor_defer(struct actor *actor, struct future *future, struct deferred *deferred)
{
	deferred->actor = actor_ref(actor);
	deferred->future = future;
	deferred->value = NULL;
	future_on_any(future, &deferred->watch, deferred_on_end);
}
