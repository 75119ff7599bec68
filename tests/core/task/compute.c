/* tests/core/task/compute.c */
#include "core/task/compute.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct loop *loop;
static struct scope scope;
static struct pool *pool;
static struct pool_queue *queue;
static unsigned n_ended;
static atomic_uint n_ran, n_released, n_entered;
static sem_t leave;

struct sum {
	unsigned n, result;
	bool waits; /* for the test to let it go */
	char *text; /* released with it */
};

static void sum_run(void *data)
{
	struct sum *sum = data;

	atomic_fetch_add(&n_entered, 1);
	while (sum->waits && sem_wait(&leave) < 0 && errno == EINTR)
		;
	for (unsigned i = 1; i <= sum->n; i++)
		sum->result += i;
	atomic_fetch_add(&n_ran, 1);
}

static void sum_release(void *data)
{
	free(((struct sum *)data)->text);
	atomic_fetch_add(&n_released, 1);
}

static void on_empty(struct scope *empty)
{
	(void)empty;
}

static void count_end(struct task *task)
{
	(void)task;
	n_ended++;
}

static void setup(unsigned n_threads, struct pool_limits limits)
{
	check(loop_create(&loop) == 0 && pool_create(&pool, "test", n_threads) == 0);
	scope_init(&scope, loop, on_empty);
	queue = pool_queue_open(pool, STR("sums"), &limits);
	sem_init(&leave, 0, 0);
	n_ended = n_ran = n_released = n_entered = 0;
}

/* The pool ends before the loop, which then gets what is under way. */
static void teardown(void)
{
	pool_queue_close(queue);
	pool_destroy(pool);
	loop_run_once(loop, false);
	scope_fini(&scope);
	loop_destroy(loop);
	sem_destroy(&leave);
}

static struct offload *sum_create(unsigned n, bool waits)
{
	struct offload *offload = offload_create(sizeof(struct sum), sum_run, sum_release);

	*(struct sum *)offload_data(offload) =
		(struct sum){ .n = n, .waits = waits, .text = malloc(10) };
	return offload;
}

static void start(struct compute_task *compute, unsigned n, bool waits, struct compute limits)
{
	compute_init(compute, queue, sum_create(n, waits), &limits, count_end);
	task_start(&compute->task, &scope);
}

static void wait_for(atomic_uint *counter, unsigned n)
{
	while (atomic_load(counter) < n)
		sched_yield();
}

static void wait_for_end(unsigned n)
{
	while (n_ended < n) {
		loop_run_once(loop, false);
		sched_yield();
	}
}

static void work_is_done_on_the_pool_and_its_output_comes_back(void)
{
	struct compute_task compute;
	struct sum *sum;

	setup(2, (struct pool_limits){ 0 });
	start(&compute, 100, false, (struct compute){ 0 });
	is_int(compute.task.state, TASK_STARTED);
	wait_for_end(1);
	is_int(compute.task.outcome, OUTCOME_OK);
	is_int(compute.reason, REASON_NONE);
	sum = offload_data(compute.offload);
	is_int(sum->result, 5050);
	is_int(n_released, 0);
	compute_fini(&compute);
	compute_fini(&compute);
	is_int(n_released, 1);
	teardown();
}

static void what_waits_is_taken_back_by_a_cancel(void)
{
	struct compute_task running, waiting;

	setup(1, (struct pool_limits){ 0 });
	start(&running, 1, true, (struct compute){ 0 });
	wait_for(&n_entered, 1);
	start(&waiting, 1, false, (struct compute){ 0 });
	is_int(pool_n_waiting(pool), 1);
	task_cancel(&waiting.task);
	is_int(pool_n_waiting(pool), 0);
	is_int(n_released, 1);
	loop_run_once(loop, false);
	is_int(waiting.task.outcome, OUTCOME_CANCELLED);
	is_int(waiting.reason, REASON_CANCELLED);
	is_null(waiting.offload);
	sem_post(&leave);
	wait_for_end(2);
	is_int(running.task.outcome, OUTCOME_OK);
	is_int(n_ran, 1);
	compute_fini(&running);
	compute_fini(&waiting);
	teardown();
	is_int(n_released, 2);
}

static void what_runs_is_disowned_by_a_cancel_and_dropped_by_the_worker(void)
{
	struct compute_task compute;

	setup(4, (struct pool_limits){ 0 });
	start(&compute, 1, true, (struct compute){ 0 });
	wait_for(&n_entered, 1);
	scope_cancel(&scope);
	loop_run_once(loop, false);
	is_int(n_ended, 1); /* at once */
	is_int(compute.task.outcome, OUTCOME_CANCELLED);
	is_null(compute.offload);
	is_int(n_released, 0);
	compute_fini(&compute);
	sem_post(&leave);
	wait_for(&n_released, 1);
	is_int(n_ran, 1);
	teardown();
	is_int(n_ended, 1);
}

