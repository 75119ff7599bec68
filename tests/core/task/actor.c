/* tests/core/task/actor.c: one actor, its mailbox, its end, on a loop that the test turns. */
#include "core/task/actor.h"
#include "tests/core/task/probe.h"
#include <errno.h>
#include <stdlib.h>

struct state {
	unsigned n_done;
};

struct note {
	struct message message;
	char mark;
	bool hold, exits;
};

static unsigned n_handled, n_released, n_made, n_finis, n_interrupts, n_turns_of_other;
static enum actor_end last_end, told_end;
static struct actor *told_of;
static int last_error;

static void on_fini(struct actor *self, enum actor_end end)
{
	(void)self;
	n_finis++;
	last_end = end;
}

static void on_interrupt(struct actor *self)
{
	n_interrupts++;
	actor_resume(self);
}

static void on_told(struct actor *self, struct actor *other, enum actor_end end)
{
	(void)self;
	told_of = other;
	told_end = end;
	trace_add('!');
}

static const struct actor_kind kind = { .name = "test",
					.state_size = sizeof(struct state),
					.on_end = on_told,
					.interrupt = on_interrupt,
					.fini = on_fini };

static void note_handle(struct message *message, struct actor *self)
{
	struct note *note = container_of(message, struct note, message);
	struct state *state = actor_state(self);

	n_handled++;
	state->n_done++;
	trace_add(note->mark);
	if (message->reply.future && note->mark != '-')
		promise_set(&message->reply, state, NULL);
	if (note->hold)
		actor_hold(self);
	if (note->exits)
		actor_exit(self, ACTOR_END_FAILED);
}

static void note_release(struct message *message, int error)
{
	n_released++;
	last_error = error;
	free(container_of(message, struct note, message));
}

static struct note *note_create(char mark)
{
	struct note *note = calloc(1, sizeof(*note));

	n_made++;
	message_init(&note->message, note_handle, note_release, 100);
	note->mark = mark;
	return note;
}

static int say(struct actor *actor, char mark)
{
	struct note *note = note_create(mark);
	int r = actor_dispatch(actor, &note->message);

	if (r < 0)
		note_release(&note->message, r);
	return r;
}

static struct actor *spawn(void)
{
	n_handled = n_released = n_made = n_finis = n_interrupts = 0;
	last_end = told_end = ACTOR_LIVES;
	told_of = NULL;
	last_error = 0;
	return actor_spawn(&kind, NULL, loop, NULL);
}

static void limit(struct actor *actor, enum mailbox_policy policy)
{
	actor_set_limits(actor,
			 &(struct mailbox_limits){ .n_max = 2, .wait_max = 2, .full = policy });
}

static struct actor *resumed;

static void on_resume(struct ready *ready)
{
	(void)ready;
	actor_resume(resumed);
}

static void resume(struct actor *actor)
{
	struct ready ready;

	resumed = actor;
	ready_init(&ready, on_resume);
	loop_ready(loop, &ready);
	settle();
}

/* The actor ends, if it has not, and every message was released once. */
static void over(struct actor *actor)
{
	actor_terminate(actor, true);
	settle();
	is_int(n_finis, 1);
	is_int(n_released, n_made);
	actor_unref(actor);
}

static void is_failed(struct future *future, int error)
{
	settle();
	is_int(future_state(future), FUTURE_FAILED);
	is_int(future_error(future), error);
	future_unref(future);
}

static struct future *ask(struct actor *actor, char mark)
{
	return actor_ask(actor, loop, &note_create(mark)->message);
}

/* ------------------------------------------------------------ messages */

static void messages_are_handled_in_order_and_never_within_the_call(void)
{
	struct actor *actor = spawn();

	for (const char *mark = "abcde"; *mark; mark++)
		is_int(say(actor, *mark), 0);
	is_int(n_handled, 0);
	settle();
	is_text(trace, "abcde");
	over(actor);
}

static void an_ask_gets_the_reply(void)
{
	struct actor *actor = spawn();
	struct future *future = ask(actor, 'a');

	settle();
	is_int(future_state(future), FUTURE_READY);
	is_ptr(future_value(future), actor_state(actor));
	future_unref(future);
	over(actor);
}

static void an_ask_that_the_handler_does_not_answer_fails(void)
{
	struct actor *actor = spawn();

	is_failed(ask(actor, '-'), -EPIPE);
	over(actor);
}

