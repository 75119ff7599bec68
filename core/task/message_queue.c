/* core/task/message_queue.c
 *
 * Between two asks: nobody waits for a message while there is one, or one who waits to put one;
 * nobody waits for room that would have it. What is given back may exceed the bounds: it was in
 * the queue before. */
#include "core/task/message_queue.h"
#include "core/base/clock.h"
#include "core/task/ask.h"

enum { QUEUE_PUT, QUEUE_TAKE };

static size_t message_size(const struct parcel *parcel)
{
	check(parcel); /* an ask that puts has brought one */
	return blob_str(parcel->blob).len;
}

/* Takes the message out of the ask that brought it. */
static struct parcel *ask_take_parcel(struct ask *ask)
{
	ask->n_parcels--;
	return container_of(list_pop(&ask->parcels), struct parcel, link);
}

/* ------------------------------------------------------------ messages */

static bool message_queue_has_room(const struct message_queue *queue, size_t size)
{
	return queue->n_messages < queue->n_max &&
	       (queue->max_bytes == 0 ||
		(queue->n_bytes <= queue->max_bytes && size <= queue->max_bytes - queue->n_bytes));
}

/* In the order of `seq`; a new one is the last. */
static void message_queue_add(struct message_queue *queue, struct parcel *parcel)
{
	struct list *before = queue->messages.prev;

	while (before != &queue->messages &&
	       container_of(before, struct parcel, link)->seq > parcel->seq)
		before = before->prev;
	list_insert(before, &parcel->link);
	queue->n_messages++;
	queue->n_bytes += message_size(parcel);
}

static struct parcel *message_queue_pop(struct message_queue *queue)
{
	struct parcel *parcel = container_of(list_pop(&queue->messages), struct parcel, link);

	queue->n_messages--;
	queue->n_bytes -= message_size(parcel);
	return parcel;
}

static void message_queue_hand_over(struct message_queue *queue, struct parcel *parcel)
{
	struct ask *taker = list_first(&queue->taking, struct ask, link);

	ask_stop_waiting(taker, &queue->n_taking);
	ask_add_parcel(taker, parcel);
	ask_answer(taker, REASON_NONE);
}

/* Those who wait for room, as far as there is some. */
static void message_queue_let_in(struct message_queue *queue)
{
	struct ask *putter;

	while ((putter = list_first(&queue->putting, struct ask, link)) &&
	       message_queue_has_room(
		       queue, message_size(list_first(&putter->parcels, struct parcel, link)))) {
		ask_stop_waiting(putter, &queue->n_putting);
		message_queue_add(queue, ask_take_parcel(putter));
		putter->n = 0;
		ask_answer(putter, REASON_NONE);
	}
}

/* ------------------------------------------------------------ putting */

static uint64_t message_queue_drop_for(struct message_queue *queue, size_t size)
{
	uint64_t n_dropped = 0;

	while (queue->n_messages > 0 && !message_queue_has_room(queue, size)) {
		parcel_destroy(message_queue_pop(queue));
		n_dropped++;
	}
	queue->n_dropped += n_dropped;
	return n_dropped;
}

static void message_queue_put(struct message_queue *queue, struct ask *ask)
{
	struct parcel *parcel = list_first(&ask->parcels, struct parcel, link);
	size_t size = message_size(parcel);
	uint64_t n_dropped = 0;

	queue->n_max = ask->n;
	queue->max_bytes = ask->max_bytes;
	message_queue_let_in(queue); /* there may be more room than before */
	if (queue->max_bytes > 0 && size > queue->max_bytes) {
		ask_answer(ask, REASON_TOO_LARGE);
		return;
	}
	parcel->seq = queue->next_seq++;
	if (ask->policy == QUEUE_DROP_OLDEST && queue->n_taking == 0 && queue->n_max > 0)
		n_dropped = message_queue_drop_for(queue, size);
	if (queue->n_taking > 0) {
		message_queue_hand_over(queue, ask_take_parcel(ask));
	} else if ((queue->n_putting == 0 || ask->policy == QUEUE_DROP_OLDEST) &&
		   message_queue_has_room(queue, size)) {
		message_queue_add(queue, ask_take_parcel(ask));
	} else if (ask->policy == QUEUE_WAIT) {
		ask_wait(ask, &queue->putting, &queue->n_putting);
		return;
	} else {
		ask_answer(ask, REASON_FULL);
		return;
	}
	ask->n = n_dropped;
	ask_answer(ask, REASON_NONE);
}

/* ------------------------------------------------------------ taking */

static void message_queue_take(struct message_queue *queue, struct ask *ask)
{
	struct ask *putter = list_first(&queue->putting, struct ask, link);

	if (queue->n_messages > 0) {
		ask_add_parcel(ask, message_queue_pop(queue));
		message_queue_let_in(queue);
		ask_answer(ask, REASON_NONE);
	} else if (putter) { /* a queue that holds none: from hand to hand */
		ask_stop_waiting(putter, &queue->n_putting);
		ask_add_parcel(ask, ask_take_parcel(putter));
		putter->n = 0;
		ask_answer(putter, REASON_NONE);
		ask_answer(ask, REASON_NONE);
	} else {
		ask_wait(ask, &queue->taking, &queue->n_taking);
	}
}

/* ------------------------------------------------------------ the kind */

/* The clock as the first number: what comes back late, to a queue that was freed and made anew,
 * is older than all in it. */
