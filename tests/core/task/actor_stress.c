/* tests/core/task/actor_stress.c: threads send, tell, ask, offer, defer, delay, link, unlink, wait and terminate
 * at random among a few actors on two loops and a pool, which come and go, and hold messages.
 *
 * Each actor remembers the last number that each thread sent it: a smaller one later would be out
 * of order. Each message is released once; each future ends; each link tells once.
 *
 * What each thread does follows from the seed, which is printed: SEED=… in the environment is the same
 * again. How they overlap is the machine's. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/task/actor.h"
#include "tests/lib/tap.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_LOOPS = 2, N_SENDERS = 3, N_ACTORS = 9, N_OPS = 6000, N_PLACES = 4096 };

struct state {
	uint64_t last[N_SENDERS];
	atomic_uint *place; /* how many threads are in it */
	struct actor *self;
	struct ready resume; /* of a message that is held */
};

struct mail {
	struct message message;
	unsigned sender;
	uint64_t number;
	struct actor *link; /* to be linked to, or NULL */
	bool unlinks, holds;
};

static struct loop *loops[N_LOOPS];
static struct pool *pool;
static struct pool_queue *queue;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct actor *table[N_ACTORS];
static atomic_uint n_wrong, n_made, n_released, n_handled, n_spawned, n_finis, n_links_told,
	places[N_PLACES];
static atomic_uint n_asked, n_answered, n_interrupts, n_held;

static void wrong_if(bool wrong)
{
	if (wrong)
		atomic_fetch_add(&n_wrong, 1);
}

static void on_end(struct actor *self, struct actor *other, enum actor_end end)
{
	(void)self;
	wrong_if(end == ACTOR_LIVES || actor_end(other) == ACTOR_LIVES);
	atomic_fetch_add(&n_links_told, 1);
}

static void on_interrupt(struct actor *self)
{
	wrong_if(!actor_held(self)); /* which is resumed soon */
	atomic_fetch_add(&n_interrupts, 1);
}

static void on_fini(struct actor *self, enum actor_end end)
{
	(void)self;
	wrong_if(end == ACTOR_LIVES);
	atomic_fetch_add(&n_finis, 1);
}

static const struct actor_kind kind = { .name = "stress",
					.state_size = sizeof(struct state),
					.on_end = on_end,
					.interrupt = on_interrupt,
					.fini = on_fini };

static void on_resume(struct ready *ready)
{
	struct state *state = container_of(ready, struct state, resume);

	atomic_fetch_sub(state->place, 1);
	actor_resume(state->self);
}

/* True: the message is in work until on_resume(). */
static bool hold(struct actor *self, struct state *state)
{
	if (loop_current() != actor_loop(self))
		return false; /* it computes */
	state->self = self;
	ready_init(&state->resume, on_resume);
	actor_hold(self);
	loop_ready_next(actor_loop(self), &state->resume);
	atomic_fetch_add(&n_held, 1);
	return true;
}

static void mail_handle(struct message *message, struct actor *self)
{
	struct mail *mail = container_of(message, struct mail, message);
	struct state *state = actor_state(self);

	wrong_if(atomic_fetch_add(state->place, 1) != 0);
	wrong_if(mail->number != 0 && mail->number <= state->last[mail->sender]);
	if (mail->number)
		state->last[mail->sender] = mail->number;
	if (mail->link && mail->unlinks)
		actor_unlink(self, mail->link);
	else if (mail->link)
		actor_link(self, mail->link);
	if (message->reply.future && mail->number % 7)
		promise_set(&message->reply, NULL, NULL);
	atomic_fetch_add(&n_handled, 1);
	if (mail->number % 911 == 910)
		actor_exit(self, ACTOR_END_FAILED);
	if (!mail->holds || !hold(self, state))
		atomic_fetch_sub(state->place, 1);
}

static void mail_release(struct message *message, int error)
{
	struct mail *mail = container_of(message, struct mail, message);

	wrong_if(error > 0);
	actor_unref(mail->link);
	free(mail);
	atomic_fetch_add(&n_released, 1);
}

static struct mail *mail_create(unsigned sender, uint64_t number)
{
	struct mail *mail = mem_zalloc(sizeof(*mail));

	message_init(&mail->message, mail_handle, mail_release, 64);
	mail->sender = sender;
	mail->number = number;
	atomic_fetch_add(&n_made, 1);
	return mail;
}

/* ------------------------------------------------------------ those who come and go */

