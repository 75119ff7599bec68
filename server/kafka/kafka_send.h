/* server/kafka/kafka_send.h: one message of a task, on its way to a topic.
 *
 *   SENDING --(librdkafka has an answer)--> DONE     on its way to its loop
 *     \-----(the task has gone)--> LEFT              freed with the answer
 *
 * A block with its own memory: a task that ends before the broker has answered leaves it, and the
 * message goes out all the same. */
#pragma once
#include "server/flow/error.h"
#include "server/kafka/kafka.h"

struct kafka_send;
typedef void kafka_send_fn(struct kafka_send *send);

struct kafka_header {
	struct str name, value; /* name: with a NUL; value.ptr NULL: null */
};

/* What is sent: looked at only while it is submitted. A ptr of NULL is null: no key, no value. */
struct kafka_message {
	struct str topic; /* with a NUL */
	struct str key, value;
	int32_t partition; /* -1: by the key */
	size_t n_headers;
	const struct kafka_header *headers;
};

struct kafka_send {
	struct post post;
	struct loop *loop;
	kafka_send_fn *on_done; /* on the loop; NULL: the task has gone */
	void *owner;
	atomic_int state;
	size_t size; /* counted in the budget */
	struct arena_budget *budget;
	bool kept; /* it is in the store as well: nobody need wait for it at the end */
	/* the end */
	enum error_code code; /* ERROR_NONE: it was sent */
	const char *kafka;    /* librdkafka's name of the error, static: "MSG_SIZE_TOO_LARGE" */
	const char *text;     /* static */
	bool sent;            /* a broker may have it */
	int32_t partition;    /* < 0: not known */
	int64_t offset;       /* < 0: not known */
};

/* NULL: there is no memory. `budget` may be NULL. */
struct kafka_send *kafka_send_create(struct loop *loop, struct arena_budget *budget);
void kafka_send_free(struct kafka_send *send);

/* On its loop. False: it has failed at once, and is the caller's still; the end's fields say why. */
bool kafka_send_submit(struct kafka_send *send, struct kafka *kafka, enum kafka_acks acks,
		       const struct kafka_message *message);

/* On its loop: its task has gone. */
void kafka_send_leave(struct kafka_send *send);

/* Any thread: what librdkafka has said is in its fields. */
void kafka_send_finish(struct kafka_send *send);
