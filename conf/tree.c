/* conf/tree.c: libyaml's events to a tree.
 *
 * A frame is a list or map that is open; there are at most CONF_DEPTH_MAX, so nothing recurses.
 * Entries wait on one stack of all open frames and are copied into the arena when theirs closes.
 *
 * Depth is asked at each event, so libyaml never looks further into a heap of brackets than the
 * 1,024 characters in which it looks for the end of a key; what it does costs the square of that. */
#include "conf/tree.h"
#include "conf/mend.h"
#include "conf/reader.h"
#include "conf/scalar.h"
#include "core/base/map.h"
#include "core/base/memory.h"
#include <stdlib.h>

/* Maps with more keys than this are checked for duplicates by a hash. */
enum { KEYS_FEW = 16 };

/* A file with more errors and warnings is read no further. */
enum { REPORTS_MAX = 1000 };

struct anchor {
	struct str name;
	struct node *node;
	struct place place;
	size_t n_nodes;  /* that the node unfolds to */
	unsigned height; /* of lists and maps in each other: 1 for a flat one */
	bool open;       /* what it names has not ended: an alias would be a cycle */
};

struct frame {
	struct node *node;
	struct anchor *anchor; /* NULL: none */
	size_t first_entry;    /* in tree.entries */
	size_t n_nodes;
	unsigned height; /* of what is in it */
	bool flow;
	bool is_key;  /* stands where a key should; was reported, and is dropped at its end */
	bool has_key; /* of a map: `entry` has its key, and the next node is its value */
	bool dropped; /* the key was reported; its value is not kept */
	struct node_entry entry;
};

struct tree {
	const struct source *source;
	struct arena *arena;
	struct diag *diag;
	struct scan scan;
	yaml_parser_t parser;
	struct frame frames[CONF_DEPTH_MAX];
	unsigned depth;
	struct node_entry *entries;
	size_t n_entries, cap_entries;
	struct map anchors;
	struct node *root;
	size_t *budget;
	bool failed; /* nothing that follows can be read */
	bool ended;
};

/* ------------------------------------------------------------------ small things */

static void tree_fail(struct tree *tree, struct place place, const char *message)
{
	if (!tree->failed)
		diag_error(tree->diag, place, "%s", message);
	tree->failed = true;
}

static struct frame *tree_top(struct tree *tree)
{
	check(tree->depth > 0);
	return &tree->frames[tree->depth - 1];
}

static bool tree_in_flow(struct tree *tree)
{
	return tree->depth > 0 && tree_top(tree)->flow;
}

/* A node counts when it stands in the file, and again for each alias of it. */
static bool tree_spend(struct tree *tree, size_t n_nodes, struct place place)
{
	if (n_nodes > *tree->budget) {
		diag_error(tree->diag, place,
			   "the configuration has more than %d values, aliases unfolded; make it "
			   "smaller, or use fewer aliases",
			   CONF_NODES_MAX);
		tree->failed = true;
		return false;
	}
	*tree->budget -= n_nodes;
	if (tree->depth > 0)
		tree_top(tree)->n_nodes += n_nodes;
	return true;
}

static struct node *tree_new_node(struct tree *tree, enum node_kind kind, struct place place)
{
	struct node *node = arena_zalloc(tree->arena, sizeof(*node));

	if (!node) {
		tree_fail(tree, place, "no memory is left for this file; make it smaller");
		return NULL;
	}
	node->kind = kind;
	node->place = place;
	return node;
}

/* A tab is not seen by libyaml inside { } and [ ]. */
static void tree_check_tab(struct tree *tree, yaml_mark_t start)
{
	size_t at = scan_seek(&tree->scan, start), from = at;
	const char *text = tree->source->text.ptr;
	bool has_tab = false;

	while (from > tree->scan.line_start && (text[from - 1] == ' ' || text[from - 1] == '\t'))
		has_tab = text[--from] == '\t' || has_tab;
	if (has_tab && from == tree->scan.line_start)
		diag_error(tree->diag, (struct place){ tree->source, tree->scan.line, 1, 1 },
			   "a tab; indent with spaces");
}

