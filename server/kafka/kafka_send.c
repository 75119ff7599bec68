/* server/kafka/kafka_send.c */
#include "server/kafka/kafka_send.h"
#include "server/kafka/kafka_producer.h"
#include <stdlib.h>

enum { SEND_SENDING, SEND_DONE, SEND_LEFT };

static void send_on_post(struct post *post)
{
	struct kafka_send *send = container_of(post, struct kafka_send, post);

	if (send->on_done)
		send->on_done(send);
	kafka_send_free(send);
}

struct kafka_send *kafka_send_create(struct loop *loop, struct arena_budget *budget)
{
	struct kafka_send *send = calloc(1, sizeof(*send));

	if (!send)
		return NULL;
	send->post.run = send_on_post;
	send->loop = loop;
	send->budget = budget;
	send->partition = -1;
	send->offset = -1;
	atomic_init(&send->state, SEND_SENDING);
	return send;
}

void kafka_send_free(struct kafka_send *send)
{
	if (!send)
		return;
	arena_budget_give_back(send->budget, send->size);
	free(send);
}

static size_t message_size(const struct kafka_message *message)
{
	size_t size = sizeof(struct kafka_send) + message->key.len + message->value.len;

	for (size_t i = 0; i < message->n_headers; i++)
		size += message->headers[i].name.len + message->headers[i].value.len;
	return size;
}

bool kafka_send_submit(struct kafka_send *send, struct kafka *kafka, enum kafka_acks acks,
		       const struct kafka_message *message)
{
	size_t size = message_size(message);

	if (!arena_budget_take(send->budget, size)) {
		send->code = ERROR_MEMORY_LIMIT;
		send->text = "there is no memory for one message more";
		return false;
	}
	send->size = size;
	/* librdkafka hands it to another thread: what was written is seen there by this */
	atomic_store_explicit(&send->state, SEND_SENDING, memory_order_release);
	if (kafka_produce(kafka, acks, message, send))
		return true;
	atomic_fetch_add(&kafka->stats.refused, 1);
	return false;
}

void kafka_send_leave(struct kafka_send *send)
{
	int sending = SEND_SENDING;

	send->on_done = NULL;
	atomic_compare_exchange_strong(&send->state, &sending, SEND_LEFT);
}

void kafka_send_finish(struct kafka_send *send)
{
	if (atomic_exchange(&send->state, SEND_DONE) == SEND_LEFT)
		kafka_send_free(send);
	else
		loop_post(send->loop, &send->post);
}
