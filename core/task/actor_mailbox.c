/* core/task/actor_mailbox.c: what is sent to an actor, until it is handled. */
#include "core/base/clock.h"
#include "core/task/actor_private.h"
#include <errno.h>

enum { PRUNE_SHARE = 256 };

/* ------------------------------------------------------------ messages */

void message_init(struct message *message, message_fn *handle, message_release_fn *release,
		  size_t size)
{
	*message = (struct message){ .handle = handle, .release = release, .size = size };
}

bool message_is_unwanted(const struct message *message)
{
	return (message->reply.future && promise_is_discarded(&message->reply)) ||
	       (message->taken.future && promise_is_discarded(&message->taken));
}

void message_let_go(struct message *message, int error)
{
	arena_budget_give_back(take(&message->counted), message->size);
	message->release(message, error);
}

void message_drop(struct message *message, int error)
{
	if (message->reply.future)
		promise_fail(&message->reply, error);
	if (message->taken.future)
		promise_fail(&message->taken, error);
	message_let_go(message, error);
}

void messages_drop(struct message *first, int error)
{
	while (first) {
		struct message *next = first->next;

		message_drop(first, error);
		first = next;
	}
}

static void fifo_put(struct message_fifo *fifo, struct message *message)
{
	message->next = NULL;
	if (fifo->last)
		fifo->last->next = message;
	else
		fifo->first = message;
	fifo->last = message;
	fifo->n++;
}

static struct message *fifo_get(struct message_fifo *fifo)
{
	struct message *message = fifo->first;

	if (!message)
		return NULL;
	fifo->first = message->next;
	if (!fifo->first)
		fifo->last = NULL;
	fifo->n--;
	return message;
}

/* Those that nobody waits for any more are moved to `dropped`. */
static void fifo_prune(struct message_fifo *fifo, struct message_fifo *dropped)
{
	struct message_fifo all = *fifo;
	struct message *message;

	*fifo = (struct message_fifo){ 0 };
	while ((message = fifo_get(&all)))
		fifo_put(message_is_unwanted(message) ? dropped : fifo, message);
}

/* ------------------------------------------------------------ the mailbox */

/* An empty one has room for any: one that waits may be larger than limits that are newer. */
static bool actor_has_room(const struct actor *actor, const struct message *message)
{
	const struct mailbox_limits *limits = &actor->limits;

	if (actor->inbox.n == 0)
		return true;
	return actor->inbox.n < limits->n_max &&
	       (limits->max_bytes == 0 || (actor->n_bytes <= limits->max_bytes &&
					   message->size <= limits->max_bytes - actor->n_bytes));
}

static void actor_take_in(struct actor *actor, struct message *message) HOLDS(actor->lock)
{
	fifo_put(&actor->inbox, message);
	actor->n_bytes += message->size;
	if (message->taken.future)
		promise_set(&message->taken, NULL, NULL);
}

static struct message *actor_take_oldest(struct actor *actor) HOLDS(actor->lock)
{
	struct message *message = fifo_get(&actor->inbox);

	if (message)
		actor->n_bytes -= message->size;
	return message;
}

/* Those who wait for room come in; those that nobody wants any more are put into `dropped`. */
static void actor_refill(struct actor *actor, struct message_fifo *dropped) HOLDS(actor->lock)
{
	while (actor->putting.first) {
		struct message *message = actor->putting.first;
		bool unwanted = message_is_unwanted(message);

		if (!unwanted && !actor_has_room(actor, message))
			return;
		fifo_get(&actor->putting);
		if (unwanted)
			fifo_put(dropped, message);
		else
			actor_take_in(actor, message);
	}
}

struct message *actor_take_out(struct actor *actor, struct message_fifo *dropped)
{
	struct message *message = fifo_get(&actor->told);

	if (message)
		return message;
	message = actor_take_oldest(actor);
	actor_refill(actor, dropped);
	/* all were dropped for want of memory, while others waited for room */
	return message ? message : actor_take_oldest(actor);
}

/* Looking costs as much as many wait: so the more they are the more are refused between two looks, and
 * a flood of messages to a full mailbox has to pay for PRUNE_SHARE of them each, at most. */
static void actor_prune_putting(struct actor *actor, struct message_fifo *dropped)
	HOLDS(actor->lock)
{
	if (actor->n_unlooked++ < actor->putting.n / PRUNE_SHARE)
		return;
	actor->n_unlooked = 0;
	fifo_prune(&actor->putting, dropped);
}

static int actor_put_behind(struct actor *actor, struct message *message,
			    struct message_fifo *dropped) HOLDS(actor->lock)
{
	if (actor->putting.n >= actor->limits.wait_max)
		actor_prune_putting(actor, dropped);
	if (actor->putting.n >= actor->limits.wait_max)
		return -ENOBUFS;
	fifo_put(&actor->putting, message);
	return 1;
}