/* Anchor and tag of a node, where they may not be. */
static void tree_check_marks(struct tree *tree, yaml_mark_t start, const yaml_char_t *anchor,
			     const yaml_char_t *tag)
{
	struct place place;

	if (tree_in_flow(tree))
		tree_check_tab(tree, start);
	if (!tag && !anchor)
		return;
	place = scan_place(&tree->scan, start, start);
	place.len = 1;
	if (anchor)
		mend_report_anchor(place, tree->scan.at, tree->diag);
	if (tag && anchor)
		diag_error(tree->diag, place, "YAML tags (%s) have no use here; remove it",
			   (const char *)tag);
	else if (tag)
		mend_report_tag(place, tree->scan.at, tree->diag);
}

/* ------------------------------------------------------------------ keys and values */

static void tree_add_entry(struct tree *tree, struct node_entry entry)
{
	if (tree->n_entries == tree->cap_entries) {
		tree->cap_entries = MAX(tree->cap_entries * 2, (size_t)64);
		tree->entries =
			mem_realloc_array(tree->entries, tree->cap_entries, sizeof(*tree->entries));
	}
	tree->entries[tree->n_entries++] = entry;
}

/* A node has ended, or was an alias. */
static void tree_put(struct tree *tree, struct node *node)
{
	struct node_entry entry = { .key = STR_NONE, .value = node };
	struct frame *top;

	if (tree->depth == 0) {
		tree->root = node;
		return;
	}
	top = tree_top(tree);
	if (top->node->kind == NODE_MAP) {
		check(top->has_key);
		entry = top->entry;
		entry.value = node;
		top->has_key = false;
		if (top->dropped)
			return;
	}
	tree_add_entry(tree, entry);
}

static bool tree_wants_key(struct tree *tree)
{
	return tree->depth > 0 && tree_top(tree)->node->kind == NODE_MAP &&
	       !tree_top(tree)->has_key;
}

/* The key that was read is none; its value is read and forgotten. */
static void tree_drop_key(struct tree *tree, struct place place)
{
	struct frame *top = tree_top(tree);

	top->has_key = top->dropped = true;
	top->entry = (struct node_entry){ .key = STR(""), .key_place = place };
}

static void tree_put_key(struct tree *tree, struct str text, bool plain, struct place place)
{
	struct frame *top = tree_top(tree);

	if (plain && str_eq(text, STR("<<"))) {
		diag_error(tree->diag, place,
			   "merge keys (<<) are not read; write the keys out, or share tasks by "
			   "flows:");
		tree_drop_key(tree, place);
		return;
	}
	if (plain && text.len == 0) {
		diag_error(tree->diag, place,
			   "no key before the \":\"; write one, or put the text in quotes");
		tree_drop_key(tree, place);
		return;
	}
	top->has_key = true;
	top->dropped = false;
	top->entry = (struct node_entry){ .key = arena_str(tree->arena, text), .key_place = place };
	if (!top->entry.key.ptr)
		tree_fail(tree, place, "no memory is left for this file; make it smaller");
}

/* ------------------------------------------------------------------ events */

static void tree_on_scalar(struct tree *tree, const yaml_event_t *event)
{
	struct str text = { (const char *)event->data.scalar.value, event->data.scalar.length };
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct place place = scan_place(&tree->scan, event->start_mark, event->end_mark);
	const char *problem = NULL;
	struct node *node;

	if (memchr(text.ptr, '\0', text.len))
		diag_error(tree->diag, place, "\\0 makes a NUL byte, which no text may have");
	if (plain) {
		scan_seek(&tree->scan, event->end_mark);
		mend_check_comment(&tree->scan, tree->diag);
	}
	tree_check_marks(tree, event->start_mark, event->data.scalar.anchor,
			 event->data.scalar.tag);
	if (tree_wants_key(tree)) {
		tree_put_key(tree, text, plain, place);
		return;
	}
	node = tree_new_node(tree, NODE_TEXT, place);
	if (!node || !tree_spend(tree, 1, place))
		return;
	node->plain = plain;
	node->text = arena_str(tree->arena, text);
	if (!node->text.ptr)
		tree_fail(tree, place, "no memory is left for this file; make it smaller");
	else if (plain && !event->data.scalar.tag)
		problem = scalar_resolve(node);
	if (problem)
		diag_error(tree->diag, place, "%s", problem);
	tree_put(tree, node);
}