static void who_has_ended_refuses_and_futures_fail(void)
{
	struct actor *actor = spawn();

	actor_terminate(actor, false);
	settle();
	is_int(last_end, ACTOR_END_NORMAL);
	is_int(say(actor, 'a'), -ESRCH);
	is_failed(ask(actor, 'b'), -ESRCH);
	is_failed(actor_offer(actor, loop, &note_create('c')->message), -ESRCH);
	is_text(trace, "");
	over(actor);
}

static void an_ask_whose_future_was_discarded_is_not_handled(void)
{
	struct actor *actor = spawn();
	struct future *future = ask(actor, 'a');

	future_discard(future);
	settle();
	is_int(n_handled, 0);
	is_int(last_error, -ECANCELED);
	future_unref(future);
	over(actor);
}

static void a_held_message_keeps_the_others_waiting(void)
{
	struct actor *actor = spawn();
	struct note *note = note_create('a');

	note->hold = true;
	actor_dispatch(actor, &note->message);
	say(actor, 'b');
	settle();
	is_text(trace, "a");
	is_ptr(actor_held(actor), &note->message);
	is_int(n_released, 0);
	resume(actor);
	is_text(trace, "ab");
	over(actor);
}

/* ------------------------------------------------------------ full mailboxes */

static void a_full_mailbox_rejects(void)
{
	struct actor *actor = spawn();
	struct actor_stats stats;

	limit(actor, MAILBOX_REJECT);
	say(actor, 'a');
	say(actor, 'b');
	is_int(say(actor, 'c'), -ENOBUFS);
	is_failed(ask(actor, 'd'), -ENOBUFS);
	actor_stats(actor, &stats);
	is_int(stats.n_refused, 2);
	is_text(trace, "ab");
	over(actor);
}

static void a_full_mailbox_drops_the_oldest(void)
{
	struct actor *actor = spawn();
	struct future *future;

	limit(actor, MAILBOX_DROP_OLDEST);
	future = ask(actor, 'a');
	say(actor, 'b');
	is_int(say(actor, 'c'), 0);
	is_failed(future, -ENOBUFS);
	is_text(trace, "bc");
	over(actor);
}

static void a_full_mailbox_drops_the_newest(void)
{
	struct actor *actor = spawn();

	limit(actor, MAILBOX_DROP_NEWEST);
	say(actor, 'a');
	say(actor, 'b');
	is_int(say(actor, 'c'), 0);
	is_failed(ask(actor, 'd'), -ENOBUFS);
	is_text(trace, "ab");
	over(actor);
}

static void a_full_mailbox_lets_some_wait_in_order(void)
{
	struct actor *actor = spawn();
	struct future *taken, *refused;

	limit(actor, MAILBOX_WAIT);
	say(actor, 'a');
	say(actor, 'b');
	is_int(say(actor, 'c'), 1);
	taken = actor_offer(actor, loop, &note_create('d')->message);
	refused = actor_offer(actor, loop, &note_create('e')->message);
	is_int(say(actor, 'f'), -ENOBUFS);
	is_int(future_state(taken), FUTURE_PENDING);
	is_failed(refused, -ENOBUFS);
	is_int(future_state(taken), FUTURE_READY);
	future_unref(taken);
	is_text(trace, "abcd");
	over(actor);
}

static void who_waits_no_more_makes_room_for_others_who_wait(void)
{
	struct actor *actor = spawn();
	struct future *gone;

	limit(actor, MAILBOX_WAIT);
	say(actor, 'a');
	say(actor, 'b');
	say(actor, 'c');
	gone = actor_offer(actor, loop, &note_create('d')->message);
	future_discard(gone);
	future_unref(gone);
	is_int(say(actor, 'e'), 1);
	settle();
	is_text(trace, "abce");
	over(actor);
}

static void of_many_who_wait_one_who_waits_no_more_makes_room_soon(void)
{
	struct actor *actor = spawn();
	struct future *gone;
	unsigned n_refused = 0;

	actor_set_limits(actor, &(struct mailbox_limits){
					.n_max = 1, .wait_max = 1000, .full = MAILBOX_WAIT });
	for (unsigned i = 0; i < 1000; i++)
		say(actor, '.');
	gone = actor_offer(actor, loop, &note_create('d')->message);
	is_int(say(actor, 'e'), -ENOBUFS);
	future_discard(gone);
	future_unref(gone);
	while (n_refused < 10 && say(actor, 'e') < 0)
		n_refused++;
	is_true(n_refused < 10);
	over(actor);
}

