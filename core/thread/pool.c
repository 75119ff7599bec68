/* core/thread/pool.c
 *
 * A queue that has work and may run one more stands in `turn`; the first of them is served. Work
 * is taken from it until it was served as often as its weight says, then it goes to the end.
 *
 * Locking: pool.lock guards all of the pool that changes but n_disowned, all of its queues, and
 * work.waiting. No work runs with it held, and whoever holds it takes no other lock. A sleeping
 * thread was woken for each work that can be taken: a submit wakes one, and a thread that is
 * done with its work looks for more before it sleeps. */
#include "core/thread/pool.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/thread/lock.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

struct pool_queue {
	struct pool *pool;
	struct list link;  /* in pool->queues */
	struct list turn;  /* in pool->turn, when a work can be taken */
	struct list works; /* of work.link */
	struct pool_limits limits;
	struct pool_stats stats;
	unsigned n_served; /* in this turn */
	unsigned n_open;
	size_t name_len;
	char name[];
};

struct pool {
	const char *name;
	struct lock lock;
	pthread_cond_t wake;
	struct list queues; /* of pool_queue.link */
	struct list turn;   /* of pool_queue.turn */
	struct pool_queue *main;
	size_t n_waiting, n_running;
	pthread_cond_t settled; /* nothing waits or runs */
	bool stopping;
	atomic_int n_disowned;
	unsigned n_threads; /* that were started; fixed after pool_create() */
	pthread_t threads[];
};

/* ------------------------------------------------------------ queues */

static struct pool_queue *pool_queue_find(struct pool *pool, struct str name) HOLDS(pool->lock)
{
	struct pool_queue *queue;

	list_each(queue, &pool->queues, struct pool_queue, link)
		if (str_eq(pool_queue_name(queue), name))
			return queue;
	return NULL;
}

static struct pool_queue *pool_queue_create(struct pool *pool, struct str name)
{
	struct pool_queue *queue = mem_zalloc(sizeof(*queue) + name.len);

	queue->pool = pool;
	list_init(&queue->turn);
	list_init(&queue->works);
	queue->name_len = name.len;
	if (name.len > 0)
		memcpy(queue->name, name.ptr, name.len);
	list_add(&pool->queues, &queue->link);
	return queue;
}

/* Puts it into the turn, or takes it out, as it can be served now or not. */
static void pool_queue_settle(struct pool_queue *queue) HOLDS(queue->pool->lock)
{
	const struct pool_limits *limits = &queue->limits;
	bool can = queue->stats.n_waiting > 0 &&
		   (limits->running_max == 0 || queue->stats.n_running < limits->running_max);

	if (can == list_is_linked(&queue->turn))
		return;
	queue->n_served = 0;
	if (can)
		list_add(&queue->pool->turn, &queue->turn);
	else
		list_remove(&queue->turn);
}

/* It goes when nobody has it open and nothing is left in it. */
static void pool_queue_drop_unused(struct pool_queue *queue) HOLDS(queue->pool->lock)
{
	if (queue->n_open > 0 || queue->stats.n_waiting > 0 || queue->stats.n_running > 0)
		return;
	list_remove(&queue->link);
	free(queue);
}

struct pool_queue *pool_queue_open(struct pool *pool, struct str name,
				   const struct pool_limits *limits)
{
	struct pool_queue *queue;

	lock_acquire(&pool->lock);
	queue = pool_queue_find(pool, name);
	if (!queue)
		queue = pool_queue_create(pool, name);
	queue->n_open++;
	queue->limits = *limits;
	if (queue == pool->main)
		queue->limits.waiting_max = 0; /* pool_submit() cannot fail */
	pool_queue_settle(queue);
	pthread_cond_broadcast(&pool->wake); /* more may run than before */
	lock_release(&pool->lock);
	return queue;
}

void pool_queue_close(struct pool_queue *queue)
{
	struct pool *pool = queue ? queue->pool : NULL;

	if (!pool)
		return;
	lock_acquire(&pool->lock);
	check(queue->n_open > 0);
	queue->n_open--;
	pool_queue_drop_unused(queue);
	lock_release(&pool->lock);
}

struct pool *pool_queue_pool(const struct pool_queue *queue)
{
	return queue->pool;
}

unsigned pool_queue_running_max(struct pool_queue *queue)
{
	unsigned running_max;

	lock_acquire(&queue->pool->lock);
	running_max = queue->limits.running_max;
	lock_release(&queue->pool->lock);
	return running_max;
}

struct str pool_queue_name(const struct pool_queue *queue)
{
	return (struct str){ queue->name, queue->name_len };
}

void pool_queue_stats(struct pool_queue *queue, struct pool_stats *ret_stats)
{
	lock_acquire(&queue->pool->lock);
	*ret_stats = queue->stats;
	lock_release(&queue->pool->lock);
}

/* ------------------------------------------------------------ work */

int pool_queue_submit(struct pool_queue *queue, struct work *work)
{
	struct pool *pool = queue->pool;
	size_t max;
	bool room;

	work->submitted_ns = clock_monotonic_ns();
	work->queue = queue;
	lock_acquire(&pool->lock);
	max = queue->limits.waiting_max;
	room = max == 0 || queue->stats.n_waiting < max;
	work->waiting = room;
	if (room) {
		list_add(&queue->works, &work->link);
		queue->stats.n_waiting++;
		pool->n_waiting++;
		pool_queue_settle(queue);
		pthread_cond_signal(&pool->wake);
	} else {
		queue->stats.n_refused++;
	}
	lock_release(&pool->lock);
	return room ? 0 : -EAGAIN;
}

void pool_submit(struct pool *pool, struct work *work)
{
	check(pool_queue_submit(pool->main, work) == 0);
}