static struct anchor *tree_add_anchor(struct tree *tree, const yaml_char_t *name, struct node *node)
{
	struct str text = arena_str(tree->arena, str_of((const char *)name));
	struct anchor *anchor = arena_zalloc(tree->arena, sizeof(*anchor)), *other;

	if (!anchor || !text.ptr) {
		tree_fail(tree, node->place, "no memory is left for this file; make it smaller");
		return NULL;
	}
	*anchor = (struct anchor){ .name = text, .node = node, .place = node->place, .open = true };
	other = map_set(&tree->anchors, text, anchor);
	if (other)
		diag_error(tree->diag, node->place,
			   "the anchor &%s is set twice, first at line %u, column %u; choose "
			   "another name",
			   text.ptr, other->place.line, other->place.col);
	return anchor;
}

/* A list or map begins. */
static void tree_open(struct tree *tree, enum node_kind kind, const yaml_event_t *event, bool flow,
		      const yaml_char_t *anchor, const yaml_char_t *tag)
{
	struct place place = scan_place(&tree->scan, event->start_mark, event->end_mark);
	struct node *node;
	struct frame *frame;

	tree_check_marks(tree, event->start_mark, NULL, tag);
	if (tree->depth == CONF_DEPTH_MAX) {
		diag_error(tree->diag, place, "more than %d levels; make it flatter",
			   CONF_DEPTH_MAX);
		tree->failed = true;
		return;
	}
	node = tree_new_node(tree, kind, place);
	if (!node || !tree_spend(tree, 1, place))
		return;
	frame = &tree->frames[tree->depth];
	*frame = (struct frame){ .node = node,
				 .first_entry = tree->n_entries,
				 .n_nodes = 1,
				 .flow = flow,
				 .is_key = tree_wants_key(tree) };
	if (frame->is_key)
		diag_error(tree->diag, place, "a key is text, not %s; put it in quotes",
			   node_kind_name(node));
	if (anchor)
		frame->anchor = tree_add_anchor(tree, anchor, node);
	tree->depth++;
}

static void tree_report_duplicate(struct tree *tree, const struct node_entry *entry,
				  const struct node_entry *first)
{
	diag_error(tree->diag, entry->key_place,
		   "the key \"%.*s\" is given twice, first at line %u, column %u; remove one",
		   STR_ARG(str_first(entry->key, 100)), first->key_place.line,
		   first->key_place.col);
}

static const struct node_entry *tree_find_key(const struct node_entry *entries, size_t n_entries,
					      struct str key)
{
	for (size_t i = 0; i < n_entries; i++)
		if (str_eq(entries[i].key, key))
			return &entries[i];
	return NULL;
}

