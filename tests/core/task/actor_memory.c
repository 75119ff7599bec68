/* tests/core/task/actor_memory.c: messages in memory that mailboxes share with others. */
#include "core/task/actor.h"
#include "tests/core/task/probe.h"
#include <errno.h>

enum { SIZE = 100, N_NOTES = 8 };

static const struct actor_kind kind = { .name = "memory" };
static struct message notes[N_NOTES];
static unsigned n_used, n_released;
static bool holds;

static void handle(struct message *message, struct actor *self)
{
	trace_add((char)('a' + (message - notes)));
	if (holds)
		actor_hold(self);
}

static void release(struct message *message, int error)
{
	(void)message;
	(void)error;
	n_released++;
}

static struct message *next(void)
{
	struct message *message = &notes[n_used++];

	message_init(message, handle, release, SIZE);
	return message;
}

static int say(struct actor *actor)
{
	struct message *message = next();
	int r = actor_dispatch(actor, message);

	if (r < 0)
		release(message, r);
	return r;
}

static void limit(struct actor *actor, struct arena_budget *budget, enum mailbox_policy policy)
{
	actor_set_limits(
		actor, &(struct mailbox_limits){ .budget = budget, .wait_max = 2, .full = policy });
}

static struct actor *spawn(struct arena_budget *budget, enum mailbox_policy policy)
{
	struct actor *actor = actor_spawn(&kind, NULL, loop, NULL);

	limit(actor, budget, policy);
	return actor;
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

static void over(struct actor *actor)
{
	actor_terminate(actor, false);
	settle();
	actor_unref(actor);
}

static void begin(void)
{
	n_used = n_released = 0;
	holds = false;
}

static void a_message_counts_until_it_is_released(void)
{
	struct arena_budget budget = { .max = 250 };
	struct actor *actor = spawn(&budget, MAILBOX_REJECT);

	begin();
	holds = true;
	is_int(say(actor), 0);
	settle();
	is_int(budget.used, SIZE); /* in work */
	is_int(say(actor), 0);
	is_int(budget.used, 2 * SIZE);
	is_int(say(actor), -ENOMEM);
	is_int(budget.used, 2 * SIZE);
	holds = false;
	resume(actor);
	is_int(budget.used, 0);
	is_int(n_released, n_used);
	over(actor);
}

static void what_an_end_leaves_unhandled_counts_no_more(void)
{
	struct arena_budget budget = { .max = 250 };
	struct actor *actor = spawn(&budget, MAILBOX_REJECT);

	begin();
	is_int(say(actor), 0);
	is_int(say(actor), 0);
	actor_terminate(actor, true);
	settle();
	is_int(budget.used, 0);
	is_text(trace, "");
	is_int(n_released, n_used);
	over(actor);
}

static void who_asks_for_memory_that_is_used_up_is_told(void)
{
	struct arena_budget budget = { .max = 50 };
	struct actor *actor = spawn(&budget, MAILBOX_REJECT);
	struct future *future;
	struct actor_stats stats;

	begin();
	future = actor_ask(actor, loop, next());
	settle();
	is_int(future_error(future), -ENOMEM);
	future_unref(future);
	actor_stats(actor, &stats);
	is_int(stats.n_refused, 1);
	over(actor);
}

static void where_no_memory_is_left_the_mailbox_decides_who_goes(void)
{
	struct arena_budget budget = { .max = 250 };
	struct actor *actor = spawn(&budget, MAILBOX_WAIT);

	begin();
	is_int(say(actor), 0);
	is_int(say(actor), 0);
	is_int(say(actor), -ENOMEM); /* who waits takes memory, too */
	limit(actor, &budget, MAILBOX_DROP_NEWEST);
	is_int(say(actor), 0);
	limit(actor, &budget, MAILBOX_DROP_OLDEST);
	is_int(say(actor), 0);
	is_int(budget.used, 2 * SIZE);
	settle();
	is_text(trace, "be");
	budget.max = 50;
	is_int(say(actor), -ENOMEM); /* there is nothing to be dropped */
	is_int(budget.used, 0);
	is_int(n_released, n_used);
	over(actor);
}

static void who_waits_for_room_has_it_when_the_oldest_have_gone_for_want_of_memory(void)
{
	struct arena_budget budget = { .max = 250 };
	struct mailbox_limits limits = {
		.n_max = 1, .wait_max = 2, .full = MAILBOX_WAIT, .budget = &budget
	};
	struct actor *actor = actor_spawn(&kind, NULL, loop, NULL);

	begin();
	actor_set_limits(actor, &limits);
	is_int(say(actor), 0);
	is_int(say(actor), 1);
	limits.full = MAILBOX_DROP_OLDEST;
	actor_set_limits(actor, &limits);
	is_int(say(actor), 1);
	settle();
	is_text(trace, "bc");
	over(actor);
}

static void words_count_and_are_not_refused(void)
{
	struct arena_budget budget = { .max = 50 };
	struct actor *actor = spawn(&budget, MAILBOX_REJECT);

	begin();
	is_int(actor_tell(actor, next()), 0);
	is_int(budget.used, SIZE);
	settle();
	is_int(budget.used, 0);
	over(actor);
}

int main(void)
{
	TRY(a_message_counts_until_it_is_released);
	TRY(what_an_end_leaves_unhandled_counts_no_more);
	TRY(who_asks_for_memory_that_is_used_up_is_told);
	TRY(where_no_memory_is_left_the_mailbox_decides_who_goes);
	TRY(who_waits_for_room_has_it_when_the_oldest_have_gone_for_want_of_memory);
	TRY(words_count_and_are_not_refused);
	return tap_done();
}
