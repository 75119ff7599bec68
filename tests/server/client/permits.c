/* tests/server/client/permits.c: loops of one thread, turned by hand; then threads that share. */
#include "server/client/permits.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "tests/lib/tap.h"
#include <stdlib.h>

static struct loop *here, *there;
static struct permits *permits;
static unsigned n_granted[8], n_wanted;

static void begin(unsigned max, unsigned waiters_max)
{
	is_int(loop_create(&here), 0);
	is_int(loop_create(&there), 0);
	permits = permits_create();
	permits_set(permits, max, waiters_max);
	memset(n_granted, 0, sizeof(n_granted));
	n_wanted = 0;
}

static void turn(void)
{
	loop_run_once(here, false);
	loop_run_once(there, false);
}

static void is_stats(unsigned n_taken, unsigned n_waiting)
{
	struct permits_stats stats;

	permits_stats(permits, &stats);
	is_int(stats.n_taken, n_taken);
	is_int(stats.n_waiting, n_waiting);
	is_int(permits_are_wanted(permits), n_waiting > 0);
}

static void end(void)
{
	turn();
	is_stats(0, 0);
	permits_unref(permits);
	loop_destroy(here);
	loop_destroy(there);
}

static void on_permit(struct permit_wait *wait, void *user)
{
	(void)wait;
	++*(unsigned *)user;
}

static struct permit_wait *wait_on(struct loop *loop, unsigned i)
{
	return permits_wait(permits, loop, on_permit, &n_granted[i]);
}

static void no_more_are_taken_than_there_are(void)
{
	begin(2, 10);
	is_true(permits_take(permits));
	is_true(permits_take(permits));
	is_false(permits_take(permits));
	is_stats(2, 0);
	permits_give(permits);
	is_true(permits_take(permits));
	permits_give(permits);
	permits_give(permits);
	end();
}

static void without_a_bound_there_is_always_one(void)
{
	begin(0, 0);
	for (unsigned i = 0; i < 1000; i++)
		is_true(permits_take(permits));
	for (unsigned i = 0; i < 1000; i++)
		permits_give(permits);
	end();
}

static void who_waits_longest_gets_the_next_on_whichever_loop(void)
{
	begin(1, 10);
	is_true(permits_take(permits));
	wait_on(there, 0);
	wait_on(here, 1);
	permits_give(permits);
	is_false(permits_take(permits)); /* it is on its way to the one that waits */
	is_stats(1, 1);
	turn();
	is_int(n_granted[0], 1);
	is_int(n_granted[1], 0);
	permits_give(permits);
	turn();
	is_int(n_granted[1], 1);
	permits_give(permits);
	end();
}

static void nobody_overtakes_those_who_wait(void)
{
	begin(1, 10);
	is_true(permits_take(permits));
	wait_on(here, 0);
	permits_set(permits, 1, 10);
	is_false(permits_take(permits));
	permits_give(permits);
	turn();
	is_int(n_granted[0], 1);
	permits_give(permits);
	end();
}

static void so_many_may_wait_and_no_more(void)
{
	struct permits_stats stats;
	struct permit_wait *wait;

	begin(1, 2);
	is_true(permits_take(permits));
	wait = wait_on(here, 0);
	wait_on(here, 1);
	is_null(wait_on(here, 2));
	permits_stats(permits, &stats);
	is_int(stats.n_refused, 1);
	permit_wait_cancel(wait);
	wait_on(here, 2);
	permits_give(permits);
	turn();
	permits_give(permits);
	turn();
	is_int(n_granted[0], 0);
	is_int(n_granted[1] + n_granted[2], 2);
	permits_give(permits);
	end();
}

static void a_permit_that_comes_too_late_goes_to_the_next(void)
{
	struct permit_wait *wait;

	begin(1, 10);
	is_true(permits_take(permits));
	wait = wait_on(there, 0);
	permits_give(permits);
	permit_wait_cancel(wait); /* the post is under way */
	wait_on(here, 1);
	turn();
	turn();
	is_int(n_granted[0], 0);
	is_int(n_granted[1], 1);
	permits_give(permits);
	end();
}

static void a_larger_bound_lets_in_who_waits(void)
{
	begin(1, 10);
	is_true(permits_take(permits));
	for (unsigned i = 0; i < 4; i++)
		wait_on(i % 2 ? here : there, i);
	permits_set(permits, 4, 10);
	turn();
	is_int(n_granted[0] + n_granted[1] + n_granted[2], 3);
	is_int(n_granted[3], 0);
	permits_set(permits, 0, 0);
	turn();
	is_int(n_granted[3], 1);
	for (unsigned i = 0; i < 5; i++)
		permits_give(permits);
	end();
}

static void a_connection_is_passed_on_the_loop_unless_others_have_waited_longer(void)
{
	clock_freeze(NS_PER_S, 0);
	begin(1, 10);
	is_true(permits_take(permits));
	wait_on(there, 0);
	wait_on(here, 1);
	wait_on(here, 2);
	is_ptr(permits_pass(permits, here, clock_monotonic_ns()), &n_granted[1]);
	is_stats(1, 2); /* the permit is where it was: with the connection */
	clock_advance(PERMITS_TURN_MS * NS_PER_MS);
	is_null(permits_pass(permits, here, clock_monotonic_ns()));
	permits_give(permits);
	turn();
	is_int(n_granted[0], 1);
	is_ptr(permits_pass(permits, here, clock_monotonic_ns()), &n_granted[2]);
	is_null(permits_pass(permits, here, clock_monotonic_ns()));
	permits_give(permits);
	end();
	clock_thaw();
}

