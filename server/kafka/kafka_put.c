/* server/kafka/kafka_put.c: a task's message, on its way into the store. */
#include "server/kafka/kafka_outbox_private.h"
#include <errno.h>
#include <stdlib.h>

static int put_run(struct store_op *op, struct store_db *db)
{
	struct kafka_put *put = container_of(op, struct kafka_put, op);

	return kafka_row_put(db, str_of(put->outbox->name), &put->message, put->headers);
}

static void put_on_done(struct store_op *op)
{
	struct kafka_put *put = container_of(op, struct kafka_put, op);

	put->result = op->result;
	if (put->result < 0)
		atomic_fetch_sub(&put->outbox->n_kept, 1);
	else
		kafka_outbox_poke(put->outbox);
	if (put->on_done)
		put->on_done(put);
	kafka_put_free(put);
}

static bool copy_text(struct arena *arena, struct str from, struct str *ret)
{
	*ret = from.ptr ? arena_str(arena, from) : STR_NONE;
	return !from.ptr || ret->ptr;
}

static bool put_copy(struct kafka_put *put, const struct kafka_message *message)
{
	struct buf headers;

	buf_init_arena(&headers, &put->arena);
	kafka_headers_write(message, &headers);
	put->headers = message->n_headers ? buf_str(&headers) : STR_NONE;
	put->message.partition = message->partition;
	return !headers.error && copy_text(&put->arena, message->topic, &put->message.topic) &&
	       copy_text(&put->arena, message->key, &put->message.key) &&
	       copy_text(&put->arena, message->value, &put->message.value);
}

struct kafka_put *kafka_put_create(struct kafka_outbox *outbox, struct loop *loop,
				   struct arena_budget *budget, const struct kafka_message *message)
{
	struct kafka_put *put = calloc(1, sizeof(*put));

	if (!put)
		return NULL;
	put->op.loop = loop;
	put->op.run = put_run;
	put->op.on_done = put_on_done;
	put->outbox = outbox;
	arena_init(&put->arena, SIZE_MAX);
	put->arena.budget = budget;
	if (put_copy(put, message))
		return put;
	kafka_put_free(put);
	return NULL;
}

void kafka_put_free(struct kafka_put *put)
{
	if (!put)
		return;
	arena_fini(&put->arena);
	free(put);
}

int kafka_put_submit(struct kafka_put *put, size_t max)
{
	int r = 0;

	if ((size_t)atomic_fetch_add(&put->outbox->n_kept, 1) >= max)
		r = -ENOBUFS;
	if (r == 0)
		r = store_submit(put->outbox->store, &put->op, put->arena.used);
	if (r < 0)
		atomic_fetch_sub(&put->outbox->n_kept, 1);
	return r;
}

void kafka_put_leave(struct kafka_put *put)
{
	put->on_done = NULL;
}