static void what_is_done_when_it_is_cancelled_is_dropped_by_the_loop(void)
{
	struct compute_task compute;
	struct pool_stats stats;

	setup(2, (struct pool_limits){ 0 });
	start(&compute, 1, false, (struct compute){ 0 });
	wait_for(&n_ran, 1);
	do /* until the answer is under way */
		pool_queue_stats(queue, &stats);
	while (stats.n_done == 0);
	task_cancel(&compute.task);
	is_int(n_released, 0);
	loop_run_once(loop, false);
	is_int(compute.task.outcome, OUTCOME_CANCELLED);
	is_int(n_released, 1);
	is_int(n_ended, 1);
	teardown();
}

static void a_full_queue_fails_the_task(void)
{
	struct compute_task running, waiting, refused;

	setup(1, (struct pool_limits){ .waiting_max = 1 });
	start(&running, 1, true, (struct compute){ 0 });
	wait_for(&n_entered, 1);
	start(&waiting, 1, false, (struct compute){ 0 });
	start(&refused, 1, false, (struct compute){ 0 });
	wait_for_end(1);
	is_int(refused.task.outcome, OUTCOME_FAILED);
	is_int(refused.reason, REASON_FULL);
	is_null(refused.offload);
	is_int(n_released, 1);
	sem_post(&leave);
	wait_for_end(3);
	is_int(waiting.task.outcome, OUTCOME_OK);
	compute_fini(&running);
	compute_fini(&waiting);
	is_int(n_released, 3);
	teardown();
}

static void turn_after_ms(uint64_t ms)
{
	clock_advance(ms * NS_PER_MS);
	loop_run_once(loop, false);
	loop_run_once(loop, false);
}

static void what_runs_too_long_times_out_and_is_dropped_later(void)
{
	struct compute_task compute;

	clock_freeze(UINT64_C(1000) * NS_PER_S, 0);
	setup(4, (struct pool_limits){ 0 });
	start(&compute, 1, true, (struct compute){ .run_ms = 100 });
	wait_for(&n_entered, 1);
	turn_after_ms(99);
	is_int(n_ended, 0);
	turn_after_ms(2);
	is_int(n_ended, 1);
	is_int(compute.task.outcome, OUTCOME_TIMED_OUT);
	is_int(compute.reason, REASON_EXPIRED);
	is_int(n_released, 0);
	sem_post(&leave);
	wait_for(&n_released, 1);
	teardown();
	clock_thaw();
}

static void the_time_in_the_queue_does_not_count_as_running(void)
{
	struct compute_task first, second;

	clock_freeze(UINT64_C(1000) * NS_PER_S, 0);
	setup(1, (struct pool_limits){ 0 });
	start(&first, 1, true, (struct compute){ 0 });
	wait_for(&n_entered, 1);
	start(&second, 1, true, (struct compute){ .run_ms = 100 });
	turn_after_ms(1050);
	is_int(n_ended, 0);
	sem_post(&leave);
	wait_for_end(1);
	wait_for(&n_entered, 2); /* now it begins */
	turn_after_ms(99);
	is_int(n_ended, 1);
	turn_after_ms(2);
	is_int(n_ended, 2);
	is_int(second.task.outcome, OUTCOME_TIMED_OUT);
	sem_post(&leave);
	compute_fini(&first);
	teardown();
	is_int(n_released, 2);
	clock_thaw();
}

static void what_waits_too_long_is_taken_back(void)
{
	struct compute_task first, second;

	clock_freeze(UINT64_C(1000) * NS_PER_S, 0);
	setup(1, (struct pool_limits){ 0 });
	start(&first, 1, true, (struct compute){ .wait_ms = 50 });
	wait_for(&n_entered, 1);
	start(&second, 1, true, (struct compute){ .wait_ms = 50, .run_ms = 20 });
	turn_after_ms(49);
	is_int(n_ended, 0);
	turn_after_ms(2);
	is_int(n_ended, 1);
	is_int(second.reason, REASON_EXPIRED);
	is_int(pool_n_waiting(pool), 0);
	turn_after_ms(1000);
	is_int(n_ended, 1); /* the first did not wait */
	sem_post(&leave);
	wait_for_end(2);
	is_int(first.task.outcome, OUTCOME_OK);
	compute_fini(&first);
	teardown();
	clock_thaw();
}

