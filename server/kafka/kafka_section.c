/* server/kafka/kafka_section.c */
#include "server/kafka/kafka_section.h"
#include "server/kafka/kafka_conf.h"
#include "server/kafka/kafka_producer.h"

struct kafka *kafka_section_find(const struct kafka_section *section, struct str name)
{
	for (size_t i = 0; section && i < section->n_kafkas; i++)
		if (str_eq(section->kafkas[i]->name, name))
			return section->kafkas[i];
	return NULL;
}

void kafka_section_compile(struct kafka_section *section, const struct node *node,
			   const struct kafka_section *before, struct conf *conf, struct diag *diag)
{
	size_t n_entries = node && node->kind == NODE_MAP ? node->n_entries : 0;

	section->kafkas = arena_alloc_array(&conf->arena, n_entries + 1, sizeof(*section->kafkas));
	section->names = arena_alloc_array(&conf->arena, n_entries + 1, sizeof(*section->names));
	for (size_t i = 0; i < n_entries; i++) {
		const struct node_entry *entry = &node->entries[i];
		struct kafka *earlier = kafka_section_find(before, entry->key);

		section->kafkas[section->n_kafkas++] = kafka_compile(entry, earlier, conf, diag);
		section->names[i] = entry->key.ptr;
	}
	section->names[n_entries] = NULL;
}

#if WITH_KAFKA
void kafka_section_start(const struct kafka_section *section, const struct node *node,
			 struct diag *diag)
{
	char why[256];

	for (size_t i = 0; i < section->n_kafkas; i++)
		if (!kafka_start(section->kafkas[i], why, sizeof(why)))
			diag_error(diag, node->entries[i].key_place,
				   "kafka \"%s\" cannot be used: %s", section->kafkas[i]->name.ptr,
				   why);
}

void kafka_section_stop(const struct kafka_section *section, uint64_t end_ms)
{
	for (size_t i = 0; i < section->n_kafkas; i++)
		kafka_stop(section->kafkas[i], end_ms);
}
#endif

void kafka_section_fini(struct kafka_section *section)
{
	for (size_t i = 0; i < section->n_kafkas; i++)
		kafka_unref(section->kafkas[i]);
	section->n_kafkas = 0;
}
