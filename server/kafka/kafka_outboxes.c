/* server/kafka/kafka_outboxes.c */
#include "server/kafka/kafka_outboxes.h"
#include "core/base/memory.h"
#include "server/kafka/kafka_outbox_private.h"
#include <stdlib.h>

static struct kafka_outbox *outboxes_find(const struct kafka_outboxes *outboxes, struct str name)
{
	for (size_t i = 0; i < outboxes->n_outboxes; i++)
		if (str_eq(str_of(outboxes->outboxes[i]->name), name))
			return outboxes->outboxes[i];
	return NULL;
}

static struct kafka_outbox *outboxes_add(struct kafka_outboxes *outboxes,
					 struct kafka_outbox *outbox)
{
	outboxes->outboxes = mem_realloc_array(outboxes->outboxes, outboxes->n_outboxes + 1,
					       sizeof(struct kafka_outbox *));
	outboxes->outboxes[outboxes->n_outboxes++] = outbox;
	return outbox;
}

void kafka_outboxes_set(struct kafka_outboxes *outboxes, const struct kafka_section *section,
			struct store *store, struct loop *(*home)(void *arg, struct str name),
			void *arg)
{
	for (size_t i = 0; i < section->n_kafkas; i++) {
		struct kafka *kafka = section->kafkas[i];
		struct kafka_outbox *outbox = outboxes_find(outboxes, kafka->name);

		if (!outbox)
			outbox =
				outboxes_add(outboxes, kafka_outbox_create(kafka->name, store,
									   home(arg, kafka->name)));
		atomic_store(&kafka->outbox, outbox);
	}
	for (size_t i = 0; i < outboxes->n_outboxes; i++)
		kafka_outbox_set(outboxes->outboxes[i],
				 kafka_section_find(section, str_of(outboxes->outboxes[i]->name)));
}

void kafka_outboxes_stop(struct kafka_outboxes *outboxes)
{
	for (size_t i = 0; i < outboxes->n_outboxes; i++)
		kafka_outbox_stop(outboxes->outboxes[i]);
}

void kafka_outboxes_fini(struct kafka_outboxes *outboxes)
{
	for (size_t i = 0; i < outboxes->n_outboxes; i++)
		kafka_outbox_destroy(outboxes->outboxes[i]);
	free(outboxes->outboxes);
	*outboxes = (struct kafka_outboxes){ 0 };
}
