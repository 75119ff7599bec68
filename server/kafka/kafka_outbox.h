/* server/kafka/kafka_outbox.h: messages of `spool: true`: kept in the store first, then sent.
 *
 *   task --put--> store --(committed: the task ends)--> outbox reads --> sends --> (acknowledged) removes
 *
 * There is one outbox a cluster's name, for the life of the process, on a home loop of its own.
 * Messages of one key and topic are sent one after the other, in the order of their commits; others
 * side by side. What a broker refuses is tried again, with those of its key behind it; after some
 * tries it is left in the store, and told. At least once: what was sent and not yet removed when the
 * process is killed is sent again. */
#pragma once
#include "server/kafka/kafka_send.h"
#include "server/store/store.h"

struct kafka_outbox;

/* Reads what is there, on that loop, once it has been given a kafka. */
struct kafka_outbox *kafka_outbox_create(struct str name, struct store *store, struct loop *loop);

/* Nothing more is asked of the store. When the loops have stopped, before the store goes. */
void kafka_outbox_stop(struct kafka_outbox *outbox);

/* When nothing runs on its loop any more. NULL is accepted. */
void kafka_outbox_destroy(struct kafka_outbox *outbox);

/* Main thread: messages go to this one from now on, when the one before has told what became of
 * those that it had. NULL: to none. Takes a reference of its own. */
void kafka_outbox_set(struct kafka_outbox *outbox, struct kafka *kafka);

/* ---- a task's message */

struct kafka_put;
typedef void kafka_put_fn(struct kafka_put *put);

struct kafka_put {
	struct store_op op;
	struct kafka_outbox *outbox;
	kafka_put_fn *on_done; /* on the task's loop; NULL: the task has gone */
	void *owner;
	int result; /* 0: it is kept; or a negative errno */
	struct arena arena;
	struct kafka_message message; /* in it */
	struct str headers;
};

/* Copies the message. NULL: there is no memory. */
struct kafka_put *kafka_put_create(struct kafka_outbox *outbox, struct loop *loop,
				   struct arena_budget *budget,
				   const struct kafka_message *message);
void kafka_put_free(struct kafka_put *put);

/* 0: on_done comes, and then the block is freed. -ENOBUFS: `max` messages are kept already; -EAGAIN:
 * the store has too much to do; then it is the caller's still. */
int kafka_put_submit(struct kafka_put *put, size_t max);
void kafka_put_leave(struct kafka_put *put); /* its loop; it is kept all the same */

/* Any thread. */
struct kafka_outbox_stats {
	int64_t n_kept; /* in the store, those that were given up among them */
	uint64_t n_dead;
};
void kafka_outbox_stats(const struct kafka_outbox *outbox, struct kafka_outbox_stats *ret_stats);