static void what_waits_comes_in_though_the_limits_have_become_smaller(void)
{
	struct actor *actor = spawn();
	struct note *large = note_create('c');

	limit(actor, MAILBOX_WAIT);
	say(actor, 'a');
	say(actor, 'b');
	large->message.size = 300;
	is_int(actor_dispatch(actor, &large->message), 1);
	is_int(say(actor, 'd'), 1);
	actor_set_limits(actor, &(struct mailbox_limits){
					.max_bytes = 250, .wait_max = 2, .full = MAILBOX_WAIT });
	settle();
	is_text(trace, "abcd");
	is_int(say(actor, 'e'), 0);
	settle();
	is_text(trace, "abcde");
	over(actor);
}

static void a_mailbox_is_bounded_in_bytes(void)
{
	struct actor *actor = spawn();
	struct note *large = note_create('x');

	actor_set_limits(actor, &(struct mailbox_limits){ .max_bytes = 250 });
	large->message.size = 251;
	is_int(actor_dispatch(actor, &large->message), -EMSGSIZE);
	note_release(&large->message, -EMSGSIZE);
	is_int(say(actor, 'a'), 0);
	is_int(say(actor, 'b'), 0);
	is_int(say(actor, 'c'), -ENOBUFS);
	settle();
	is_int(say(actor, 'd'), 0);
	over(actor);
}

static void a_word_comes_before_all_messages_and_needs_no_room(void)
{
	struct actor *actor = spawn();

	limit(actor, MAILBOX_REJECT);
	say(actor, 'a');
	say(actor, 'b');
	is_int(actor_tell(actor, &note_create('w')->message), 0);
	settle();
	is_text(trace, "wab");
	actor_tell(actor, &note_create('x')->message);
	over(actor);
	is_text(trace, "wab");
}

/* ------------------------------------------------------------ ends */

static void an_end_in_order_comes_after_the_messages(void)
{
	struct actor *actor = spawn();
	struct future *ends = actor_wait(actor, loop);

	say(actor, 'a');
	say(actor, 'b');
	actor_terminate(actor, false);
	is_int(say(actor, 'c'), -ESRCH);
	is_int(future_state(ends), FUTURE_PENDING);
	settle();
	is_text(trace, "ab");
	is_int(future_state(ends), FUTURE_READY);
	is_int(actor_end(actor), ACTOR_END_NORMAL);
	future_unref(ends);
	over(actor);
}

static void an_end_at_once_does_not_wait_behind_messages(void)
{
	struct actor *actor = spawn();
	struct future *reply = ask(actor, 'a');

	say(actor, 'b');
	actor_terminate(actor, false);
	actor_terminate(actor, true);
	is_failed(reply, -ESRCH);
	is_text(trace, "");
	is_int(last_end, ACTOR_END_KILLED);
	over(actor);
}

static void an_end_at_once_interrupts_what_is_held(void)
{
	struct actor *actor = spawn();
	struct note *note = note_create('a');

	note->hold = true;
	actor_dispatch(actor, &note->message);
	settle();
	actor_terminate(actor, false);
	settle();
	is_int(n_interrupts, 0);
	is_false(actor_is_stopping(actor));
	actor_terminate(actor, true);
	is_true(actor_is_stopping(actor));
	settle();
	is_int(n_interrupts, 1);
	is_int(n_finis, 1);
	over(actor);
}

static void an_actor_may_end_itself(void)
{
	struct actor *actor = spawn();
	struct note *note = note_create('a');

	note->exits = true;
	actor_dispatch(actor, &note->message);
	say(actor, 'b');
	settle();
	is_text(trace, "a");
	is_int(last_end, ACTOR_END_FAILED);
	over(actor);
}

static void who_waits_for_one_that_has_ended_is_told_at_once(void)
{
	struct actor *actor = spawn();
	struct future *ends;

	actor_terminate(actor, true);
	settle();
	ends = actor_wait(actor, loop);
	settle();
	is_int(future_state(ends), FUTURE_READY);
	future_unref(ends);
	over(actor);
}

static void only_an_idle_one_ends_as_idle(void)
{
	struct actor *actor = spawn();

	say(actor, 'a');
	is_false(actor_terminate_idle(actor));
	settle();
	is_text(trace, "a");
	is_true(actor_terminate_idle(actor));
	is_int(say(actor, 'b'), -ESRCH);
	settle();
	is_int(last_end, ACTOR_END_NORMAL);
	over(actor);
}

/* ------------------------------------------------------------ links */

static void link_handle(struct message *message, struct actor *self)
{
	struct actor *other = *(struct actor **)(void *)(message + 1);

	actor_link(self, other);
	actor_link(self, other);
}

