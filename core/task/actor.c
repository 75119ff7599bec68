/* core/task/actor.c: an actor's turn, its beginning and its end. Its mailbox is in actor_mailbox.c,
 * links and waiting are in actor_link.c, what happens later in actor_delay.c.
 *
 * Scheduling. `scheduled` is true from the moment when somebody finds that a turn is needed until
 * a turn finds nothing to do, both with the lock held: so there is one turn at a time, and the
 * node by which it is called (ready, post or work) is free to be used. A message that is held
 * ends the turn; actor_resume() asks for the next.
 *
 * Fairness. A turn ends after ACTOR_QUANTUM messages, or when the loop's own turn is older than
 * TURN_NS. Who comes when it is that old already is put off to the next one, once, and then
 * handles one message however old that is: so that actors always advance, and sockets and timers,
 * too. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/task/actor_private.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	TURN_NS = 1000000,
	MESSAGES_A_LOOK = 16, /* at the clock */
};

/* ------------------------------------------------------------ turns */

bool actor_must_wake(struct actor *actor)
{
	if (actor->scheduled || actor->held)
		return false;
	actor->scheduled = true;
	return true;
}

void actor_schedule(struct actor *actor, bool later)
{
	if (actor->queue)
		check(pool_queue_submit(actor->queue, &actor->work) == 0);
	else if (!loop_is_current(actor->loop))
		loop_post(actor->loop, &actor->post);
	else if (later)
		loop_ready_next(actor->loop, &actor->ready);
	else
		loop_ready(actor->loop, &actor->ready);
}

static void actor_finish_message(struct actor *actor, struct message *message)
{
	uint64_t n_handled = atomic_load_explicit(&actor->n_handled, memory_order_relaxed);

	promise_drop(&message->reply);
	atomic_store_explicit(&actor->n_handled, n_handled + 1, memory_order_relaxed);
	message_let_go(message, 0);
}

static void actor_handle(struct actor *actor, struct message *message)
{
	if (message_is_unwanted(message)) {
		message_drop(message, -ECANCELED);
		return;
	}
	actor->current = message;
	message->handle(message, actor);
	actor->current = NULL;
	if (!actor->held)
		actor_finish_message(actor, message);
}

/* The turn is over: nothing is touched after the last unref. */
static void actor_finish(struct actor *actor)
{
	struct actor_waiter *waiters;
	struct message_fifo told, inbox, putting;

	if (actor->kind->fini)
		actor->kind->fini(actor, actor->end);
	lock_acquire(&actor->lock);
	actor->state = ACTOR_ENDED;
	told = actor->told;
	inbox = actor->inbox;
	putting = actor->putting;
	actor->told = actor->inbox = actor->putting = (struct message_fifo){ 0 };
	actor->n_bytes = 0;
	waiters = take(&actor->waiters);
	lock_release(&actor->lock);
	messages_drop(told.first, -ESRCH);
	messages_drop(inbox.first, -ESRCH);
	messages_drop(putting.first, -ESRCH);
	actor_end_links(actor);
	actor_end_waiters(waiters);
	actor_unref(actor);
}

enum step {
	STEP_AGAIN,
	STEP_IDLE, /* nothing to do: the turn is over, and somebody else may begin another */
	STEP_ENDED,
};

struct todo {
	struct message *message;
	struct link *notice;
	bool interrupt, finish;
};

/* What to do next, and whether that is anything. */
static bool actor_choose(struct actor *actor, struct todo *todo, struct message_fifo *dropped)
	HOLDS(actor->lock)
{
	if (actor->held)
		todo->interrupt = actor->state == ACTOR_STOPS && !actor->interrupted;
	else if (actor->state == ACTOR_STOPS)
		todo->finish = true;
	else if ((todo->notice = actor_take_notice(actor)))
		return true;
	else if (!(todo->message = actor_take_out(actor, dropped)))
		todo->finish = actor->state == ACTOR_DRAINS;
	actor->scheduled = todo->message || todo->finish;
	return actor->scheduled;
}

static enum step actor_step(struct actor *actor)
{
	struct message_fifo dropped = { 0 };
	struct todo todo = { 0 };
	bool more;

	lock_acquire(&actor->lock);
	more = actor_choose(actor, &todo, &dropped);
	lock_release(&actor->lock);
	messages_drop(dropped.first, -ECANCELED);
	if (todo.interrupt) {
		actor->interrupted = true;
		if (actor->kind->interrupt)
			actor->kind->interrupt(actor);
	} else if (todo.notice) {
		link_tell(todo.notice, actor);
	} else if (todo.message) {
		actor_handle(actor, todo.message);
	} else if (todo.finish) {
		actor_finish(actor);
		return STEP_ENDED;
	}
	return more ? STEP_AGAIN : STEP_IDLE;
}

static void actor_turn(struct actor *actor, uint64_t began_ns)
{
	for (unsigned n = 1; n <= ACTOR_QUANTUM; n++) {
		if (actor_step(actor) != STEP_AGAIN)
			return;
		if (n % MESSAGES_A_LOOK == 1 && clock_monotonic_ns() - began_ns > TURN_NS)
			break;
	}
	actor_schedule(actor, true);
}

static void actor_turn_on_loop(struct actor *actor)
{
	const uint64_t began_ns = loop_now_ns(actor->loop);

	if (!actor->put_off && clock_monotonic_ns() - began_ns > TURN_NS) {
		actor->put_off = true;
		loop_ready_next(actor->loop, &actor->ready);
		return;
	}
	actor->put_off = false;
	actor_turn(actor, began_ns);
}

