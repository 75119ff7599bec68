/* tests/bench/shared.c: nanoseconds and bytes of named things and of work on the pool. Each
 * figure is the best of several rounds: the machine's noise only ever adds. */
#include "core/base/clock.h"
#include "core/task/alarm.h"
#include "core/task/compute.h"
#include "core/task/condition.h"
#include "core/task/counter.h"
#include "core/task/hold.h"
#include "core/task/home_private.h"
#include "core/task/message_queue.h"
#include "core/task/resource.h"
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5, N_OPS = 50000, N_TRIPS = 20000, N_NAMES = 10000 };

static struct loop *loops[2]; /* the second one runs in a thread of its own */
static struct homes *homes;
static struct scope scope;
static struct str near, far; /* a name on this loop, and one on the other */
static struct str name;
static size_t n_left;
static struct blob *value;
static struct wait_task wait, other;

typedef void round_fn(void);

static double best_of(round_fn *round, size_t n_items)
{
	double best = 1e18;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t start_ns = clock_monotonic_ns();

		round();
		best = MIN(best, (double)(clock_monotonic_ns() - start_ns) / (double)n_items);
	}
	return best;
}

static void print_ns(const char *what, double ns)
{
	printf("%-52s %8.1f ns\n", what, ns);
}

static void print_bytes(const char *what, size_t size)
{
	printf("%-52s %8zu bytes\n", what, size);
}

static void on_empty(struct scope *empty)
{
	(void)empty;
}

static void ignore_end(struct task *task)
{
	(void)task;
}

static void run_until_done(void)
{
	loop_run(loops[0]);
}

/* True while there is more to do; after the last one the loop stops. */
static bool more(void)
{
	if (--n_left == 0)
		loop_stop(loops[0]);
	return n_left > 0;
}

/* ------------------------------------------------------------ one after the other */

static void lock_next(struct task *task);

static void lock_start(void)
{
	guard_init(&wait, homes, name, &(struct acquire){ .wait_ms = 1000 }, lock_next);
	task_start(&wait.task, &scope);
}

static void lock_next(struct task *task)
{
	check(task->outcome == OUTCOME_OK);
	permit_release(&wait);
	if (more())
		lock_start();
}

static void round_lock_near(void)
{
	name = near;
	n_left = N_OPS;
	lock_start();
	run_until_done();
}

static void round_lock_far(void)
{
	name = far;
	n_left = N_TRIPS;
	lock_start();
	run_until_done();
}

static void take_next(struct task *task);

static void put_start(void)
{
	struct enqueue enqueue = { .message = value, .n_max = 1 };

	enqueue_init(&other, homes, near, &enqueue, ignore_end);
	task_start(&other.task, &scope);
	dequeue_init(&wait, homes, near, &(struct dequeue){ 0 }, take_next);
	task_start(&wait.task, &scope);
}

static void take_next(struct task *task)
{
	check(task->outcome == OUTCOME_OK);
	wait_fini(&wait);
	if (more())
		put_start();
}

static void round_queue(void)
{
	n_left = N_OPS;
	put_start();
	run_until_done();
}

static void await_next(struct task *task);

static void await_start(void)
{
	await_init(&wait, homes, near, &(struct await){ .wait_ms = 1000 }, await_next);
	task_start(&wait.task, &scope);
	signal_send(homes, near, &(struct signal){ value, 1, 0 });
}

static void await_next(struct task *task)
{
	check(task->outcome == OUTCOME_OK);
	wait_fini(&wait);
	if (more())
		await_start();
}

static void on_begin(struct ready *ready)
{
	(void)ready;
	await_start(); /* on the loop, so that a signal is a plain call */
}

static void round_await(void)
{
	struct ready begin;

	n_left = N_OPS;
	ready_init(&begin, on_begin);
	loop_ready(loops[0], &begin);
	run_until_done();
}

/* ------------------------------------------------------------ work */

static struct pool *pool;
static struct pool_queue *queue;
static struct compute_task compute;

static void no_work(void *data)
{
	(void)data;
}

static void compute_next(struct task *task);

static void compute_begin(void)
{
	compute_init(&compute, queue, offload_create(64, no_work, NULL), &(struct compute){ 0 },
		     compute_next);
	task_start(&compute.task, &scope);
}

