/* server/schema/load.c
 *
 * A schema that is met while another is read waits in a queue, so that nothing recurses by the
 * depth of a file. When the queue is empty all anchors are known, and the references are resolved,
 * which may add files and schemas; and so on until nothing waits. */
#include "server/schema/compile.h"

void schema_loader_init(struct schema_loader *loader, struct arena *arena, struct diag *diag)
{
	*loader = (struct schema_loader){ .arena = arena, .diag = diag };
	map_init(&loader->nodes);
}

void schema_loader_fini(struct schema_loader *loader)
{
	for (struct schema_document *document = loader->documents; document;
	     document = document->next)
		map_fini(&document->anchors);
	map_fini(&loader->nodes);
}

struct schema *schema_at(struct schema_loader *loader, struct schema_document *document,
			 const struct value *value, struct str key)
{
	struct schema *schema =
		map_find(&loader->nodes, (struct str){ (const char *)&value, sizeof(value) });

	if (schema)
		return schema;
	schema = arena_zalloc(loader->arena, sizeof(*schema));
	schema->source = value;
	schema->document = document;
	schema->key = key;
	map_set(&loader->nodes,
		(struct str){ (const char *)&schema->source, sizeof(schema->source) }, schema);
	if (loader->last)
		loader->last->next = schema;
	else
		loader->first = schema;
	loader->last = schema;
	schema->older = loader->compiled;
	loader->compiled = schema;
	return schema;
}

/* minContains and maxContains say nothing without contains. */
static void schema_finish_arrays(struct schema_arrays *arrays)
{
	if (arrays->contains)
		return;
	arrays->min_contains = 0;
	arrays->max_contains = UINT64_MAX;
}

static void schema_compile(struct schema_loader *loader, struct schema *schema)
{
	if (schema->source->kind == VALUE_BOOL) {
		schema->never = !schema->source->boolean;
		return;
	}
	schema_read_keywords(loader, schema);
	if (schema->arrays)
		schema_finish_arrays(schema->arrays);
	if (schema->objects)
		schema_names_join(loader, schema->objects);
}

void schema_compile_waiting(struct schema_loader *loader)
{
	while (loader->first) {
		struct schema *schema = loader->first;

		loader->first = schema->next;
		if (!loader->first)
			loader->last = NULL;
		schema->next = NULL;
		schema_compile(loader, schema);
	}
}

static void schema_compile_all(struct schema_loader *loader)
{
	schema_compile_waiting(loader);
	while (loader->references) {
		struct schema_reference *reference = loader->references;

		loader->references = reference->next;
		schema_resolve(loader, reference);
		schema_compile_waiting(loader);
	}
}

const struct schema *schema_load(struct schema_loader *loader, struct str path,
				 struct place named_at)
{
	size_t n_errors = loader->diag->n_errors;
	struct schema *compiled = loader->compiled;
	struct schema_document *document = schema_document_open(loader, path, named_at);

	if (!document)
		return NULL;
	schema_compile_all(loader);
	if (loader->diag->n_errors == n_errors)
		schema_check_loops(loader, compiled);
	document->broken |= loader->diag->n_errors > n_errors;
	return document->broken ? NULL : document->schema;
}

/* ------------------------------------------------------------ groups */

struct schema_numbers *schema_numbers(const struct keyword *keyword)
{
	struct schema *schema = keyword->schema;

	if (!schema->numbers)
		schema->numbers = arena_zalloc(keyword->loader->arena, sizeof(*schema->numbers));
	return schema->numbers;
}

struct schema_strings *schema_strings(const struct keyword *keyword)
{
	struct schema *schema = keyword->schema;

	if (!schema->strings) {
		schema->strings = arena_zalloc(keyword->loader->arena, sizeof(*schema->strings));
		schema->strings->max_len = UINT64_MAX;
	}
	return schema->strings;
}

struct schema_arrays *schema_arrays(const struct keyword *keyword)
{
	struct schema *schema = keyword->schema;

	if (!schema->arrays) {
		schema->arrays = arena_zalloc(keyword->loader->arena, sizeof(*schema->arrays));
		schema->arrays->max_items = schema->arrays->max_contains = UINT64_MAX;
		schema->arrays->min_contains = 1;
	}
	return schema->arrays;
}

struct schema_objects *schema_objects(const struct keyword *keyword)
{
	struct schema *schema = keyword->schema;

	if (!schema->objects) {
		schema->objects = arena_zalloc(keyword->loader->arena, sizeof(*schema->objects));
		schema->objects->max_members = UINT64_MAX;
	}
	return schema->objects;
}

struct schema_logic *schema_logic(const struct keyword *keyword)
{
	struct schema *schema = keyword->schema;

	if (!schema->logic)
		schema->logic = arena_zalloc(keyword->loader->arena, sizeof(*schema->logic));
	return schema->logic;
}
