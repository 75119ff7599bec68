/* server/kafka/kafka_source.h: a job's messages from topics, as a member of a consumer group.
 *
 * A client of librdkafka's own for each source, driven by its job's loop as producers are. Its
 * offsets are stored when messages are settled, in the order of their partition: what was taken and
 * not handled is had again, by whoever has the partition then. */
#pragma once
#include "server/jobs/source.h"
#include "server/kafka/kafka.h"

enum { KAFKA_SOURCE_TOPICS_MAX = 100 };

struct kafka_source_spec {
	struct kafka *kafka;
	size_t n_topics;
	const struct str *topics;      /* each with a NUL */
	struct str group, dead_letter; /* the latter may be empty */
	bool from_end;  /* a group without offsets begins with what comes from now on */
	bool by_key;    /* order is kept for each key, else for each partition */
	bool is_base64; /* values are bytes, told as base64 */
	uint64_t session_ms;
};

extern const struct source_kind kafka_source;
extern const struct setting kafka_source_keys[];

/* kafka_source.c: as source_kind.open(), is_same() */
struct job_source *kafka_source_open(const void *spec, struct consumer *consumer,
				     const struct source_env *env);
bool kafka_source_is_same(const struct job_source *source, const void *spec);