static void compute_next(struct task *task)
{
	check(task->outcome == OUTCOME_OK);
	compute_fini(&compute);
	if (more())
		compute_begin();
}

static void round_compute(void)
{
	n_left = N_TRIPS;
	compute_begin();
	run_until_done();
}

static struct compute_task many[N_TRIPS];

static void many_on_end(struct task *task)
{
	compute_fini(container_of(task, struct compute_task, task));
	more();
}

static void round_compute_many(void)
{
	n_left = N_TRIPS;
	for (size_t i = 0; i < N_TRIPS; i++) {
		compute_init(&many[i], queue, offload_create(64, no_work, NULL),
			     &(struct compute){ 0 }, many_on_end);
		task_start(&many[i].task, &scope);
	}
	run_until_done();
}

/* ------------------------------------------------------------ bytes */

static size_t bytes_of_a_lock(void)
{
	static struct wait_task locks[N_NAMES];
	char text[32];
	size_t before = mallinfo2().uordblks, after;

	for (unsigned i = 0; i < N_NAMES; i++) {
		int len = snprintf(text, sizeof(text), "lock-%u", i);
		struct str of = { text, (size_t)len };

		if (home_loop(home_of(homes, of)) != loops[0])
			continue;
		guard_init(&locks[i], homes, of, &(struct acquire){ 0 }, ignore_end);
		task_start(&locks[i].task, &scope);
		n_left++;
	}
	loop_run_once(loops[0], false);
	loop_run_once(loops[0], false);
	after = mallinfo2().uordblks;
	for (unsigned i = 0; i < N_NAMES; i++)
		if (locks[i].holds)
			permit_release(&locks[i]);
	return (after - before) / n_left;
}

/* ------------------------------------------------------------ */

static void *run_loop(void *loop)
{
	loop_run(loop);
	return NULL;
}

static void find_names(void)
{
	static char texts[2][16];

	for (unsigned i = 0; near.len == 0 || far.len == 0; i++) {
		char text[16];
		unsigned at;

		snprintf(text, sizeof(text), "name-%u", i);
		at = home_loop(home_of(homes, str_of(text))) != loops[0];
		memcpy(texts[at], text, sizeof(text));
		if (at)
			far = str_of(texts[1]);
		else
			near = str_of(texts[0]);
	}
}

int main(void)
{
	pthread_t thread;

	check(loop_create(&loops[0]) == 0 && loop_create(&loops[1]) == 0);
	check(pool_create(&pool, "bench", 1) == 0);
	queue = pool_queue_open(pool, STR("bench"), &(struct pool_limits){ 0 });
	homes = homes_create(loops, 2);
	scope_init(&scope, loops[0], on_empty);
	value = blob_create(STR("a value"));
	find_names();
	check(pthread_create(&thread, NULL, run_loop, loops[1]) == 0);
	print_ns("lock: take and release, same loop", best_of(round_lock_near, N_OPS));
	print_ns("queue: enqueue and dequeue, same loop", best_of(round_queue, N_OPS));
	print_ns("condition: await and signal, same loop", best_of(round_await, N_OPS));
	print_ns("lock: take and release, other loop (round trip)",
		 best_of(round_lock_far, N_TRIPS));
	print_ns("compute: start to completion, one at a time", best_of(round_compute, N_TRIPS));
	print_ns("compute: start to completion, many at once",
		 best_of(round_compute_many, N_TRIPS));
	print_bytes("struct wait_task", sizeof(struct wait_task));
	print_bytes("struct alarm_task", sizeof(struct alarm_task));
	print_bytes("struct hold_task", sizeof(struct hold_task));
	print_bytes("struct compute_task", sizeof(struct compute_task));
	print_bytes("struct counter_task", sizeof(struct counter_task));
	print_bytes("struct work", sizeof(struct work));
	print_bytes("a name that is locked, at its home", bytes_of_a_lock());
	loop_stop(loops[1]);
	pthread_join(thread, NULL);
	homes_settle(homes);
	homes_destroy(homes);
	pool_queue_close(queue);
	pool_destroy(pool);
	blob_unref(value);
	scope_fini(&scope);
	loop_destroy(loops[0]);
	loop_destroy(loops[1]);
	return 0;
}