static void actor_on_ready(struct ready *ready)
{
	actor_turn_on_loop(container_of(ready, struct actor, ready));
}

static void actor_on_post(struct post *post)
{
	actor_turn_on_loop(container_of(post, struct actor, post));
}

static void actor_on_work(struct work *work)
{
	actor_turn(container_of(work, struct actor, work), clock_monotonic_ns());
}

/* ------------------------------------------------------------ messages that take longer */

void actor_hold(struct actor *self)
{
	check(self->current && !self->queue);
	lock_acquire(&self->lock);
	self->held = self->current;
	lock_release(&self->lock);
}

void actor_resume(struct actor *self)
{
	struct message *message = self->held;
	bool in_work = self->current, wake = false;

	check(message && loop_is_current(self->loop));
	lock_acquire(&self->lock);
	self->held = NULL;
	if (!in_work)
		wake = actor_must_wake(self);
	lock_release(&self->lock);
	if (in_work)
		return;
	if (wake)
		actor_schedule(self, false);
	actor_finish_message(self, message);
}

struct message *actor_held(const struct actor *self)
{
	return self->held;
}

/* ------------------------------------------------------------ beginning and end */

struct actor *actor_spawn(const struct actor_kind *kind, const void *state, struct loop *loop,
			  struct pool_queue *queue)
{
	struct actor *actor = mem_zalloc(sizeof(*actor) + kind->state_size);

	actor->kind = kind;
	actor->loop = loop;
	actor->queue = queue;
	atomic_init(&actor->refs, 2); /* the caller's, and its own */
	lock_init(&actor->lock);
	actor->limits.n_max = ACTOR_MESSAGES_MAX;
	list_init(&actor->notices);
	list_init(&actor->links);
	list_init(&actor->watchers);
	if (queue) {
		actor->work.run = actor_on_work;
	} else {
		ready_init(&actor->ready, actor_on_ready);
		actor->post.run = actor_on_post;
	}
	if (state)
		memcpy(actor->data, state, kind->state_size);
	return actor;
}

size_t actor_memory(const struct actor_kind *kind)
{
	return sizeof(struct actor) + kind->state_size;
}

struct actor *actor_ref(struct actor *actor)
{
	atomic_fetch_add_explicit(&actor->refs, 1, memory_order_relaxed);
	return actor;
}

void actor_unref(struct actor *actor)
{
	if (!actor || atomic_fetch_sub_explicit(&actor->refs, 1, memory_order_acq_rel) != 1)
		return;
	check(actor->state == ACTOR_ENDED && list_is_empty(&actor->watchers));
	lock_fini(&actor->lock);
	free(actor);
}

void *actor_state(struct actor *actor)
{
	return actor->data;
}

struct loop *actor_loop(const struct actor *actor)
{
	return actor->loop;
}

/* The first one who says why is right, but an end at once overtakes one in order. */
static void actor_stop(struct actor *actor, enum actor_state state, enum actor_end end)
{
	bool wake = false;

	lock_acquire(&actor->lock);
	if (actor->state < state) {
		actor->state = (uint8_t)state;
		actor->end = (uint8_t)end;
		wake = !actor->scheduled;
		actor->scheduled = true;
	}
	lock_release(&actor->lock);
	if (wake)
		actor_schedule(actor, false);
}

void actor_terminate(struct actor *actor, bool at_once)
{
	actor_stop(actor, at_once ? ACTOR_STOPS : ACTOR_DRAINS,
		   at_once ? ACTOR_END_KILLED : ACTOR_END_NORMAL);
}

void actor_exit(struct actor *self, enum actor_end end)
{
	actor_stop(self, ACTOR_STOPS, end);
}

bool actor_terminate_idle(struct actor *actor)
{
	bool idle;

	lock_acquire(&actor->lock);
	idle = actor->state == ACTOR_RUNS && !actor->scheduled && !actor->held;
	if (idle) {
		actor->state = ACTOR_DRAINS;
		actor->end = ACTOR_END_NORMAL;
		actor->scheduled = true;
	}
	lock_release(&actor->lock);
	if (idle)
		actor_schedule(actor, false);
	return idle;
}

bool actor_is_stopping(struct actor *actor)
{
	bool stopping;

	lock_acquire(&actor->lock);
	stopping = actor->state >= ACTOR_STOPS;
	lock_release(&actor->lock);
	return stopping;
}

enum actor_end actor_end(struct actor *actor)
{
	enum actor_end end;

	lock_acquire(&actor->lock);
	end = actor->state == ACTOR_ENDED ? (enum actor_end)actor->end : ACTOR_LIVES;
	lock_release(&actor->lock);
	return end;
}

void actor_stats(struct actor *actor, struct actor_stats *ret_stats)
{
	uint64_t now_ns = clock_monotonic_ns(), since_ns = now_ns;

	lock_acquire(&actor->lock);
	if (actor->inbox.first)
		since_ns = MIN(actor->inbox.first->sent_ns, now_ns);
	*ret_stats = (struct actor_stats){
		.n_handled = atomic_load_explicit(&actor->n_handled, memory_order_relaxed),
		.n_refused = actor->n_refused,
		.n_messages = actor->told.n + actor->inbox.n + actor->putting.n,
		.n_bytes = actor->n_bytes,
		.oldest_ns = now_ns - since_ns,
		.in_work = actor->scheduled || actor->held,
	};
	lock_release(&actor->lock);
}