static void unlink_handle(struct message *message, struct actor *self)
{
	actor_unlink(self, *(struct actor **)(void *)(message + 1));
}

static void link_release(struct message *message, int error)
{
	(void)error;
	free(message);
}

static void tell(struct actor *actor, message_fn *handle, struct actor *other)
{
	struct message *message = calloc(1, sizeof(*message) + sizeof(other));

	message_init(message, handle, link_release, 0);
	*(struct actor **)(void *)(message + 1) = other;
	check(actor_dispatch(actor, message) == 0);
	settle();
}

static void who_is_linked_is_told_once_why_the_other_ended(void)
{
	struct actor *actor = spawn(), *other = actor_spawn(&kind, NULL, loop, NULL);

	tell(actor, link_handle, other);
	actor_terminate(other, true);
	settle();
	is_text(trace, "!");
	is_ptr(told_of, other);
	is_int(told_end, ACTOR_END_KILLED);
	n_finis = 0;
	actor_unref(other);
	over(actor);
}

/* Without looking through all of them for each one more: that would be seconds. */
static void one_may_be_linked_to_very_many_and_very_many_to_one(void)
{
	enum { N = 20000 };
	struct actor *hub = spawn(), **others = calloc(N, sizeof(struct actor *));
	unsigned n_wrong = 0;

	for (size_t i = 0; i < N; i++) {
		others[i] = actor_spawn(&kind, NULL, loop, NULL);
		actor_link(hub, others[i]);
		actor_link(hub, others[i]);
		actor_link(others[i], hub);
		if (i % 4 == 0)
			actor_unlink(hub, others[i]);
	}
	for (size_t i = 0; i < N; i++) {
		actor_terminate(others[i], true);
		actor_unref(others[i]);
		settle();
		n_wrong += told_of != (i % 4 ? others[i] : NULL);
		told_of = NULL;
	}
	is_int(n_wrong, 0);
	free(others);
	n_finis = 0;
	over(hub);
}

static void a_link_to_one_that_has_ended_tells_so(void)
{
	struct actor *actor = spawn(), *other = actor_spawn(&kind, NULL, loop, NULL);

	actor_terminate(other, true);
	settle();
	n_finis = 0;
	tell(actor, link_handle, other);
	is_int(told_end, ACTOR_END_NO_ACTOR);
	actor_unref(other);
	over(actor);
}

static void a_notice_does_not_wait_behind_messages(void)
{
	struct actor *actor = spawn(), *other = actor_spawn(&kind, NULL, loop, NULL);
	struct note *note = note_create('a');

	tell(actor, link_handle, other);
	note->hold = true;
	actor_dispatch(actor, &note->message);
	say(actor, 'b');
	settle();
	actor_terminate(other, false);
	settle();
	is_text(trace, "a");
	resume(actor);
	is_text(trace, "a!b");
	n_finis = 0;
	actor_unref(other);
	over(actor);
}

static void who_is_unlinked_is_not_told(void)
{
	struct actor *actor = spawn(), *other = actor_spawn(&kind, NULL, loop, NULL);

	tell(actor, link_handle, other);
	tell(actor, unlink_handle, other);
	actor_terminate(other, true);
	settle();
	is_text(trace, "");
	n_finis = 0;
	actor_unref(other);
	over(actor);
}

/* ------------------------------------------------------------ later */

static void a_delayed_message_comes_at_its_time(void)
{
	struct actor *actor = spawn();
	struct delayed *delayed = actor_delay(actor, &note_create('a')->message, 100);

	pass_ms(99);
	is_text(trace, "");
	pass_ms(2);
	is_text(trace, "a");
	is_false(delayed_cancel(delayed));
	delayed_unref(delayed);
	over(actor);
}

static void a_delayed_message_that_is_cancelled_never_comes(void)
{
	struct actor *actor = spawn();
	struct delayed *delayed = actor_delay(actor, &note_create('a')->message, 100);

	pass_ms(50);
	is_true(delayed_cancel(delayed));
	is_false(delayed_cancel(delayed));
	delayed_unref(delayed);
	settle();
	is_int(last_error, -ECANCELED);
	pass_ms(100);
	is_text(trace, "");
	over(actor);
}

static void a_delayed_message_to_one_that_has_ended_is_released(void)
{
	struct actor *actor = spawn();

	delayed_unref(actor_delay(actor, &note_create('a')->message, 100));
	actor_terminate(actor, true);
	pass_ms(101);
	is_int(last_error, -ESRCH);
	over(actor);
}

