/* core/thread/queue.h: the two-lock message queue that hands work from many threads to many.
 *
 * Messages are embedded nodes. Putting takes one lock and getting another; only a getter that
 * finds its side empty takes both, and then moves everything that was put to its side at once
 * (the idea of Workflow's msgqueue). FIFO. Any thread may call any function. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct queue;

struct queue_node {
	struct queue_node *next;
};

/* `max` bounds what is waiting; SIZE_MAX: no bound. */
struct queue *queue_create(size_t max);
void queue_destroy(struct queue *queue); /* it must be empty, and nobody waiting in it */

/* Waits while the queue is full, unless it is non-blocking: then the bound is not kept. */
void queue_put(struct queue *queue, struct queue_node *node);

/* False at once when the queue is full. */
bool queue_try_put(struct queue *queue, struct queue_node *node);

/* Waits while the queue is empty; NULL at once when it is empty and non-blocking. */
struct queue_node *queue_get(struct queue *queue);

/* Takes back a node that is still waiting. False when a getter has taken it. O(n). */
bool queue_take_back(struct queue *queue, struct queue_node *node);

size_t queue_len(struct queue *queue); /* of what is waiting; out of date when it returns */

/* In non-blocking mode nobody waits: those who do are woken. This is how a pool is stopped. */
void queue_set_blocking(struct queue *queue, bool blocking);
