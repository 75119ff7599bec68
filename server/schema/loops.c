/* server/schema/loops.c: what applies itself to the same value again.
 *
 * A schema may come back to itself by looking into a value (a tree of children), since values end.
 * One that comes back without looking inside would never end. The search is depth first, over the
 * edges that stay at the value, with a stack of its own. */
#include "core/base/memory.h"
#include "server/schema/compile.h"
#include <stdlib.h>

enum { HEIGHT_MAX = 64 };

enum colour {
	COLOUR_NEW,
	COLOUR_OPEN, /* on the stack */
	COLOUR_DONE,
};

struct visit {
	struct schema *schema;
	size_t at; /* of the edges that were not followed yet */
};

/* The edge number `at`, which may be NULL; false: there are no more. */
static bool logic_edge(const struct schema_logic *logic, size_t at, struct schema **ret)
{
	struct schema *const singles[] = { logic->reference, logic->no, logic->when, logic->then,
					   logic->otherwise };
	const struct schema_list *const lists[] = { &logic->all, &logic->any, &logic->one };

	if (at < ARRAY_LEN(singles)) {
		*ret = singles[at];
		return true;
	}
	at -= ARRAY_LEN(singles);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		if (at < lists[i]->n_schemas) {
			*ret = lists[i]->schemas[at];
			return true;
		}
		at -= lists[i]->n_schemas;
	}
	*ret = NULL;
	return false;
}

static size_t logic_n_edges(const struct schema_logic *logic)
{
	return logic ? 5 + logic->all.n_schemas + logic->any.n_schemas + logic->one.n_schemas : 0;
}

static bool schema_edge(const struct schema *schema, size_t at, struct schema **ret)
{
	size_t n_logic = logic_n_edges(schema->logic);

	if (at < n_logic)
		return logic_edge(schema->logic, at, ret);
	at -= n_logic;
	if (!schema->objects || at >= schema->objects->n_names)
		return false;
	*ret = schema->objects->names[at].dependent;
	return true;
}

static void loop_error(struct schema_loader *loader, struct schema *schema, const char *message)
{
	diag_error(loader->diag, schema_place(schema->document, schema->key, STR_NONE), "%s",
		   message);
	schema->document->broken = true;
}

/* All that `root` leads to; `visits` has room for every schema. */
static void loop_search(struct schema_loader *loader, struct schema *root, struct visit *visits)
{
	size_t depth = 0;

	visits[depth++] = (struct visit){ root, 0 };
	root->colour = COLOUR_OPEN;
	while (depth) {
		struct visit *top = &visits[depth - 1];
		struct schema *next = NULL;

		if (!schema_edge(top->schema, top->at++, &next)) {
			top->schema->colour = COLOUR_DONE;
			if (++top->schema->height == HEIGHT_MAX)
				loop_error(
					loader, top->schema,
					"too many schemas apply to one value through each other; "
					"64 levels are the most");
			depth--;
			if (depth && visits[depth - 1].schema->height < top->schema->height)
				visits[depth - 1].schema->height = top->schema->height;
			continue;
		}
		if (!next)
			continue;
		if (next->colour == COLOUR_OPEN)
			loop_error(
				loader, next,
				"this schema applies itself to the same value again, without end; "
				"refer to it from within properties or items");
		if (next->colour == COLOUR_DONE && top->schema->height < next->height)
			top->schema->height = next->height;
		if (next->colour != COLOUR_NEW)
			continue;
		next->colour = COLOUR_OPEN;
		visits[depth++] = (struct visit){ next, 0 };
	}
}

void schema_check_loops(struct schema_loader *loader, struct schema *before)
{
	struct visit *visits;
	size_t n_schemas = 0;

	for (struct schema *schema = loader->compiled; schema; schema = schema->older)
		n_schemas++;
	visits = mem_realloc_array(NULL, n_schemas + 1, sizeof(*visits));
	for (struct schema *schema = loader->compiled; schema && schema != before;
	     schema = schema->older)
		if (schema->colour == COLOUR_NEW)
			loop_search(loader, schema, visits);
	free(visits);
}