static struct actor *spawn(void)
{
	static const enum mailbox_policy policies[] = { MAILBOX_REJECT, MAILBOX_WAIT,
							MAILBOX_DROP_OLDEST, MAILBOX_DROP_NEWEST };
	unsigned n = atomic_fetch_add(&n_spawned, 1);
	struct state state = { .place = &places[n] };
	struct actor *actor;

	check(n < N_PLACES);
	actor = actor_spawn(&kind, &state, loops[n % N_LOOPS], n % 3 == 2 ? queue : NULL);

	actor_set_limits(actor, &(struct mailbox_limits){ .n_max = 50,
							  .wait_max = 20,
							  .max_bytes = 64 * 40,
							  .full = policies[n % 4] });
	return actor;
}

static struct actor *pick(unsigned at)
{
	struct actor *actor;

	pthread_mutex_lock(&table_lock);
	actor = actor_ref(table[at]);
	pthread_mutex_unlock(&table_lock);
	return actor;
}

static void replace(unsigned at, bool at_once)
{
	struct actor *before, *after = spawn();

	pthread_mutex_lock(&table_lock);
	before = table[at];
	table[at] = after;
	pthread_mutex_unlock(&table_lock);
	if (at_once || !actor_terminate_idle(before))
		actor_terminate(before, at_once);
	actor_unref(before);
}

/* ------------------------------------------------------------ senders */

struct sender {
	pthread_t thread;
	unsigned index, seed;
};

static unsigned roll(struct sender *sender, unsigned n)
{
	sender->seed = sender->seed * 1664525 + 1013904223;
	return (sender->seed >> 8) % n;
}

static void send(struct actor *actor, struct mail *mail)
{
	int r = actor_dispatch(actor, &mail->message);

	if (r < 0)
		mail_release(&mail->message, r);
}

enum what { WHAT_ASK, WHAT_OFFER, WHAT_WAIT, WHAT_DEFER, N_WHATS };

/* The future is of a loop, which only that loop's thread may look at: so its watch is set there. */
struct asking {
	struct post post;
	struct future_watch watch;
	struct deferred deferred;
	struct actor *actor, *other;
	struct mail *mail; /* NULL of WHAT_WAIT */
	struct loop *loop;
	struct future *future;
	enum what what;
	bool discards;
};

static void asking_on_end(struct future_watch *watch, struct future *future)
{
	struct asking *asking = container_of(watch, struct asking, watch);

	wrong_if(future_state(future) == FUTURE_PENDING);
	future_unref(future);
	free(asking);
	atomic_fetch_add(&n_answered, 1);
}

static void deferred_handle(struct message *message, struct actor *self)
{
	struct deferred *deferred = container_of(message, struct deferred, message);
	struct state *state = actor_state(self);

	wrong_if(atomic_fetch_add(state->place, 1) != 0);
	wrong_if(deferred->state == FUTURE_PENDING);
	atomic_fetch_sub(state->place, 1);
}

static void deferred_release(struct message *message, int error)
{
	struct deferred *deferred = container_of(message, struct deferred, message);

	wrong_if(error > 0);
	free(container_of(deferred, struct asking, deferred));
	atomic_fetch_add(&n_answered, 1);
}

static struct future *asking_future(struct asking *asking)
{
	if (asking->what == WHAT_WAIT)
		return actor_wait(asking->actor, asking->loop);
	if (asking->what == WHAT_OFFER)
		return actor_offer(asking->actor, asking->loop, &asking->mail->message);
	return actor_ask(asking->actor, asking->loop, &asking->mail->message);
}

static void asking_begin(struct post *post)
{
	struct asking *asking = container_of(post, struct asking, post);
	struct future *future = asking_future(asking);
	struct actor *other = asking->other;

	actor_unref(asking->actor);
	if (asking->what == WHAT_DEFER) {
		bool discards = asking->discards;

		message_init(&asking->deferred.message, deferred_handle, deferred_release, 64);
		future_ref(future);
		actor_defer(other, future, &asking->deferred); /* which may go with it */
		if (discards)
			future_discard(future);
		future_unref(future);
	} else {
		asking->future = future;
		future_on_any(future, &asking->watch, asking_on_end);
		if (asking->discards)
			future_discard(future);
	}
	actor_unref(other);
}

