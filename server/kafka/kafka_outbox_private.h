/* server/kafka/kafka_outbox_private.h: what kafka_outbox.c and kafka_put.c share. */
#pragma once
#include "server/kafka/kafka_outbox.h"
#include "server/kafka/kafka_row.h"

enum {
	OUTBOX_ROWS_MAX = 2 * KAFKA_ROWS_A_READ, /* in memory */
	OUTBOX_BYTES_MAX = 2 * KAFKA_ROWS_BYTES,
	OUTBOX_TRIES = 5, /* of a message that brokers refuse */
	OUTBOX_PAUSE_MS = 200,
	OUTBOX_AGAIN_MS = 1000, /* when the store does not work */
};

/* Fixed after it is made, but for the atomics; and what stands below them, which is the loop's. */
struct kafka_outbox {
	char *name;
	struct store *store;
	struct loop *loop;
	_Atomic int64_t n_kept;
	_Atomic uint64_t n_dead;
	_Atomic(struct kafka *) given; /* a reference, of kafka_outbox_set() */
	struct post poke;
	atomic_bool poked;
	struct post set;
	atomic_bool was_set, stopped;
	/* the loop's */
	struct kafka *kafka;        /* a reference; NULL: there is none */
	struct kafka *kafka_before; /* a reference; it may have messages of ours still */
	struct kafka *kafka_next;   /* a reference; it waits for the one before */
	struct list rows;
	size_t n_rows, bytes, n_sent;
	int64_t last_id; /* that was read */
	bool begun;      /* it is known what was there at the start */
	bool reading;    /* an op is on its way */
	bool news;       /* something was kept since it went */
	bool exhausted;  /* there is nothing behind last_id */
	struct timer again;
};

/* Something was kept. Any thread. */
void kafka_outbox_poke(struct kafka_outbox *outbox);