static void new_work_is_refused_while_disowned_work_holds_half_of_the_pool(void)
{
	struct compute_task stuck[2], next;

	setup(4, (struct pool_limits){ 0 });
	for (unsigned i = 0; i < 2; i++) {
		start(&stuck[i], 1, true, (struct compute){ 0 });
		wait_for(&n_entered, i + 1);
		task_cancel(&stuck[i].task);
	}
	start(&next, 1, false, (struct compute){ 0 });
	wait_for_end(3);
	is_int(next.task.outcome, OUTCOME_FAILED);
	is_int(next.reason, REASON_UNAVAILABLE);
	sem_post(&leave);
	while (pool_is_stuck(pool))
		sched_yield();
	start(&next, 1, false, (struct compute){ 0 });
	wait_for_end(4);
	is_int(next.task.outcome, OUTCOME_OK);
	compute_fini(&next);
	sem_post(&leave);
	teardown();
	is_int(n_released, 4);
}

static void a_task_that_was_never_started_drops_its_offload(void)
{
	struct compute_task compute;

	setup(1, (struct pool_limits){ 0 });
	compute_init(&compute, queue, sum_create(1, false), &(struct compute){ 0 }, count_end);
	compute_fini(&compute);
	is_int(n_released, 1);
	scope_cancel(&scope);
	start(&compute, 1, false, (struct compute){ 0 });
	loop_run_once(loop, false);
	is_int(compute.task.outcome, OUTCOME_CANCELLED);
	compute_fini(&compute);
	is_int(n_released, 2);
	offload_drop(sum_create(1, false));
	offload_drop(NULL);
	is_int(n_released, 3);
	teardown();
	is_int(n_ran, 0);
}

/* ------------------------------------------------------------ at random */

enum { N_RANDOM = 5000 /* that ran */, N_AT_ONCE = 64 };

static unsigned seed;

static unsigned roll(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static struct compute_task randoms[N_AT_ONCE];
static unsigned n_begun, n_refused;

static void random_end(struct task *task)
{
	struct compute_task *compute = container_of(task, struct compute_task, task);

	n_ended++;
	n_refused += task->outcome == OUTCOME_FAILED;
	if (task->outcome == OUTCOME_OK) {
		struct sum *sum = offload_data(compute->offload);

		check(sum->result == (unsigned)((uint64_t)sum->n * (sum->n + 1) / 2));
	}
	compute_fini(compute);
}

static void random_start(struct compute_task *compute)
{
	n_begun++;
	compute_init(compute, queue, sum_create(roll(20000), false),
		     &(struct compute){ .wait_ms = roll(8) == 0, .run_ms = roll(8) == 0 },
		     random_end);
	task_start(&compute->task, &scope);
}

static void whatever_is_cancelled_each_ends_once_and_each_block_is_released_once(void)
{
	setup(3, (struct pool_limits){ .weight = 2, .waiting_max = 40 });
	seed = (unsigned)clock_monotonic_ns();
	printf("# seed %u\n", seed);
	n_begun = n_refused = 0;
	memset(randoms, 0, sizeof(randoms));
	while (n_ended < n_begun || n_ran < N_RANDOM) {
		for (unsigned i = 0; i < N_AT_ONCE && n_ran < N_RANDOM; i++)
			if (randoms[i].task.state == TASK_IDLE ||
			    randoms[i].task.state == TASK_ENDED)
				random_start(&randoms[i]);
		for (unsigned n = roll(8); n > 0; n--)
			task_cancel(&randoms[roll(N_AT_ONCE)].task);
		loop_run_once(loop, false);
		sched_yield();
	}
	is_int(n_ended, n_begun);
	is_true(n_refused > 0);
	teardown();
	is_int(n_released, n_begun);
}

int main(void)
{
	TEST(work_is_done_on_the_pool_and_its_output_comes_back);
	TEST(what_waits_is_taken_back_by_a_cancel);
	TEST(what_runs_is_disowned_by_a_cancel_and_dropped_by_the_worker);
	TEST(what_is_done_when_it_is_cancelled_is_dropped_by_the_loop);
	TEST(a_full_queue_fails_the_task);
	TEST(what_runs_too_long_times_out_and_is_dropped_later);
	TEST(the_time_in_the_queue_does_not_count_as_running);
	TEST(what_waits_too_long_is_taken_back);
	TEST(new_work_is_refused_while_disowned_work_holds_half_of_the_pool);
	TEST(a_task_that_was_never_started_drops_its_offload);
	TEST(whatever_is_cancelled_each_ends_once_and_each_block_is_released_once);
	return tap_done();
}