static struct deferred deferred;

static void deferred_handle(struct message *message, struct actor *self)
{
	(void)message;
	(void)self;
	trace_add('d');
}

static void deferred_release(struct message *message, int error)
{
	(void)message;
	last_error = error;
}

static void what_is_deferred_comes_with_the_futures_value(void)
{
	struct actor *actor = spawn();
	struct promise promise;
	int value = 0;

	message_init(&deferred.message, deferred_handle, deferred_release, 0);
	actor_defer(actor, promise_init(&promise, loop), &deferred);
	settle();
	is_text(trace, "");
	promise_set(&promise, &value, NULL);
	settle();
	is_text(trace, "d");
	is_ptr(deferred.value, &value);
	over(actor);
}

static void what_is_deferred_comes_when_the_future_fails(void)
{
	struct actor *actor = spawn();
	struct promise promise;

	message_init(&deferred.message, deferred_handle, deferred_release, 0);
	actor_defer(actor, promise_init(&promise, loop), &deferred);
	promise_drop(&promise);
	settle();
	is_text(trace, "d");
	is_int(deferred.state, FUTURE_FAILED);
	is_int(deferred.error, -EPIPE);
	over(actor);
}

/* ------------------------------------------------------------ fairness */

static unsigned n_self;

static void again_handle(struct message *message, struct actor *self)
{
	(void)self;
	(void)message;
	n_self++;
}

static bool again_on;

static void again_release(struct message *message, int error)
{
	(void)error;
	if (!again_on || actor_dispatch(told_of, message) < 0)
		free(message);
}

static void on_other(struct timer *timer)
{
	(void)timer;
	n_turns_of_other++;
}

static void who_messages_itself_starves_nobody(void)
{
	struct actor *actor = spawn();
	struct message *message = calloc(1, sizeof(*message));
	struct timer timer;

	told_of = actor;
	again_on = true;
	n_self = n_turns_of_other = 0;
	message_init(message, again_handle, again_release, 0);
	actor_dispatch(actor, message);
	timer_init(&timer, loop, on_other);
	timer_start(&timer, 1);
	clock_advance(5 * NS_PER_MS);
	for (unsigned i = 0; i < 4; i++)
		loop_run_once(loop, false);
	is_int(n_turns_of_other, 1);
	is_true(n_self > 0 && n_self <= 4 * ACTOR_QUANTUM);
	again_on = false;
	over(actor);
}

int main(void)
{
	TRY(messages_are_handled_in_order_and_never_within_the_call);
	TRY(an_ask_gets_the_reply);
	TRY(an_ask_that_the_handler_does_not_answer_fails);
	TRY(who_has_ended_refuses_and_futures_fail);
	TRY(an_ask_whose_future_was_discarded_is_not_handled);
	TRY(a_held_message_keeps_the_others_waiting);
	TRY(a_full_mailbox_rejects);
	TRY(a_full_mailbox_drops_the_oldest);
	TRY(a_full_mailbox_drops_the_newest);
	TRY(a_full_mailbox_lets_some_wait_in_order);
	TRY(who_waits_no_more_makes_room_for_others_who_wait);
	TRY(of_many_who_wait_one_who_waits_no_more_makes_room_soon);
	TRY(what_waits_comes_in_though_the_limits_have_become_smaller);
	TRY(a_mailbox_is_bounded_in_bytes);
	TRY(a_word_comes_before_all_messages_and_needs_no_room);
	TRY(an_end_in_order_comes_after_the_messages);
	TRY(an_end_at_once_does_not_wait_behind_messages);
	TRY(an_end_at_once_interrupts_what_is_held);
	TRY(an_actor_may_end_itself);
	TRY(who_waits_for_one_that_has_ended_is_told_at_once);
	TRY(only_an_idle_one_ends_as_idle);
	TRY(who_is_linked_is_told_once_why_the_other_ended);
	TRY(one_may_be_linked_to_very_many_and_very_many_to_one);
	TRY(a_link_to_one_that_has_ended_tells_so);
	TRY(a_notice_does_not_wait_behind_messages);
	TRY(who_is_unlinked_is_not_told);
	TRY(a_delayed_message_comes_at_its_time);
	TRY(a_delayed_message_that_is_cancelled_never_comes);
	TRY(a_delayed_message_to_one_that_has_ended_is_released);
	TRY(what_is_deferred_comes_with_the_futures_value);
	TRY(what_is_deferred_comes_when_the_future_fails);
	TRY(who_messages_itself_starves_nobody);
	return tap_done();
}
