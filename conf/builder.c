/* conf/builder.c */
#include "conf/builder.h"
#include "core/base/memory.h"

/* Maps with more keys than this are checked for duplicates by a hash. */
enum { KEYS_FEW = 16 };

void builder_fail(struct builder *b, struct place place, const char *message)
{
	if (!b->failed)
		diag_error(b->diag, place, "%s", message);
	b->failed = true;
}

struct frame *builder_top(struct builder *b)
{
	check(b->depth > 0);
	return &b->frames[b->depth - 1];
}

bool builder_in_flow(struct builder *b)
{
	return b->depth > 0 && builder_top(b)->flow;
}

/* A node counts when it stands in the file, and again for each alias of it. */
bool builder_spend(struct builder *b, size_t n_nodes, struct place place)
{
	if (n_nodes > *b->budget) {
		diag_error(b->diag, place,
			   "the configuration has more than %d values, aliases unfolded; make it "
			   "smaller, or use fewer aliases",
			   CONF_NODES_MAX);
		b->failed = true;
		return false;
	}
	*b->budget -= n_nodes;
	if (b->depth > 0)
		builder_top(b)->n_nodes += n_nodes;
	return true;
}

struct node *builder_new_node(struct builder *b, enum node_kind kind, struct place place)
{
	struct node *node = arena_zalloc(b->arena, sizeof(*node));

	if (!node) {
		builder_fail(b, place, "no memory is left for this file; make it smaller");
		return NULL;
	}
	node->kind = kind;
	node->place = place;
	return node;
}

static void builder_add_entry(struct builder *b, struct node_entry entry)
{
	if (b->n_entries == b->cap_entries) {
		b->cap_entries = MAX(b->cap_entries * 2, (size_t)64);
		b->entries = mem_realloc_array(b->entries, b->cap_entries, sizeof(*b->entries));
	}
	b->entries[b->n_entries++] = entry;
}

/* A node has ended, or was an alias. */
void builder_put(struct builder *b, struct node *node)
{
	struct node_entry entry = { .key = STR_NONE, .value = node };
	struct frame *top;

	if (b->depth == 0) {
		b->root = node;
		return;
	}
	top = builder_top(b);
	if (top->node->kind == NODE_MAP) {
		check(top->has_key);
		entry = top->entry;
		entry.value = node;
		top->has_key = false;
		if (top->dropped)
			return;
	}
	builder_add_entry(b, entry);
}

bool builder_wants_key(struct builder *b)
{
	return b->depth > 0 && builder_top(b)->node->kind == NODE_MAP && !builder_top(b)->has_key;
}

/* The key that was read is none; its value is read and forgotten. */
void builder_drop_key(struct builder *b, struct place place)
{
	struct frame *top = builder_top(b);

	top->has_key = top->dropped = true;
	top->entry = (struct node_entry){ .key = STR(""), .key_place = place };
}

void builder_put_key(struct builder *b, struct str text, bool plain, struct place place)
{
	struct frame *top = builder_top(b);

	if (plain && str_eq(text, STR("<<"))) {
		diag_error(b->diag, place,
			   "merge keys (<<) are not read; write the keys out, or share tasks by "
			   "flows:");
		builder_drop_key(b, place);
		return;
	}
	if (plain && text.len == 0) {
		diag_error(b->diag, place,
			   "no key before the \":\"; write one, or put the text in quotes");
		builder_drop_key(b, place);
		return;
	}
	top->has_key = true;
	top->dropped = false;
	top->entry = (struct node_entry){ .key = arena_str(b->arena, text), .key_place = place };
	if (!top->entry.key.ptr)
		builder_fail(b, place, "no memory is left for this file; make it smaller");
}

static void builder_report_duplicate(struct builder *b, const struct node_entry *entry,
				     const struct node_entry *first)
{
	diag_error(b->diag, entry->key_place,
		   "the key \"%.*s\" is given twice, first at line %u, column %u; remove one",
		   STR_ARG(str_first(entry->key, 100)), first->key_place.line,
		   first->key_place.col);
}

static const struct node_entry *builder_find_key(const struct node_entry *entries, size_t n_entries,
						 struct str key)
{
	for (size_t i = 0; i < n_entries; i++)
		if (str_eq(entries[i].key, key))
			return &entries[i];
	return NULL;
}

/* Keeps the first of equal keys. The keys that were kept stand before `n_kept`. */
size_t builder_drop_duplicates(struct builder *b, struct node_entry *entries, size_t n_entries)
{
	struct map seen;
	size_t n_kept = 0;

	map_init(&seen);
	for (size_t i = 0; i < n_entries; i++) {
		const struct node_entry *first =
			n_entries > KEYS_FEW ? map_find(&seen, entries[i].key)
					     : builder_find_key(entries, n_kept, entries[i].key);

		if (first) {
			builder_report_duplicate(b, &entries[i], first);
			continue;
		}
		entries[n_kept] = entries[i];
		if (n_entries > KEYS_FEW)
			map_set(&seen, entries[n_kept].key, &entries[n_kept]);
		n_kept++;
	}
	map_fini(&seen);
	return n_kept;
}
