/* tests/server/policy/limiter.c: places, their queue, and all loops at once. */
#include "server/policy/limiter.h"
#include "tests/lib/tap.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct limiter *limiter;
static struct limiter_place places[16];
static struct limiter_place *granted[16];
static size_t n_granted;

static void note_grant(struct limiter_place *place)
{
	granted[n_granted++] = place;
}

static void fresh(uint32_t n_places, uint32_t n_waiting)
{
	limiter = limiter_create(n_places, n_waiting);
	n_granted = 0;
}

static enum limiter_answer take_of(const char *key, size_t i)
{
	return limiter_take(limiter, str_of(key), &places[i], note_grant);
}

static void done(void)
{
	struct limiter_stats stats;

	limiter_stats(limiter, &stats);
	is_int(stats.n_keys, 0);
	is_int(stats.n_held, 0);
	is_int(stats.n_waiting, 0);
	limiter_unref(limiter);
}

static void so_many_hold_then_so_many_wait_then_it_is_full(void)
{
	fresh(2, 2);
	is_int(take_of("", 0), LIMITER_TAKEN);
	is_int(take_of("", 1), LIMITER_TAKEN);
	is_int(take_of("", 2), LIMITER_QUEUED);
	is_int(take_of("", 3), LIMITER_QUEUED);
	is_int(take_of("", 4), LIMITER_FULL);
	is_int(n_granted, 0);
	limiter_release(&places[1]);
	is_int(n_granted, 1);
	is_ptr(granted[0], &places[2]);
	is_int(take_of("", 5), LIMITER_QUEUED); /* behind those who wait already */
	limiter_accept(&places[2]);
	limiter_release(&places[2]);
	is_ptr(granted[1], &places[3]);
	limiter_accept(&places[3]);
	limiter_release(&places[0]);
	is_ptr(granted[2], &places[5]);
	limiter_accept(&places[5]);
	limiter_release(&places[3]);
	limiter_release(&places[5]);
	done();
}

static void who_withdraws_gives_its_place_in_the_queue_up(void)
{
	fresh(1, 2);
	take_of("", 0);
	take_of("", 1);
	take_of("", 2);
	is_true(limiter_withdraw(&places[1]));
	is_int(take_of("", 3), LIMITER_QUEUED);
	limiter_release(&places[0]);
	is_ptr(granted[0], &places[2]);
	is_false(limiter_withdraw(&places[2])); /* too late: it has to be given back */
	limiter_accept(&places[2]);
	limiter_release(&places[2]);
	is_ptr(granted[1], &places[3]);
	limiter_accept(&places[3]);
	limiter_release(&places[3]);
	done();
}

static void each_key_has_places_of_its_own(void)
{
	struct limiter_stats stats;

	fresh(1, 0);
	is_int(take_of("a", 0), LIMITER_TAKEN);
	is_int(take_of("b", 1), LIMITER_TAKEN);
	is_int(take_of("ab", 2), LIMITER_TAKEN);
	is_int(take_of("a", 3), LIMITER_FULL);
	limiter_stats(limiter, &stats);
	is_int(stats.n_keys, 3);
	for (size_t i = 0; i < 3; i++)
		limiter_release(&places[i]);
	is_int(take_of("a", 0), LIMITER_TAKEN);
	limiter_release(&places[0]);
	done();
}

/* ------------------------------------------------------------------ threads */

enum { THREADS = 4, ROUNDS = 3000, PLACES = 2 };

struct taker {
	struct limiter_place place;
	atomic_bool granted;
	unsigned seed;
};

static atomic_int n_inside, n_most;

static void on_grant(struct limiter_place *place)
{
	atomic_store(&container_of(place, struct taker, place)->granted, true);
}

static void stay_inside(struct taker *taker)
{
	int n = atomic_fetch_add(&n_inside, 1) + 1, most = atomic_load(&n_most);

	while (n > most && !atomic_compare_exchange_weak(&n_most, &most, n))
		;
	if (rand_r(&taker->seed) % 4 == 0)
		sched_yield();
	atomic_fetch_sub(&n_inside, 1);
	limiter_release(&taker->place);
}

static void await_grant(struct taker *taker)
{
	while (!atomic_load(&taker->granted))
		sched_yield();
	limiter_accept(&taker->place);
	stay_inside(taker);
}

static void *take_and_leave(void *arg)
{
	struct taker *taker = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		atomic_store(&taker->granted, false);
		switch (limiter_take(limiter, STR("k"), &taker->place, on_grant)) {
		case LIMITER_TAKEN:
			stay_inside(taker);
			break;
		case LIMITER_QUEUED:
			if (rand_r(&taker->seed) % 3 || !limiter_withdraw(&taker->place))
				await_grant(taker);
			break;
		case LIMITER_FULL:
		case LIMITER_NO_MEMORY:
			break;
		}
	}
	return NULL;
}

static void no_more_than_so_many_are_inside_and_everybody_who_waits_gets_in(void)
{
	static struct taker takers[THREADS];
	pthread_t threads[THREADS];

	limiter = limiter_create(PLACES, THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		takers[i].seed = i;
		is_int(pthread_create(&threads[i], NULL, take_and_leave, &takers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	is_true(n_most <= PLACES);
	done();
}

int main(void)
{
	TEST(so_many_hold_then_so_many_wait_then_it_is_full);
	TEST(who_withdraws_gives_its_place_in_the_queue_up);
	TEST(each_key_has_places_of_its_own);
	TEST(no_more_than_so_many_are_inside_and_everybody_who_waits_gets_in);
	return tap_done();
}
