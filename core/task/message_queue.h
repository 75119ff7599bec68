/* core/task/message_queue.h: bounded queues of messages between tasks.
 *
 * A message goes to the one who has waited longest for one, else it lies in the queue, in order,
 * else what happens is the queue's policy. Its bounds (number, bytes, policy) come with every
 * enqueue and are the same for all; the latest counts. A message whose dequeue was cancelled
 * while it was on its way goes back to its place.
 *
 * No bound lets a message larger than max_bytes in: REASON_TOO_LARGE. */
#pragma once
#include "core/task/home.h"

enum queue_policy {
	QUEUE_REJECT,      /* a full queue fails the enqueue with REASON_FULL */
	QUEUE_WAIT,        /* the enqueue waits for room, in order, within its own bounds */
	QUEUE_DROP_OLDEST, /* the oldest messages make room */
};

struct enqueue {
	struct blob *message; /* may be NULL: empty; the call takes a reference of its own */
	size_t n_max;         /* messages that lie in the queue; 0: one must be handed over */
	size_t max_bytes;     /* of them together; 0: no bound */
	enum queue_policy full;
	uint32_t
		n_wait_max; /* QUEUE_WAIT: how many may wait at once; 0: no bound. More fail with REASON_FULL */
	uint64_t
		wait_ms; /* QUEUE_WAIT: then REASON_EXPIRED; 0: at once or not at all; WAIT_FOREVER */
};

struct dequeue {
	uint32_t
		n_wait_max; /* how many may wait at once; 0: no bound. More fail with REASON_FULL */
	uint64_t wait_ms;   /* then REASON_EXPIRED; 0: at once or not at all; WAIT_FOREVER */
};

void enqueue_init(struct wait_task *wait, struct homes *homes, struct str name,
		  const struct enqueue *enqueue, task_fn *on_end);
uint64_t enqueue_n_dropped(
	const struct wait_task *wait);     /* messages that made room for it; after OUTCOME_OK */
void enqueue_fini(struct wait_task *wait); /* once, after its end */

void dequeue_init(struct wait_task *wait, struct homes *homes, struct str name,
		  const struct dequeue *dequeue, task_fn *on_end);
struct blob *dequeue_message(
	const struct wait_task *wait); /* the task's reference; after OUTCOME_OK */
void dequeue_fini(
	struct wait_task *wait); /* drops the message: once, after its end, however it ended */

/* ------------------------------------------------------------ without a name, on one loop */

struct message_queue {
	struct list messages; /* of struct parcel.link, in order */
	struct list putting;  /* of struct ask.link: those who wait for room */
	struct list taking;   /* of struct ask.link: those who wait for a message */
	size_t n_messages, n_bytes, n_putting, n_taking;
	size_t n_max, max_bytes;
	uint64_t next_seq;
	uint64_t n_dropped; /* in all its life */
};

void message_queue_init(struct message_queue *queue);
void message_queue_fini(struct message_queue *queue); /* drops the messages; nobody may wait */

void message_queue_enqueue_init(struct wait_task *wait, struct message_queue *queue,
				const struct enqueue *enqueue, task_fn *on_end);
void message_queue_dequeue_init(struct wait_task *wait, struct message_queue *queue,
				const struct dequeue *dequeue, task_fn *on_end);
