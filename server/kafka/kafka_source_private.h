/* server/kafka/kafka_source_private.h: what kafka_source.c, kafka_letter.c and kafka_dead.c share. */
#pragma once
#include "server/kafka/kafka_part.h"
#include "server/kafka/kafka_source.h"

struct kafka_intake {
	struct job_source source;
	struct arena texts;
	struct kafka_source_spec spec; /* its texts are in `texts`; the kafka is a reference */
	struct loop *loop;
	struct arena_budget *budget;
	struct str job;
	rd_kafka_t *client; /* NULL: librdkafka did not want it, which was told */
	rd_kafka_queue_t *queue;
	int wake_fd;
	struct watch wake;
	struct ready more;
	struct timer look;  /* pauses when FULL; or looks at the queue; or ends a revocation */
	struct timer again; /* dead letters that could not be sent */
	struct kafka_parts parts;
	struct list held; /* of struct source_message: they came after there was no room any more */
	size_t n_parts;
	struct list dead; /* of struct kafka_letter.dead, that wait for `again` */
	size_t n_dead;    /* those, and those on their way */
	uint64_t n_rebalances;
	bool stopped, closing, full, paused, revoking;
};

/* It is handled, or (false) will be had again. */
void kafka_letter_settle(struct kafka_intake *intake, struct kafka_letter *letter, bool handled);
void kafka_intake_end(struct kafka_intake *intake); /* all is settled, and nothing is on its way */

int kafka_letter_value(const struct source_message *message, struct arena *arena,
		       struct value *ret); /* source_ops.value */

/* To the topic for it, again and again; settled then. It is counted in n_dead. */
void kafka_dead_send(struct kafka_intake *intake, struct kafka_letter *letter);
void kafka_dead_on_again(struct timer *timer); /* intake.again */
