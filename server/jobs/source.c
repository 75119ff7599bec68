/* server/jobs/source.c: the kinds of sources, and `source:`. */
#include "server/jobs/source.h"
#include "server/kafka/kafka_source.h"
#include "server/redis/redis_source.h"

/* A new kind stands here; its keys are also to be told at `source` in job.c. */
static const struct source_kind *const kinds[] = { &redis_source, &kafka_source };

static const struct source_kind *source_find(struct flow_compiler *compiler,
					     const struct node *node)
{
	const struct source_kind *found = NULL;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct node_entry *entry = node_entry_find(node, kinds[i]->name);

		if (entry && found) {
			diag_error(compiler->diag, entry->key_place,
				   "a source has both %s and %s; keep one of them", found->name,
				   kinds[i]->name);
			return NULL;
		}
		if (entry)
			found = kinds[i];
	}
	if (!found)
		diag_error(compiler->diag, node->place,
			   "a source says where its messages come from; write { redis: NAME, … } "
			   "or { kafka: NAME, … }");
	return found;
}

bool source_compile(struct flow_compiler *compiler, const struct node *node, struct job_spec *spec)
{
	if (node->kind != NODE_MAP) {
		diag_error(compiler->diag, node->place,
			   "source takes a map; write { redis: NAME, stream: KEY, group: GROUP }");
		return false;
	}
	spec->source_kind = source_find(compiler, node);
	if (!spec->source_kind)
		return false;
	spec->source = spec->source_kind->compile(compiler, node, &spec->source_text);
	return spec->source != NULL;
}
