/* server/kafka/kafka_outboxes.h: all outboxes of the process, by the names of their clusters. */
#pragma once
#include "server/kafka/kafka_outbox.h"
#include "server/kafka/kafka_section.h"

struct kafka_outboxes {
	size_t n_outboxes;
	struct kafka_outbox **outboxes;
};

/* Main thread, before anybody uses the section: each of its entries has its outbox, and the outboxes send to
 * them. `home` says on which loop a new one lives. */
void kafka_outboxes_set(struct kafka_outboxes *outboxes, const struct kafka_section *section,
			struct store *store, struct loop *(*home)(void *arg, struct str name),
			void *arg);

/* As those of one. */
void kafka_outboxes_stop(struct kafka_outboxes *outboxes);
void kafka_outboxes_fini(struct kafka_outboxes *outboxes);
