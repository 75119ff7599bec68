/* core/thread/pool.c
 *
 * No lock of its own: the queue is the only thing that its threads share. */
#include "core/thread/pool.h"
#include "core/base/check.h"
#include "core/base/memory.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct pool {
	const char *name;
	struct queue *queue;
	unsigned n_threads; /* that were started; fixed after pool_create() */
	pthread_t threads[];
};

static void *pool_thread(void *arg)
{
	struct pool *pool = arg;
	struct queue_node *node;

	pthread_setname_np(pthread_self(), pool->name);
	while ((node = queue_get(pool->queue))) {
		struct work *work = container_of(node, struct work, node);

		work->run(work);
	}
	return NULL;
}

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
	pool->queue = queue_create(SIZE_MAX);
	while (r == 0 && pool->n_threads < n_threads)
		r = pool_start_thread(pool);
	if (r < 0) {
		pool_destroy(pool);
		return r;
	}
	*ret_pool = pool;
	return 0;
}

void pool_destroy(struct pool *pool)
{
	if (!pool)
		return;
	queue_set_blocking(pool->queue, false);
	for (unsigned i = 0; i < pool->n_threads; i++)
		check(pthread_join(pool->threads[i], NULL) == 0);
	queue_destroy(pool->queue);
	free(pool);
}

void pool_submit(struct pool *pool, struct work *work)
{
	queue_put(pool->queue, &work->node);
}

bool pool_take_back(struct pool *pool, struct work *work)
{
	return queue_take_back(pool->queue, &work->node);
}

size_t pool_n_waiting(struct pool *pool)
{
	return queue_len(pool->queue);
}

unsigned pool_n_threads(const struct pool *pool)
{
	return pool->n_threads;
}
