/* tests/core/thread/pool.c */
#include "core/thread/pool.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_uint n_ran;

static void count(struct work *work)
{
	(void)work;
	atomic_fetch_add(&n_ran, 1);
}

static void destroy_runs_what_is_queued(void)
{
	struct work work[100];
	struct pool *pool;

	n_ran = 0;
	is_int(pool_create(&pool, "test", 4), 0);
	is_int(pool_n_threads(pool), 4);
	for (size_t i = 0; i < ARRAY_LEN(work); i++) {
		work[i].run = count;
		pool_submit(pool, &work[i]);
	}
	pool_destroy(pool);
	is_int(n_ran, ARRAY_LEN(work));
	pool_destroy(NULL);
}

struct again {
	struct work work;
	struct pool *pool;
	unsigned n_left;
};

static void run_again(struct work *work)
{
	struct again *again = container_of(work, struct again, work);

	count(work);
	if (again->n_left-- > 0)
		pool_submit(again->pool, work);
}

static void work_may_submit_itself_again_also_while_the_pool_ends(void)
{
	struct again again = { .work.run = run_again, .n_left = 1000 };

	n_ran = 0;
	is_int(pool_create(&again.pool, "test", 2), 0);
	pool_submit(again.pool, &again.work);
	pool_destroy(again.pool);
	is_int(n_ran, 1001);
}

static void run_and_free(struct work *work)
{
	count(work);
	free(work);
}

static void work_may_free_itself(void)
{
	struct pool *pool;

	n_ran = 0;
	is_int(pool_create(&pool, "test", 2), 0);
	for (unsigned i = 0; i < 1000; i++) {
		struct work *work = malloc(sizeof(*work));

		check(work);
		work->run = run_and_free;
		pool_submit(pool, work);
	}
	pool_destroy(pool);
	is_int(n_ran, 1000);
}

struct gate {
	struct work work;
	sem_t entered, leave;
};

static void run_gate(struct work *work)
{
	struct gate *gate = container_of(work, struct gate, work);

	sem_post(&gate->entered);
	while (sem_wait(&gate->leave) < 0 && errno == EINTR)
		;
}

static void what_waits_can_be_taken_back_and_what_runs_cannot(void)
{
	struct work waiting[3] = { { .run = count }, { .run = count }, { .run = count } };
	struct gate gate = { .work.run = run_gate };
	struct pool *pool;

	n_ran = 0;
	sem_init(&gate.entered, 0, 0);
	sem_init(&gate.leave, 0, 0);
	is_int(pool_create(&pool, "test", 1), 0);
	pool_submit(pool, &gate.work);
	sem_wait(&gate.entered);
	for (unsigned i = 0; i < 3; i++)
		pool_submit(pool, &waiting[i]);
	is_int(pool_n_waiting(pool), 3);
	is_false(pool_take_back(pool, &gate.work));
	is_true(pool_take_back(pool, &waiting[1]));
	is_false(pool_take_back(pool, &waiting[1]));
	is_int(pool_n_waiting(pool), 2);
	sem_post(&gate.leave);
	pool_destroy(pool);
	is_int(n_ran, 2);
	sem_destroy(&gate.entered);
	sem_destroy(&gate.leave);
}

static atomic_bool all_blocked;

static void look_at_mask(struct work *work)
{
	sigset_t mask;

	(void)work;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	all_blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGHUP);
}

static void signals_are_blocked_in_the_threads_of_a_pool(void)
{
	struct work work = { .run = look_at_mask };
	struct pool *pool;
	sigset_t mask;

	is_int(pool_create(&pool, "test", 1), 0);
	pool_submit(pool, &work);
	pool_destroy(pool);
	is_true(all_blocked);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	is_false(sigismember(&mask, SIGTERM));
}

enum { N_SUBMITTERS = 4, N_WORKS = 5000 };

static struct pool *shared;
static struct work works[N_SUBMITTERS][N_WORKS];

static void *submit_many(void *arg)
{
	struct work *mine = arg;
	uintptr_t n_taken_back = 0;

	for (unsigned i = 0; i < N_WORKS; i++) {
		mine[i].run = count;
		pool_submit(shared, &mine[i]);
		if (i % 32 == 0)
			n_taken_back += pool_take_back(shared, &mine[i]);
	}
	return (void *)n_taken_back;
}

static void each_work_runs_once_or_is_taken_back(void)
{
	pthread_t threads[N_SUBMITTERS];
	unsigned n_taken_back = 0;

	n_ran = 0;
	is_int(pool_create(&shared, "test", 3), 0);
	for (unsigned i = 0; i < N_SUBMITTERS; i++)
		check(pthread_create(&threads[i], NULL, submit_many, works[i]) == 0);
	for (unsigned i = 0; i < N_SUBMITTERS; i++) {
		void *n;

		pthread_join(threads[i], &n);
		n_taken_back += (unsigned)(uintptr_t)n;
	}
	pool_destroy(shared);
	is_int(n_ran + n_taken_back, N_SUBMITTERS * N_WORKS);
}

int main(void)
{
	TEST(destroy_runs_what_is_queued);
	TEST(work_may_submit_itself_again_also_while_the_pool_ends);
	TEST(work_may_free_itself);
	TEST(what_waits_can_be_taken_back_and_what_runs_cannot);
	TEST(signals_are_blocked_in_the_threads_of_a_pool);
	TEST(each_work_runs_once_or_is_taken_back);
	return tap_done();
}
