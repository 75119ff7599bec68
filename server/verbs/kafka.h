/* server/verbs/kafka.h: what `kafka:` is compiled to. Internal to it. */
#pragma once
#include "server/flow/step.h"
#include "server/kafka/kafka_outbox.h"

struct kafka_verb_config {
	/* as the keys say */
	const struct node *topic_node, *key_node, *value_node, *headers_node, *partition_node;
	int acks, encoding;
	bool spool;
	/* compiled */
	struct kafka *kafka;
	struct template *topic, *key, *partition; /* key, partition: NULL when not said */
	struct template_tree *value;              /* NULL: null */
	size_t n_headers;
	struct kafka_verb_header *headers;
};

struct kafka_verb_header {
	struct str name;
	struct template *value;
};

enum { KAFKA_ENCODING_TEXT, KAFKA_ENCODING_BASE64 };

/* kafka_message.c: the values of a task's keys. 0, or as evaluations give it. */
int kafka_verb_message(struct step_run *run, struct kafka_message *ret_message);

/* kafka.c */
void kafka_verb_start(struct step_run *run);
void kafka_verb_cancel(struct step_run *run);
int kafka_verb_field(struct step_run *run, struct str name, struct value *ret);

/* A send and its end. */
struct kafka_verb_state {
	struct kafka_send *send; /* NULL: not submitted, or over */
	struct kafka_put *put;   /* the same, of one that is kept first */
	struct str topic;
	int32_t partition;
	int64_t offset;
};
