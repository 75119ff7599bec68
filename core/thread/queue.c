/* core/thread/queue.c
 *
 * Locking: put_lock guards the put side, `blocking` and `getter_waits`; get_lock guards the get
 * side. A getter that has get_lock may take put_lock, never the other way round. n_waiting grows
 * with put_lock held and shrinks without a lock; those who wait for room hear of it with
 * put_lock held, so that no wake-up is lost.
 *
 * A getter that waits for work does so with get_lock held, so that there is only one and the
 * others stand behind it; the get side is then empty. */
#include "core/thread/queue.h"
#include "core/base/check.h"
#include "core/base/memory.h"
#include "core/thread/lock.h"
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

struct side {
	struct queue_node *first;
	struct queue_node **end;
};

struct queue {
	size_t max;
	struct lock get_lock;
	struct side get; /* guarded by get_lock */
	atomic_size_t n_waiting;
	struct lock put_lock;
	struct side put;   /* guarded by put_lock */
	bool blocking;     /* guarded by put_lock */
	bool getter_waits; /* guarded by put_lock */
	pthread_cond_t not_empty, not_full;
};

static void side_init(struct side *side)
{
	side->first = NULL;
	side->end = &side->first;
}

static void side_add(struct side *side, struct queue_node *node)
{
	node->next = NULL;
	*side->end = node;
	side->end = &node->next;
}

static bool side_remove(struct side *side, struct queue_node *node)
{
	for (struct queue_node **at = &side->first; *at; at = &(*at)->next) {
		if (*at != node)
			continue;
		*at = node->next;
		if (side->end == &node->next)
			side->end = at;
		return true;
	}
	return false;
}

struct queue *queue_create(size_t max)
{
	struct queue *queue = mem_zalloc(sizeof(*queue));

	queue->max = max;
	queue->blocking = true;
	lock_init(&queue->get_lock);
	lock_init(&queue->put_lock);
	side_init(&queue->get);
	side_init(&queue->put);
	check(pthread_cond_init(&queue->not_empty, NULL) == 0);
	check(pthread_cond_init(&queue->not_full, NULL) == 0);
	return queue;
}

void queue_destroy(struct queue *queue)
{
	if (!queue)
		return;
	check(!queue->get.first && !queue->put.first);
	lock_fini(&queue->get_lock);
	lock_fini(&queue->put_lock);
	pthread_cond_destroy(&queue->not_empty);
	pthread_cond_destroy(&queue->not_full);
	free(queue);
}

static void queue_add(struct queue *queue, struct queue_node *node) HOLDS(queue->put_lock)
{
	side_add(&queue->put, node);
	atomic_fetch_add(&queue->n_waiting, 1);
	pthread_cond_signal(&queue->not_empty);
}

void queue_put(struct queue *queue, struct queue_node *node)
{
	lock_acquire(&queue->put_lock);
	while (atomic_load(&queue->n_waiting) >= queue->max && queue->blocking)
		lock_wait(&queue->put_lock, &queue->not_full);
	queue_add(queue, node);
	lock_release(&queue->put_lock);
}

bool queue_try_put(struct queue *queue, struct queue_node *node)
{
	bool room;

	lock_acquire(&queue->put_lock);
	room = atomic_load(&queue->n_waiting) < queue->max;
	if (room)
		queue_add(queue, node);
	lock_release(&queue->put_lock);
	return room;
}

/* Moves all that was put to the (empty) get side; waits for something when that is the mode. */
static void queue_swap(struct queue *queue) HOLDS(queue->get_lock)
{
	lock_acquire(&queue->put_lock);
	queue->getter_waits = true;
	while (!queue->put.first && queue->blocking)
		lock_wait(&queue->put_lock, &queue->not_empty);
	queue->getter_waits = false;
	if (queue->put.first) {
		queue->get.first = queue->put.first;
		queue->get.end = queue->put.end;
		side_init(&queue->put);
	}
	lock_release(&queue->put_lock);
}

/* Tells putters that there is room. Only a bounded queue has any that wait. */
static void queue_taken(struct queue *queue)
{
	atomic_fetch_sub(&queue->n_waiting, 1);
	if (queue->max == SIZE_MAX)
		return;
	lock_acquire(&queue->put_lock);
	pthread_cond_signal(&queue->not_full);
	lock_release(&queue->put_lock);
}

struct queue_node *queue_get(struct queue *queue)
{
	struct queue_node *node;

	lock_acquire(&queue->get_lock);
	if (!queue->get.first)
		queue_swap(queue);
	node = queue->get.first;
	if (node)
		side_remove(&queue->get, node);
	lock_release(&queue->get_lock);
	if (node)
		queue_taken(queue);
	return node;
}

/* Looks where it can without standing behind a getter that waits for work. */
static bool queue_search(struct queue *queue, struct queue_node *node, bool *ret_found) UNCHECKED
{
	bool getter_waits;

	lock_acquire(&queue->put_lock);
	*ret_found = side_remove(&queue->put, node);
	getter_waits = queue->getter_waits;
	lock_release(&queue->put_lock);
	if (*ret_found || getter_waits)
		return true;
	if (pthread_mutex_trylock(&queue->get_lock.mutex) != 0)
		return false; /* somebody takes the first of many: that is soon over */
	*ret_found = side_remove(&queue->get, node);
	lock_release(&queue->get_lock);
	return true;
}

bool queue_take_back(struct queue *queue, struct queue_node *node)
{
	bool found = false;

	while (!queue_search(queue, node, &found))
		sched_yield();
	if (found)
		queue_taken(queue);
	return found;
}

size_t queue_len(struct queue *queue)
{
	return atomic_load(&queue->n_waiting);
}

void queue_set_blocking(struct queue *queue, bool blocking)
{
	lock_acquire(&queue->put_lock);
	queue->blocking = blocking;
	pthread_cond_broadcast(&queue->not_empty);
	pthread_cond_broadcast(&queue->not_full);
	lock_release(&queue->put_lock);
}