static void pool_queue_remove(struct pool_queue *queue, struct work *work) HOLDS(queue->pool->lock)
{
	list_remove(&work->link);
	work->waiting = false;
	queue->stats.n_waiting--;
	queue->pool->n_waiting--;
}

static void pool_tell_settled(struct pool *pool) HOLDS(pool->lock)
{
	if (pool->n_running == 0 && pool->n_waiting == 0)
		pthread_cond_broadcast(&pool->settled);
}

bool pool_take_back(struct pool *pool, struct work *work)
{
	bool waiting;

	lock_acquire(&pool->lock);
	waiting = work->waiting;
	if (waiting) {
		struct pool_queue *queue = work->queue;

		pool_queue_remove(queue, work);
		pool_queue_settle(queue);
		pool_queue_drop_unused(queue);
		pool_tell_settled(pool);
	}
	lock_release(&pool->lock);
	return waiting;
}

/* Takes the next work, in turn, and counts it as running. Waits for one; NULL when the pool
 * ends. */
static struct work *pool_next(struct pool *pool) HOLDS(pool->lock)
{
	struct pool_queue *queue;
	struct work *work;

	while (list_is_empty(&pool->turn) && !pool->stopping)
		lock_wait(&pool->lock, &pool->wake);
	queue = list_first(&pool->turn, struct pool_queue, turn);
	if (!queue)
		return NULL;
	work = container_of(queue->works.next, struct work, link);
	pool_queue_remove(queue, work);
	queue->stats.n_running++;
	pool->n_running++;
	if (++queue->n_served >= MAX(queue->limits.weight, 1U))
		list_remove(&queue->turn); /* its turn is over: to the end, if it goes on */
	pool_queue_settle(queue);
	return work;
}

static void pool_count_begin(struct pool_queue *queue, uint64_t waited_ns) HOLDS(queue->pool->lock)
{
	queue->stats.waited_ns += waited_ns;
	queue->stats.waited_max_ns = MAX(queue->stats.waited_max_ns, waited_ns);
}

static void pool_count_end(struct pool_queue *queue, uint64_t ran_ns) HOLDS(queue->pool->lock)
{
	queue->pool->n_running--;
	pool_tell_settled(queue->pool);
	queue->stats.n_running--;
	queue->stats.n_done++;
	queue->stats.ran_ns += ran_ns;
	pool_queue_settle(queue);
	pool_queue_drop_unused(queue);
}

static void *pool_thread(void *arg)
{
	struct pool *pool = arg;
	struct work *work;

	pthread_setname_np(pthread_self(), pool->name);
	lock_acquire(&pool->lock);
	while ((work = pool_next(pool))) {
		struct pool_queue *queue = work->queue; /* it stays while one of its works runs */
		uint64_t start_ns = clock_monotonic_ns(), end_ns;

		pool_count_begin(queue, start_ns - MIN(start_ns, work->submitted_ns));
		lock_release(&pool->lock);
		work->run(work);
		end_ns = clock_monotonic_ns();
		lock_acquire(&pool->lock);
		pool_count_end(queue, end_ns - MIN(end_ns, start_ns));
	}
	lock_release(&pool->lock);
	return NULL;
}

/* ------------------------------------------------------------ the pool */

/* Signals are the main thread's. */
static int pool_start_thread(struct pool *pool)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&pool->threads[pool->n_threads], NULL, pool_thread, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		pool->n_threads++;
	return -r;
}

int pool_create(struct pool **ret_pool, const char *name, unsigned n_threads)
{
	struct pool *pool = mem_zalloc(sizeof(*pool) + n_threads * sizeof(pool->threads[0]));
	int r = 0;

	check(n_threads > 0);
	pool->name = name;
	lock_init(&pool->lock);
	check(pthread_cond_init(&pool->wake, NULL) == 0);
	check(pthread_cond_init(&pool->settled, NULL) == 0);
	list_init(&pool->queues);
	list_init(&pool->turn);
	pool->main = pool_queue_create(pool, STR_NONE);
	pool->main->n_open = 1;
	while (r == 0 && pool->n_threads < n_threads)
		r = pool_start_thread(pool);
	if (r < 0) {
		pool_destroy(pool);
		return r;
	}
	*ret_pool = pool;
	return 0;
}

void pool_settle(struct pool *pool)
{
	lock_acquire(&pool->lock);
	while (pool->n_running > 0 || pool->n_waiting > 0)
		lock_wait(&pool->lock, &pool->settled);
	lock_release(&pool->lock);
}

void pool_destroy(struct pool *pool)
{
	struct pool_queue *queue;

	if (!pool)
		return;
	lock_acquire(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->wake);
	lock_release(&pool->lock);
	for (unsigned i = 0; i < pool->n_threads; i++)
		check(pthread_join(pool->threads[i], NULL) == 0);
	check_that(pool->n_waiting == 0, "n_waiting=%zu", pool->n_waiting);
	list_each(queue, &pool->queues, struct pool_queue, link)
		free(queue);
	pthread_cond_destroy(&pool->wake);
	pthread_cond_destroy(&pool->settled);
	lock_fini(&pool->lock);
	free(pool);
}

size_t pool_n_waiting(struct pool *pool)
{
	size_t n;

	lock_acquire(&pool->lock);
	n = pool->n_waiting;
	lock_release(&pool->lock);
	return n;
}

unsigned pool_n_threads(const struct pool *pool)
{
	return pool->n_threads;
}

void pool_count_disowned(struct pool *pool, int change)
{
	check(atomic_fetch_add(&pool->n_disowned, change) + change >= 0);
}

bool pool_is_stuck(struct pool *pool)
{
	return (unsigned)atomic_load(&pool->n_disowned) * 2 >= pool->n_threads;
}
