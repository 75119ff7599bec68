/* tests/core/thread/pool.c */
#include "core/thread/pool.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
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

static void a_pool_has_settled_when_nothing_waits_or_runs(void)
{
	struct again again[20];
	struct pool *pool;

	n_ran = 0;
	is_int(pool_create(&pool, "test", 3), 0);
	pool_settle(pool);
	for (unsigned i = 0; i < ARRAY_LEN(again); i++) {
		again[i] = (struct again){ .work.run = run_again, .pool = pool, .n_left = 499 };
		pool_submit(pool, &again[i].work);
	}
	pool_settle(pool);
	is_int(n_ran, ARRAY_LEN(again) * 500);
	pool_destroy(pool);
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

/* ------------------------------------------------------------ named queues */

/* One thread, which a gate stops while the test fills the queues: what runs then is in order. */
struct script {
	struct pool *pool;
	struct gate gate;
	char ran[64]; /* a letter for each work */
	atomic_uint n_ran;
};

struct letter {
	struct work work;
	char name;
};

static struct script script;
static struct letter letters[64];
static unsigned n_letters;

static void run_letter(struct work *work)
{
	script.ran[script.n_ran++] = container_of(work, struct letter, work)->name;
}

static void script_begin(void)
{
	memset(&script, 0, sizeof(script));
	n_letters = 0;
	sem_init(&script.gate.entered, 0, 0);
	sem_init(&script.gate.leave, 0, 0);
	script.gate.work.run = run_gate;
	check(pool_create(&script.pool, "test", 1) == 0);
	pool_submit(script.pool, &script.gate.work);
	sem_wait(&script.gate.entered);
}

static void script_end(void)
{
	sem_post(&script.gate.leave);
	pool_destroy(script.pool);
	sem_destroy(&script.gate.entered);
	sem_destroy(&script.gate.leave);
}

static int script_submit(struct pool_queue *queue, char name)
{
	struct letter *letter = &letters[n_letters++];

	letter->work.run = run_letter;
	letter->name = name;
	return pool_queue_submit(queue, &letter->work);
}

static struct pool_queue *queue_open(const char *name, struct pool_limits limits)
{
	return pool_queue_open(script.pool, str_of(name), &limits);
}

static void queues_are_served_in_turn(void)
{
	struct pool_queue *a, *b, *c;

	script_begin();
	a = queue_open("a", (struct pool_limits){ 0 });
	b = queue_open("b", (struct pool_limits){ 0 });
	c = queue_open("c", (struct pool_limits){ 0 });
	for (unsigned i = 0; i < 6; i++)
		script_submit(a, 'a');
	for (unsigned i = 0; i < 2; i++)
		script_submit(b, 'b');
	script_submit(c, 'c');
	is_int(pool_n_waiting(script.pool), 9);
	script_end();
	is_text(script.ran, "abcabaaaa");
}

static void a_queue_with_weight_is_served_several_times_in_its_turn(void)
{
	struct pool_queue *a, *b;

	script_begin();
	a = queue_open("a", (struct pool_limits){ .weight = 3 });
	b = queue_open("b", (struct pool_limits){ .weight = 1 });
	for (unsigned i = 0; i < 7; i++)
		script_submit(a, 'a');
	for (unsigned i = 0; i < 3; i++)
		script_submit(b, 'b');
	script_end();
	is_text(script.ran, "aaabaaabab");
}

static void a_full_queue_refuses(void)
{
	struct pool_queue *a, *b;
	struct pool_stats stats;

	script_begin();
	a = queue_open("a", (struct pool_limits){ .waiting_max = 2 });
	b = queue_open("b", (struct pool_limits){ 0 });
	is_int(script_submit(a, 'a'), 0);
	is_int(script_submit(a, 'a'), 0);
	is_int(script_submit(a, 'x'), -EAGAIN);
	is_false(pool_take_back(script.pool, &letters[2].work));
	is_int(script_submit(b, 'b'), 0); /* the others have room */
	is_true(pool_take_back(script.pool, &letters[0].work));
	is_int(script_submit(a, 'A'), 0);
	pool_queue_stats(a, &stats);
	is_int(stats.n_waiting, 2);
	is_int(stats.n_refused, 1);
	script_end();
	is_text(script.ran, "abA");
}

static void a_queue_is_there_until_the_last_one_has_closed_it(void)
{
	struct pool_queue *first, *again;

	script_begin();
	first = queue_open("a", (struct pool_limits){ .waiting_max = 1 });
	again = queue_open("a", (struct pool_limits){ .waiting_max = 2 });
	is_ptr(first, again);
	is_ptr(pool_queue_pool(first), script.pool);
	is_str(pool_queue_name(first), STR("a"));
	is_int(script_submit(first, 'a'), 0);
	is_int(script_submit(first, 'b'), 0); /* the limits are the latest */
	pool_queue_close(first);
	is_int(script_submit(again, 'c'), -EAGAIN);
	pool_queue_close(again);
	pool_queue_close(NULL);
	again = queue_open("a", (struct pool_limits){ 0 });
	is_ptr(again, first); /* something waits in it still */
	pool_queue_close(again);
	script_end();
	is_text(script.ran, "ab");
}

static void the_default_queue_has_an_empty_name_and_no_limit_of_waiting(void)
{
	struct pool_queue *queue;

	script_begin();
	queue = queue_open("", (struct pool_limits){ .waiting_max = 1 });
	letters[0] = (struct letter){ .work.run = run_letter, .name = 'x' };
	n_letters = 1;
	pool_submit(script.pool, &letters[0].work);
	is_int(script_submit(queue, 'y'), 0);
	pool_queue_close(queue);
	script_end();
	is_text(script.ran, "xy");
}

static atomic_int n_running, most_running;
static sem_t all_may_end;

static void run_together(struct work *work)
{
	int n = atomic_fetch_add(&n_running, 1) + 1, most = most_running;

	(void)work;
	while (n > most && !atomic_compare_exchange_weak(&most_running, &most, n))
		;
	while (sem_wait(&all_may_end) < 0 && errno == EINTR)
		;
	atomic_fetch_sub(&n_running, 1);
	count(work);
}

static void no_more_of_a_queue_run_at_once_than_may(void)
{
	static struct work many[40], other;
	struct pool_stats stats;
	struct pool_queue *queue;
	struct pool *pool;

	n_ran = 0;
	n_running = most_running = 0;
	sem_init(&all_may_end, 0, 0);
	check(pool_create(&pool, "test", 4) == 0);
	queue = pool_queue_open(pool, STR("a"), &(struct pool_limits){ .running_max = 2 });
	for (unsigned i = 0; i < ARRAY_LEN(many); i++) {
		many[i].run = run_together;
		check(pool_queue_submit(queue, &many[i]) == 0);
	}
	other.run = count;
	pool_submit(pool, &other);
	while (n_ran == 0) /* the others are not kept from running */
		sched_yield();
	while (n_running < 2)
		sched_yield();
	pool_queue_stats(queue, &stats);
	is_int(stats.n_running, 2);
	is_int(stats.n_waiting, ARRAY_LEN(many) - 2);
	for (unsigned i = 0; i < ARRAY_LEN(many); i++)
		sem_post(&all_may_end);
	pool_destroy(pool);
	is_int(most_running, 2);
	is_int(n_ran, ARRAY_LEN(many) + 1);
	sem_destroy(&all_may_end);
}

static void advance_the_clock(struct work *work)
{
	clock_advance(7);
	count(work);
}

static void a_queue_counts_how_long_its_works_waited_and_ran(void)
{
	struct work works_of_a[2];
	struct pool_stats stats;
	struct pool_queue *a;

	script_begin();
	clock_freeze(1000, 0);
	a = queue_open("a", (struct pool_limits){ 0 });
	n_ran = 0;
	for (unsigned i = 0; i < 2; i++) {
		works_of_a[i].run = advance_the_clock;
		check(pool_queue_submit(a, &works_of_a[i]) == 0);
	}
	clock_advance(100);
	sem_post(&script.gate.leave);
	do {
		sched_yield();
		pool_queue_stats(a, &stats);
	} while (stats.n_done < 2);
	is_int(stats.waited_ns, 100 + 107);
	is_int(stats.waited_max_ns, 107);
	is_int(stats.ran_ns, 14);
	is_int(stats.n_waiting + stats.n_running, 0);
	clock_thaw();
	pool_queue_close(a);
	script_end();
}

static void a_pool_is_stuck_when_half_of_it_is_disowned(void)
{
	struct pool *pool;

	check(pool_create(&pool, "test", 4) == 0);
	is_false(pool_is_stuck(pool));
	pool_count_disowned(pool, 1);
	is_false(pool_is_stuck(pool));
	pool_count_disowned(pool, 1);
	is_true(pool_is_stuck(pool));
	pool_count_disowned(pool, -1);
	is_false(pool_is_stuck(pool));
	pool_destroy(pool);
}

static struct pool_queue *shared_queues[4];

static void *submit_to_queues(void *arg)
{
	struct work *mine = arg;
	uintptr_t n_not_run = 0;

	for (unsigned i = 0; i < N_WORKS; i++) {
		struct pool_queue *queue = shared_queues[i % 4];

		mine[i].run = count;
		if (pool_queue_submit(queue, &mine[i]) < 0)
			n_not_run++;
		else if (i % 32 == 0)
			n_not_run += pool_take_back(shared, &mine[i]);
	}
	return (void *)n_not_run;
}

static void each_work_of_many_queues_runs_once_or_is_refused_or_taken_back(void)
{
	pthread_t threads[N_SUBMITTERS];
	char name[] = "q0";
	unsigned n_not_run = 0;

	n_ran = 0;
	check(pool_create(&shared, "test", 3) == 0);
	for (unsigned i = 0; i < 4; i++, name[1]++)
		shared_queues[i] = pool_queue_open(
			shared, str_of(name), &(struct pool_limits){ i, i % 3, i == 2 ? 50 : 0 });
	for (unsigned i = 0; i < N_SUBMITTERS; i++)
		check(pthread_create(&threads[i], NULL, submit_to_queues, works[i]) == 0);
	for (unsigned i = 0; i < N_SUBMITTERS; i++) {
		void *n;

		pthread_join(threads[i], &n);
		n_not_run += (unsigned)(uintptr_t)n;
	}
	for (unsigned i = 0; i < 4; i++)
		pool_queue_close(shared_queues[i]);
	pool_destroy(shared);
	is_int(n_ran + n_not_run, N_SUBMITTERS * N_WORKS);
}

int main(void)
{
	TEST(destroy_runs_what_is_queued);
	TEST(work_may_submit_itself_again_also_while_the_pool_ends);
	TEST(a_pool_has_settled_when_nothing_waits_or_runs);
	TEST(work_may_free_itself);
	TEST(what_waits_can_be_taken_back_and_what_runs_cannot);
	TEST(signals_are_blocked_in_the_threads_of_a_pool);
	TEST(each_work_runs_once_or_is_taken_back);
	TEST(queues_are_served_in_turn);
	TEST(a_queue_with_weight_is_served_several_times_in_its_turn);
	TEST(a_full_queue_refuses);
	TEST(a_queue_is_there_until_the_last_one_has_closed_it);
	TEST(the_default_queue_has_an_empty_name_and_no_limit_of_waiting);
	TEST(no_more_of_a_queue_run_at_once_than_may);
	TEST(a_queue_counts_how_long_its_works_waited_and_ran);
	TEST(a_pool_is_stuck_when_half_of_it_is_disowned);
	TEST(each_work_of_many_queues_runs_once_or_is_refused_or_taken_back);
	return tap_done();
}
