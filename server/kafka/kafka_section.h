/* server/kafka/kafka_section.h: the section `kafka:`: all entries of a generation. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "server/kafka/kafka.h"

struct kafka_section {
	size_t n_kafkas;
	struct kafka **kafkas; /* each a reference; one that was wrong is not valid */
	const char **names;    /* NULL at the end, for suggestions */
};

extern const struct setting kafka_keys[]; /* of an entry */
extern const char *const kafka_acks_choices[];

/* Reads the section (or NULL) into the arena of `conf`; `before` may be NULL. Nobody is asked. */
void kafka_section_compile(struct kafka_section *section, const struct node *node,
			   const struct kafka_section *before, struct conf *conf,
			   struct diag *diag);
struct kafka *kafka_section_find(const struct kafka_section *section,
				 struct str name); /* or NULL */

/* Makes what its tasks want, which connects to brokers when it can: once the configuration is known
 * to be right. What librdkafka refuses is an error. */
void kafka_section_start(const struct kafka_section *section, const struct node *node,
			 struct diag *diag);

/* At the end of the process: what is queued has so long to go out. */
void kafka_section_stop(const struct kafka_section *section, uint64_t end_ms);
void kafka_section_fini(struct kafka_section *section);
