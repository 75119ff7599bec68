/* conf/node.c: questions to a node of the tree. */
#include "conf/tree.h"
#include "core/base/buf.h"

bool node_is_scalar(const struct node *node)
{
	return node->kind != NODE_LIST && node->kind != NODE_MAP;
}

const char *node_kind_name(const struct node *node)
{
	switch (node->kind) {
	case NODE_NULL:
		return "nothing";
	case NODE_BOOL:
		return "true or false";
	case NODE_INT:
	case NODE_REAL:
		return "a number";
	case NODE_TEXT:
		return "text";
	case NODE_LIST:
		return "a list";
	case NODE_MAP:
		return "a map";
	}
	unreachable();
}

const struct node_entry *node_entry_find(const struct node *map, const char *key)
{
	struct str name = str_of(key);

	if (!map || map->kind != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n_entries; i++)
		if (str_eq(map->entries[i].key, name))
			return &map->entries[i];
	return NULL;
}

const struct node *node_find(const struct node *map, const char *key)
{
	const struct node_entry *entry = node_entry_find(map, key);

	return entry ? entry->value : NULL;
}

void node_write_text(const struct node *node, struct buf *out)
{
	buf_printf(out, "%d(", (int)node->kind);
	if (node_is_scalar(node))
		buf_printf(out, "%zu:", node->text.len);
	buf_add(out, node->text);
	for (size_t i = 0; i < node->n_entries; i++) {
		if (node->kind == NODE_MAP)
			buf_printf(out, "%zu:%.*s=", node->entries[i].key.len,
				   STR_ARG(node->entries[i].key));
		node_write_text(node->entries[i].value, out);
	}
	buf_add_char(out, ')');
}