static int actor_put_full(struct actor *actor, struct message *message,
			  struct message_fifo *dropped) HOLDS(actor->lock)
{
	struct message *oldest;

	switch (actor->limits.full) {
	case MAILBOX_REJECT:
		return -ENOBUFS;
	case MAILBOX_WAIT:
		return actor_put_behind(actor, message, dropped);
	case MAILBOX_DROP_OLDEST:
		while (!actor_has_room(actor, message) && (oldest = actor_take_oldest(actor)))
			fifo_put(dropped, oldest);
		actor_take_in(actor, message);
		return 0;
	case MAILBOX_DROP_NEWEST:
		if (message->taken.future)
			promise_set(&message->taken, NULL, NULL);
		fifo_put(dropped, message);
		return 0;
	}
	unreachable();
}

/* ------------------------------------------------------------ what all share */

static bool actor_count(const struct actor *actor, struct message *message)
{
	struct arena_budget *budget = actor->limits.budget;

	if (!arena_budget_take(budget, message->size))
		return false;
	message->counted = budget;
	return true;
}

static void message_uncount(struct message *message)
{
	arena_budget_give_back(take(&message->counted), message->size);
}

/* There is no memory for it: -ENOMEM; or 0: the oldest have made room. */
static int actor_count_short(struct actor *actor, struct message *message,
			     struct message_fifo *dropped) HOLDS(actor->lock)
{
	struct message *oldest;

	if (actor->limits.full != MAILBOX_DROP_OLDEST)
		return -ENOMEM;
	while ((oldest = actor_take_oldest(actor))) {
		message_uncount(oldest);
		fifo_put(dropped, oldest);
		if (actor_count(actor, message))
			return 0;
	}
	return -ENOMEM;
}

static int actor_put_in(struct actor *actor, struct message *message, struct message_fifo *dropped)
	HOLDS(actor->lock)
{
	if (actor->putting.n > 0)
		return actor_put_behind(actor, message, dropped);
	if (!actor_has_room(actor, message))
		return actor_put_full(actor, message, dropped);
	actor_take_in(actor, message);
	return 0;
}

static int actor_put(struct actor *actor, struct message *message, struct message_fifo *dropped)
	HOLDS(actor->lock)
{
	int r = 0;

	if (actor->state != ACTOR_RUNS)
		return -ESRCH;
	if (actor->limits.max_bytes > 0 && message->size > actor->limits.max_bytes)
		return -EMSGSIZE;
	if (!actor_count(actor, message)) {
		if (actor->limits.full == MAILBOX_DROP_NEWEST)
			return actor_put_full(actor, message, dropped);
		r = actor_count_short(actor, message, dropped);
	}
	if (r == 0)
		r = actor_put_in(actor, message, dropped);
	if (r < 0)
		message_uncount(message);
	return r;
}

static uint64_t message_now_ns(void)
{
	const struct loop *loop = loop_current();

	return loop ? loop_now_ns(loop) : clock_monotonic_ns();
}

int actor_dispatch(struct actor *actor, struct message *message)
{
	struct message_fifo dropped = { 0 };
	bool wake;
	int r;

	message->sent_ns = message_now_ns();
	lock_acquire(&actor->lock);
	r = actor_put(actor, message, &dropped);
	actor->n_refused += dropped.n + (r == -ENOBUFS || r == -EMSGSIZE || r == -ENOMEM);
	wake = r >= 0 && actor_must_wake(actor);
	lock_release(&actor->lock);
	if (wake)
		actor_schedule(actor, false);
	messages_drop(dropped.first, -ENOBUFS);
	return r;
}

int actor_tell(struct actor *actor, struct message *message)
{
	bool wake = false;
	int r = -ESRCH;

	message->sent_ns = message_now_ns();
	lock_acquire(&actor->lock);
	if (actor->state == ACTOR_RUNS) {
		fifo_put(&actor->told, message);
		message->counted = actor->limits.budget;
		arena_budget_add(message->counted, message->size);
		wake = actor_must_wake(actor);
		r = 0;
	}
	lock_release(&actor->lock);
	if (wake)
		actor_schedule(actor, false);
	return r;
}

struct future *actor_ask(struct actor *actor, struct loop *loop, struct message *message)
{
	struct future *future = promise_init(&message->reply, loop);
	int r = actor_dispatch(actor, message);

	if (r < 0)
		message_drop(message, r);
	return future;
}

struct future *actor_offer(struct actor *actor, struct loop *loop, struct message *message)
{
	struct future *future = promise_init(&message->taken, loop);
	int r = actor_dispatch(actor, message);

	if (r < 0)
		message_drop(message, r);
	return future;
}

void actor_set_limits(struct actor *actor, const struct mailbox_limits *limits)
{
	lock_acquire(&actor->lock);
	actor->limits = *limits;
	if (actor->limits.n_max == 0)
		actor->limits.n_max = ACTOR_MESSAGES_MAX;
	lock_release(&actor->lock);
}