/* Keeps the first of equal keys. The keys that were kept stand before `n_kept`. */
static size_t tree_drop_duplicates(struct tree *tree, struct node_entry *entries, size_t n_entries)
{
	struct map seen;
	size_t n_kept = 0;

	map_init(&seen);
	for (size_t i = 0; i < n_entries; i++) {
		const struct node_entry *first =
			n_entries > KEYS_FEW ? map_find(&seen, entries[i].key)
					     : tree_find_key(entries, n_kept, entries[i].key);

		if (first) {
			tree_report_duplicate(tree, &entries[i], first);
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

/* The underline of { … } and [ … ] that stand on one line covers them. */
static void tree_set_len(struct tree *tree, const struct frame *frame, const yaml_event_t *event)
{
	size_t end = scan_seek(&tree->scan, event->end_mark);

	if (frame->flow && tree->scan.line == frame->node->place.line)
		frame->node->place.len =
			(uint32_t)(end - tree->scan.line_start) + 1 - frame->node->place.col;
}

static void tree_on_close(struct tree *tree, const yaml_event_t *event)
{
	struct frame *frame = tree_top(tree);
	struct node *node = frame->node;
	size_t n_entries = tree->n_entries - frame->first_entry;
	struct node_entry *entries = n_entries ? tree->entries + frame->first_entry : NULL;

	tree_set_len(tree, frame, event);
	if (node->kind == NODE_MAP)
		n_entries = tree_drop_duplicates(tree, entries, n_entries);
	node->n_entries = n_entries;
	node->entries = arena_alloc_array(tree->arena, n_entries, sizeof(*entries));
	if (!node->entries) {
		tree_fail(tree, node->place, "no memory is left for this file; make it smaller");
		return;
	}
	if (n_entries)
		memcpy(node->entries, entries, n_entries * sizeof(*entries));
	tree->n_entries = frame->first_entry;
	if (frame->anchor) {
		frame->anchor->n_nodes = frame->n_nodes;
		frame->anchor->height = frame->height + 1;
		frame->anchor->open = false;
	}
	tree->depth--;
	if (tree->depth > 0) {
		struct frame *parent = tree_top(tree);

		parent->height = MAX(parent->height, frame->height + 1);
		parent->n_nodes += frame->n_nodes - 1; /* 1 was counted when it began */
	}
	if (frame->is_key)
		tree_drop_key(tree, node->place);
	else
		tree_put(tree, node);
}

/* What an alias stands for, or NULL when that was reported. */
static struct anchor *tree_find_anchor(struct tree *tree, const yaml_char_t *name,
				       struct place place)
{
	struct anchor *anchor = map_find(&tree->anchors, str_of((const char *)name));

	if (!anchor) {
		mend_report_alias(place, tree->scan.line_start + place.col - 1, tree->diag);
		return NULL;
	}
	if (anchor->open) {
		diag_error(tree->diag, place,
			   "the alias *%s stands inside what it names (line %u), which would never "
			   "end; remove it",
			   anchor->name.ptr, anchor->place.line);
		return NULL;
	}
	return anchor;
}

static void tree_on_alias(struct tree *tree, const yaml_event_t *event)
{
	struct place place = scan_place(&tree->scan, event->start_mark, event->end_mark);
	struct anchor *anchor = tree_find_anchor(tree, event->data.alias.anchor, place);
	struct node *node;

	if (tree_wants_key(tree)) {
		if (anchor)
			diag_error(
				tree->diag, place,
				"a key is text, not an alias; write it out, or put it in quotes");
		tree_drop_key(tree, place);
		return;
	}
	if (!anchor) {
		node = tree_new_node(tree, NODE_NULL, place);
		if (node) {
			node->text = STR("");
			tree_put(tree, node);
		}
		return;
	}
	if (!tree_spend(tree, anchor->n_nodes, place))
		return;
	if (tree->depth + anchor->height > CONF_DEPTH_MAX) {
		diag_error(tree->diag, place, "more than %d levels with what *%s stands for",
			   CONF_DEPTH_MAX, anchor->name.ptr);
		tree->failed = true;
		return;
	}
	if (tree->depth > 0)
		tree_top(tree)->height = MAX(tree_top(tree)->height, anchor->height);
	tree_put(tree, anchor->node);
}

/* Behind the document only comments may follow. libyaml is not asked for what does. */
static void tree_check_rest(struct tree *tree, const yaml_event_t *event)
{
	size_t at = scan_seek(&tree->scan, event->end_mark);
	struct str rest = str_skip(tree->source->text, at), part;

	while (rest.len > 0 && str_next_part(&rest, '\n', &part)) {
		struct str line = str_trim_space(part);
		size_t offset = (size_t)(line.ptr - tree->source->text.ptr);

		if (line.len == 0 || line.ptr[0] == '#' || str_eq(line, STR("...")))
			continue;
		tree->failed = true;
		if (str_starts_with(line, STR("---")) || str_starts_with(line, STR("%")))
			diag_error(tree->diag, scan_place_at(tree->source, offset, 3),
				   "a second document begins here, and a file holds one; put it in "
				   "a file of its own and include: it");
		else
			diag_error(tree->diag, scan_place_at(tree->source, offset, 1),
				   "text goes on behind the end of the document; remove it, or "
				   "check quotes and indentation");
		return;
	}
}

static void tree_on_event(struct tree *tree, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_START_EVENT:
		return;
	case YAML_STREAM_END_EVENT:
		tree->ended = true;
		return;
	case YAML_DOCUMENT_END_EVENT:
		tree->ended = true;
		tree_check_rest(tree, event);
		return;
	case YAML_ALIAS_EVENT:
		tree_on_alias(tree, event);
		return;
	case YAML_SCALAR_EVENT:
		tree_on_scalar(tree, event);
		return;
	case YAML_SEQUENCE_START_EVENT:
		tree_open(tree, NODE_LIST, event,
			  event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE,
			  event->data.sequence_start.anchor, event->data.sequence_start.tag);
		return;
	case YAML_MAPPING_START_EVENT:
		tree_open(tree, NODE_MAP, event,
			  event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE,
			  event->data.mapping_start.anchor, event->data.mapping_start.tag);
		return;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		tree_on_close(tree, event);
		return;
	}
	unreachable();
}

static void tree_run(struct tree *tree)
{
	size_t n_before = tree->diag->n_errors + tree->diag->n_warnings;
	yaml_event_t event;

	while (!tree->ended && !tree->failed) {
		if (!yaml_parser_parse(&tree->parser, &event)) {
			mend_report(&tree->parser, &tree->scan, tree_in_flow(tree), tree->diag);
			tree->failed = true;
			return;
		}
		tree_on_event(tree, &event);
		yaml_event_delete(&event);
		if (tree->diag->n_errors + tree->diag->n_warnings - n_before > REPORTS_MAX)
			tree->failed = true;
	}
}

/* An empty document is an empty map. */
static struct node *tree_take_root(struct tree *tree)
{
	struct node *root = tree->root;

	if (tree->failed)
		return NULL;
	if (!root || (root->kind == NODE_NULL && root->plain))
		root = tree_new_node(tree, NODE_MAP, (struct place){ tree->source, 1, 1, 0 });
	return root;
}

struct node *tree_read_within(const struct source *source, size_t *budget, struct arena *arena,
			      struct diag *diag)
{
	size_t begin = scan_begin(source);
	struct tree tree = { .source = source, .arena = arena, .diag = diag, .budget = budget };
	struct node *root;

	if (source->text.len > CONF_FILE_MAX) {
		diag_error(diag, (struct place){ source, 0, 0, 0 },
			   "the file is larger than %d MiB; split it by include:",
			   CONF_FILE_MAX >> 20);
		return NULL;
	}
	if (!scan_check(source, diag))
		return NULL;
	check(yaml_parser_initialize(&tree.parser));
	yaml_parser_set_encoding(&tree.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&tree.parser, (const unsigned char *)source->text.ptr + begin,
				     source->text.len - begin);
	scan_init(&tree.scan, source);
	map_init(&tree.anchors);
	tree_run(&tree);
	root = tree_take_root(&tree);
	map_fini(&tree.anchors);
	free(tree.entries);
	yaml_parser_delete(&tree.parser);
	return root;
}

struct node *tree_read(const struct source *source, struct arena *arena, struct diag *diag)
{
	size_t budget = CONF_NODES_MAX;

	return tree_read_within(source, &budget, arena, diag);
}