static void ask(struct sender *sender, struct actor *actor)
{
	struct asking *asking = mem_zalloc(sizeof(*asking));

	asking->actor = actor_ref(actor);
	asking->what = (enum what)roll(sender, N_WHATS);
	if (asking->what != WHAT_WAIT)
		asking->mail = mail_create(sender->index, 0);
	if (asking->what == WHAT_DEFER)
		asking->other = pick(roll(sender, N_ACTORS));
	asking->loop = loops[roll(sender, N_LOOPS)];
	asking->discards = roll(sender, 4) == 0;
	asking->post.run = asking_begin;
	atomic_fetch_add(&n_asked, 1);
	loop_post(asking->loop, &asking->post);
}

static void delay(struct sender *sender, struct actor *actor)
{
	struct delayed *delayed =
		actor_delay(actor, &mail_create(sender->index, 0)->message, roll(sender, 3));

	if (roll(sender, 2))
		delayed_cancel(delayed);
	delayed_unref(delayed);
}

static void link_them(struct sender *sender, struct actor *actor)
{
	struct mail *mail = mail_create(sender->index, 0);

	mail->link = pick(roll(sender, N_ACTORS));
	mail->unlinks = roll(sender, 4) == 0;
	send(actor, mail);
}

static void tell(struct sender *sender, struct actor *actor)
{
	struct mail *mail = mail_create(sender->index, 0);
	int r = actor_tell(actor, &mail->message);

	if (r < 0)
		mail_release(&mail->message, r);
}

static void send_next(struct sender *sender, struct actor *actor, uint64_t number)
{
	struct mail *mail = mail_create(sender->index, number);

	mail->holds = roll(sender, 16) == 0;
	send(actor, mail);
}

static void *sender_run(void *arg)
{
	struct sender *sender = arg;

	for (uint64_t number = 1; number <= N_OPS; number++) {
		unsigned at = roll(sender, N_ACTORS);
		struct actor *actor = pick(at);

		switch (roll(sender, 12)) {
		case 0:
			ask(sender, actor);
			break;
		case 1:
			delay(sender, actor);
			break;
		case 2:
			link_them(sender, actor);
			break;
		case 3:
			if (roll(sender, 8) == 0)
				replace(at, roll(sender, 2));
			break;
		case 4:
			tell(sender, actor);
			break;
		default:
			send_next(sender, actor, number);
			break;
		}
		actor_unref(actor);
		if (number % 16 == 0)
			sched_yield();
	}
	return NULL;
}

/* ------------------------------------------------------------ */

static void *loop_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

static bool all_is_over(void)
{
	return atomic_load(&n_finis) == atomic_load(&n_spawned) &&
	       atomic_load(&n_released) == atomic_load(&n_made) &&
	       atomic_load(&n_answered) == atomic_load(&n_asked);
}

static void nothing_is_lost_reordered_or_left_pending(void)
{
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)clock_monotonic_ns();
	struct sender senders[N_SENDERS];
	pthread_t threads[N_LOOPS];

	printf("# SEED=%u\n", seed);
	for (unsigned i = 0; i < N_LOOPS; i++)
		check(loop_create(&loops[i]) == 0 &&
		      pthread_create(&threads[i], NULL, loop_thread, loops[i]) == 0);
	check(pool_create(&pool, "stress", 2) == 0);
	queue = pool_queue_open(pool, STR("actors"), &(struct pool_limits){ 0 });
	for (unsigned i = 0; i < N_ACTORS; i++)
		table[i] = spawn();
	for (unsigned i = 0; i < N_SENDERS; i++) {
		senders[i] = (struct sender){ .index = i, .seed = seed + i };
		check(pthread_create(&senders[i].thread, NULL, sender_run, &senders[i]) == 0);
	}
	for (unsigned i = 0; i < N_SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
	for (unsigned i = 0; i < N_ACTORS; i++) {
		actor_terminate(table[i], i % 2);
		actor_unref(table[i]);
	}
	while (!all_is_over())
		sched_yield();
	pool_queue_close(queue);
	pool_destroy(pool);
	for (unsigned i = 0; i < N_LOOPS; i++) {
		loop_stop(loops[i]);
		pthread_join(threads[i], NULL);
		loop_run_once(loops[i], false); /* what was posted last */
		loop_run_once(loops[i], false);
	}
	for (unsigned i = 0; i < N_LOOPS; i++)
		loop_destroy(loops[i]);
	is_int(n_wrong, 0);
	is_true(n_handled > 0);
	is_true(n_links_told > 0);
	is_true(n_held > 0);
	is_int(n_released, n_made);
}

int main(void)
{
	TEST(nothing_is_lost_reordered_or_left_pending);
	return tap_done();
}
