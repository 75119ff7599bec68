/* server/kafka/kafka_row.h: a message in the store, and what is done with it there. */
#pragma once
#include "server/kafka/kafka_send.h"
#include "server/store/store.h"

enum { KAFKA_ROWS_A_READ = 100, KAFKA_ROWS_BYTES = 8 << 20 };

struct kafka_outbox;

enum kafka_row_state {
	KAFKA_ROW_WAITS, /* for its turn, for the message of its key before it, or for `retry` */
	KAFKA_ROW_SENT,  /* librdkafka has it */
	KAFKA_ROW_DONE, /* brokers have it; the store is to remove it, perhaps not before `retry` */
	KAFKA_ROW_BURIED, /* it is given up; the store is to know, perhaps not before `retry` */
};

/* One block, with all that the message refers to. */
struct kafka_row {
	struct list link; /* in outbox->rows */
	int64_t id;
	struct kafka_message message;
	size_t size;
	/* the outbox's, on its loop */
	struct kafka_outbox *outbox;
	struct kafka_row *next_of_key; /* which waits for this one */
	bool behind;                   /* it waits for one of its key */
	bool paused;                   /* `retry` runs */
	enum kafka_row_state state;
	unsigned n_tries;
	struct timer retry;
};

/* ---- for `run` of ops */

/* 0 or a negative errno. */
int kafka_row_put(struct store_db *db, struct str cluster, const struct kafka_message *message,
		  struct str headers);

/* Rows behind the id `after`, oldest first: at most KAFKA_ROWS_A_READ of them and about so many
 * bytes, at least one. */
int kafka_row_read(struct store_db *db, struct str cluster, int64_t after, struct list *rows);
void kafka_rows_free(struct list *rows);

int kafka_row_remove(struct store_db *db, int64_t id);
int kafka_row_bury(struct store_db *db, int64_t id); /* it is not tried again before a restart */

/* What was there at the start; all is tried again. */
int kafka_row_begin(struct store_db *db, struct str cluster, int64_t *ret_n_rows);

/* Headers as bytes, in the arena or heap of `out`. */
void kafka_headers_write(const struct kafka_message *message, struct buf *out);
