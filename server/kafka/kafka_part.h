/* server/kafka/kafka_part.h: partitions that a source has, and the messages of each that are in work.
 *
 * Messages are settled in any order; the offset that is stored is that behind the last message before
 * which all are handled. */
#pragma once
#include "server/jobs/source.h"
#include <librdkafka/rdkafka.h>

struct kafka_part {
	struct list link;
	char *topic;
	int32_t partition;
	struct list messages; /* of struct kafka_letter.of_part, in the order of their offsets */
	bool lost; /* another member has it, or will: its offsets are not ours to store */
};

/* A message in work. */
struct kafka_letter {
	struct source_message message;
	struct list of_part;
	struct kafka_part *part;
	rd_kafka_event_t *event; /* it holds `raw` */
	const rd_kafka_message_t *raw;
	size_t size;  /* counted in the source's budget */
	bool handled; /* done, or among the dead letters */
	bool is_base64;
	/* on its way to the dead letters */
	struct list dead;
	char *why;
};

struct kafka_parts {
	struct list parts;
	size_t n_letters; /* of all, that are not settled */
};

void kafka_parts_init(struct kafka_parts *parts);
void kafka_parts_fini(struct kafka_parts *parts); /* all letters are settled */

/* The one that we have; NULL: we have not. */
struct kafka_part *kafka_parts_find(const struct kafka_parts *parts, const char *topic,
				    int32_t partition);
void kafka_parts_add(struct kafka_parts *parts, const char *topic, int32_t partition);

/* All of them go; they stay in memory as long as letters are of them. */
void kafka_parts_lose(struct kafka_parts *parts);

void kafka_part_take(struct kafka_parts *parts, struct kafka_part *part,
		     struct kafka_letter *letter);

/* It is handled, or (false) will be had again. The letter goes out of its partition's list as soon as
 * those before it have, and is freed then; one that will be had again when all go. */
void kafka_part_settle(struct kafka_parts *parts, rd_kafka_t *client, struct kafka_letter *letter,
		       bool handled);