void message_queue_init(struct message_queue *queue)
{
	*queue = (struct message_queue){ .next_seq = clock_monotonic_ns() };
	list_init(&queue->messages);
	list_init(&queue->putting);
	list_init(&queue->taking);
}

void message_queue_fini(struct message_queue *queue)
{
	check(queue->n_putting == 0 && queue->n_taking == 0);
	parcels_drop(&queue->messages);
}

static void message_queue_on_init(void *thing, const struct owner *owner)
{
	(void)owner;
	message_queue_init(thing);
}

static void message_queue_on_fini(void *thing)
{
	message_queue_fini(thing);
}

static void message_queue_on_ask(void *thing, struct ask *ask)
{
	if (ask->op == QUEUE_PUT)
		message_queue_put(thing, ask);
	else
		message_queue_take(thing, ask);
}

static void message_queue_on_withdraw(void *thing, struct ask *ask)
{
	struct message_queue *queue = thing;

	if (ask->op == QUEUE_TAKE) {
		ask_stop_waiting(ask, &queue->n_taking);
		return;
	}
	ask_stop_waiting(ask, &queue->n_putting);
	message_queue_let_in(queue); /* a smaller one may stand behind it */
}

static void message_queue_on_give_back(void *thing, struct ask *ask)
{
	struct message_queue *queue = thing;

	if (ask->op != QUEUE_TAKE)
		return; /* the message is in the queue, or was taken */
	if (queue->n_taking > 0)
		message_queue_hand_over(queue, ask_take_parcel(ask));
	else
		message_queue_add(queue, ask_take_parcel(ask));
}

static bool message_queue_is_idle(const void *thing)
{
	const struct message_queue *queue = thing;

	return queue->n_messages == 0 && queue->n_putting == 0 && queue->n_taking == 0;
}

static void message_queue_tell(const void *thing, struct home_figures *figures)
{
	const struct message_queue *queue = thing;

	figures->n_left = queue->n_messages;
	figures->n_bytes = queue->n_bytes;
	figures->n_waiting = queue->n_taking;
	figures->n_waiting_room = queue->n_putting;
}

static const struct thing_ops message_queue_ops = {
	.name = "queue",
	.kind = HOME_QUEUE,
	.size = sizeof(struct message_queue),
	.init = message_queue_on_init,
	.fini = message_queue_on_fini,
	.ask = message_queue_on_ask,
	.withdraw = message_queue_on_withdraw,
	.give_back = message_queue_on_give_back,
	.is_idle = message_queue_is_idle,
	.tell = message_queue_tell,
	.figured = HOME_FIGURES_QUEUE,
};

/* ------------------------------------------------------------ tasks */

static const struct task_ops enqueue_ops = { "enqueue", wait_start, wait_cancel };
static const struct task_ops dequeue_ops = { "dequeue", wait_start, wait_cancel };

static void enqueue_init_any(struct wait_task *wait, const struct enqueue *enqueue, task_fn *on_end)
{
	wait_init(wait, &enqueue_ops, &message_queue_ops, on_end);
	wait_set_limit(wait, enqueue->n_wait_max, enqueue->wait_ms);
	wait->ask.op = QUEUE_PUT;
	wait->ask.n = enqueue->n_max;
	wait->ask.max_bytes = enqueue->max_bytes;
	wait->ask.policy = (uint8_t)enqueue->full;
	if (enqueue->full != QUEUE_WAIT) /* its answer comes at once */
		wait->wait_ms = WAIT_FOREVER;
	ask_add_parcel(&wait->ask, parcel_create(blob_ref(enqueue->message)));
}

static void dequeue_init_any(struct wait_task *wait, const struct dequeue *dequeue, task_fn *on_end)
{
	wait_init(wait, &dequeue_ops, &message_queue_ops, on_end);
	wait_set_limit(wait, dequeue->n_wait_max, dequeue->wait_ms);
	wait->ask.op = QUEUE_TAKE;
}

void enqueue_init(struct wait_task *wait, struct homes *homes, struct str name,
		  const struct enqueue *enqueue, task_fn *on_end)
{
	enqueue_init_any(wait, enqueue, on_end);
	wait_set_name(wait, homes, name);
}

void message_queue_enqueue_init(struct wait_task *wait, struct message_queue *queue,
				const struct enqueue *enqueue, task_fn *on_end)
{
	enqueue_init_any(wait, enqueue, on_end);
	wait_set_unnamed(wait, queue);
}

uint64_t enqueue_n_dropped(const struct wait_task *wait)
{
	return wait->ask.n;
}

void enqueue_fini(struct wait_task *wait)
{
	wait_fini(wait);
}

void dequeue_init(struct wait_task *wait, struct homes *homes, struct str name,
		  const struct dequeue *dequeue, task_fn *on_end)
{
	dequeue_init_any(wait, dequeue, on_end);
	wait_set_name(wait, homes, name);
}

void message_queue_dequeue_init(struct wait_task *wait, struct message_queue *queue,
				const struct dequeue *dequeue, task_fn *on_end)
{
	dequeue_init_any(wait, dequeue, on_end);
	wait_set_unnamed(wait, queue);
}

struct blob *dequeue_message(const struct wait_task *wait)
{
	const struct parcel *parcel = list_first(&wait->ask.parcels, struct parcel, link);

	return parcel ? parcel->blob : NULL;
}

void dequeue_fini(struct wait_task *wait)
{
	wait_fini(wait);
}