static void on_wanted(void *user)
{
	(void)user;
	n_wanted++;
	permits_give(permits); /* the idle one is closed */
}

static void a_loop_with_an_idle_connection_is_asked_for_it(void)
{
	struct permit_holder *holder, *own;

	begin(1, 10);
	holder = permit_holder_create(permits, there, on_wanted, NULL);
	own = permit_holder_create(permits, here, on_wanted, NULL);
	is_true(permits_take(permits));
	is_false(permit_holder_set(holder, 1));
	wait_on(here, 0);
	turn();
	turn();
	is_int(n_wanted, 1);
	is_int(n_granted[0], 1);
	is_false(permit_holder_set(holder, 0));
	wait_on(here, 1);
	turn();
	is_int(n_wanted, 1);                   /* there was nothing idle */
	is_true(permit_holder_set(holder, 1)); /* who keeps one now is told */
	permits_give(permits);
	turn();
	is_int(n_granted[1], 1);
	wait_on(here, 2);
	permit_holder_destroy(holder); /* with the question under way */
	turn();
	is_int(n_wanted, 1);
	permits_give(permits);
	turn();
	permits_give(permits);
	permit_holder_destroy(own);
	permit_holder_destroy(NULL);
	end();
}

/* ------------------------------------------------------------ threads */

enum { THREADS = 3, ROUNDS = 3000 };

struct user {
	struct loop *loop;
	pthread_t thread;
	struct timer timer;
	struct permit_wait *wait;
	unsigned n_rounds, n_got, n_cancelled;
};

static atomic_int n_in_use, most_in_use;

static void user_go(struct user *user);

static void user_got(struct user *user)
{
	int n = atomic_fetch_add(&n_in_use, 1) + 1;

	if (n > atomic_load(&most_in_use))
		atomic_store(&most_in_use, n);
	user->n_got++;
	atomic_fetch_sub(&n_in_use, 1);
	permits_give(permits);
}

static void user_on_permit(struct permit_wait *wait, void *arg)
{
	struct user *user = arg;

	is_ptr(user->wait, wait);
	user->wait = NULL;
	user_got(user);
	timer_start(&user->timer, 0);
}

static void user_on_timer(struct timer *timer)
{
	struct user *user = container_of(timer, struct user, timer);

	if (user->wait) {
		user->n_cancelled++;
		permit_wait_cancel(take(&user->wait));
	}
	user_go(user);
}

static void user_go(struct user *user)
{
	while (user->n_rounds++ < ROUNDS) {
		if (permits_take(permits)) {
			user_got(user);
			continue;
		}
		user->wait = permits_wait(permits, user->loop, user_on_permit, user);
		if (user->wait) {
			timer_start(&user->timer, user->n_rounds % 3 ? 5 : 0);
			return;
		}
	}
	loop_stop(user->loop);
}

static void *user_run(void *arg)
{
	struct user *user = arg;

	timer_start(&user->timer, 0);
	loop_run(user->loop);
	timer_stop(&user->timer);
	return NULL;
}

static void threads_never_have_more_than_there_are(void)
{
	struct user users[THREADS] = { 0 };
	struct permits_stats stats;
	unsigned n_got = 0;

	permits = permits_create();
	permits_set(permits, 1, 2);
	for (unsigned i = 0; i < THREADS; i++) {
		is_int(loop_create(&users[i].loop), 0);
		timer_init(&users[i].timer, users[i].loop, user_on_timer);
		pthread_create(&users[i].thread, NULL, user_run, &users[i]);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(users[i].thread, NULL);
	for (unsigned turns = 0; turns < 2 * THREADS; turns++) /* one that is dropped may grant */
		loop_run_once(users[turns % THREADS].loop, false);
	for (unsigned i = 0; i < THREADS; i++)
		n_got += users[i].n_got;
	is_int(atomic_load(&most_in_use), 1);
	is_true(n_got > 0);
	permits_stats(permits, &stats);
	is_int(stats.n_taken, 0);
	is_int(stats.n_waiting, 0);
	for (unsigned i = 0; i < THREADS; i++)
		loop_destroy(users[i].loop);
	permits_unref(permits);
}

int main(void)
{
	TEST(no_more_are_taken_than_there_are);
	TEST(without_a_bound_there_is_always_one);
	TEST(who_waits_longest_gets_the_next_on_whichever_loop);
	TEST(nobody_overtakes_those_who_wait);
	TEST(so_many_may_wait_and_no_more);
	TEST(a_permit_that_comes_too_late_goes_to_the_next);
	TEST(a_larger_bound_lets_in_who_waits);
	TEST(a_connection_is_passed_on_the_loop_unless_others_have_waited_longer);
	TEST(a_loop_with_an_idle_connection_is_asked_for_it);
	TEST(threads_never_have_more_than_there_are);
	return tap_done();
}
