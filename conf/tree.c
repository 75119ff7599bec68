/* conf/tree.c: libyaml's events to a tree.
 *
 * Depth is asked at each event, so libyaml never looks further into a heap of brackets than the
 * 1,024 characters in which it looks for the end of a key; what it does costs the square of that. */
#include "conf/tree.h"
#include "conf/builder.h"
#include "conf/mend.h"
#include "conf/reader.h"
#include "conf/scalar.h"
#include <stdlib.h>

/* A file with more errors and warnings is read no further. */
enum { REPORTS_MAX = 1000 };

/* A tab is not seen by libyaml inside { } and [ ]. */
static void tree_check_tab(struct builder *b, yaml_mark_t start)
{
	size_t at = scan_seek(&b->scan, start), from = at;
	const char *text = b->source->text.ptr;
	bool has_tab = false;

	while (from > b->scan.line_start && (text[from - 1] == ' ' || text[from - 1] == '\t'))
		has_tab = text[--from] == '\t' || has_tab;
	if (has_tab && from == b->scan.line_start)
		diag_error(b->diag, (struct place){ b->source, b->scan.line, 1, 1 },
			   "a tab; indent with spaces");
}

/* Anchor and tag of a node, where they may not be. */
static void tree_check_marks(struct builder *b, yaml_mark_t start, const yaml_char_t *anchor,
			     const yaml_char_t *tag)
{
	struct place place;

	if (builder_in_flow(b))
		tree_check_tab(b, start);
	if (!tag && !anchor)
		return;
	place = scan_place(&b->scan, start, start);
	place.len = 1;
	if (anchor)
		mend_report_anchor(place, b->scan.at, builder_in_flow(b), b->diag);
	if (tag && anchor)
		diag_error(b->diag, place, "YAML tags (%s) have no use here; remove it",
			   (const char *)tag);
	else if (tag)
		mend_report_tag(place, b->scan.at, builder_in_flow(b), b->diag);
}

static void tree_on_scalar(struct builder *b, const yaml_event_t *event)
{
	struct str text = { (const char *)event->data.scalar.value, event->data.scalar.length };
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct place place = scan_place(&b->scan, event->start_mark, event->end_mark);
	const char *problem = NULL;
	struct node *node;

	if (memchr(text.ptr, '\0', text.len))
		diag_error(b->diag, place, "\\0 makes a NUL byte, which no text may have");
	if (plain) {
		scan_seek(&b->scan, event->end_mark);
		mend_check_comment(&b->scan, b->diag);
	}
	tree_check_marks(b, event->start_mark, event->data.scalar.anchor, event->data.scalar.tag);
	if (builder_wants_key(b)) {
		builder_put_key(b, text, plain, place);
		return;
	}
	node = builder_new_node(b, NODE_TEXT, place);
	if (!node || !builder_spend(b, 1, place))
		return;
	node->plain = plain;
	node->text = arena_str(b->arena, text);
	if (!node->text.ptr)
		builder_fail(b, place, "no memory is left for this file; make it smaller");
	else if (plain && !event->data.scalar.tag)
		problem = scalar_resolve(node);
	if (problem)
		diag_error(b->diag, place, "%s", problem);
	builder_put(b, node);
}

static struct anchor *tree_add_anchor(struct builder *b, const yaml_char_t *name, struct node *node)
{
	struct str text = arena_str(b->arena, str_of((const char *)name));
	struct anchor *anchor = arena_zalloc(b->arena, sizeof(*anchor)), *other;

	if (!anchor || !text.ptr) {
		builder_fail(b, node->place, "no memory is left for this file; make it smaller");
		return NULL;
	}
	*anchor = (struct anchor){ .name = text, .node = node, .place = node->place, .open = true };
	other = map_set(&b->anchors, text, anchor);
	if (other)
		diag_error(b->diag, node->place,
			   "the anchor &%s is set twice, first at line %u, column %u; choose "
			   "another name",
			   text.ptr, other->place.line, other->place.col);
	return anchor;
}

/* A list or map begins. */
static void tree_open(struct builder *b, enum node_kind kind, const yaml_event_t *event, bool flow,
		      const yaml_char_t *anchor, const yaml_char_t *tag)
{
	struct place place = scan_place(&b->scan, event->start_mark, event->end_mark);
	struct node *node;
	struct frame *frame;

	tree_check_marks(b, event->start_mark, NULL, tag);
	if (b->depth == CONF_DEPTH_MAX) {
		diag_error(b->diag, place, "more than %d levels; make it flatter", CONF_DEPTH_MAX);
		b->failed = true;
		return;
	}
	node = builder_new_node(b, kind, place);
	if (!node || !builder_spend(b, 1, place))
		return;
	frame = &b->frames[b->depth];
	*frame = (struct frame){ .node = node,
				 .first_entry = b->n_entries,
				 .n_nodes = 1,
				 .flow = flow,
				 .is_key = builder_wants_key(b) };
	if (frame->is_key)
		diag_error(b->diag, place, "a key is text, not %s; put it in quotes",
			   node_kind_name(node));
	if (anchor)
		frame->anchor = tree_add_anchor(b, anchor, node);
	b->depth++;
}

/* The underline of { … } and [ … ] that stand on one line covers them. */
static void tree_set_len(struct builder *b, const struct frame *frame, const yaml_event_t *event)
{
	size_t end = scan_seek(&b->scan, event->end_mark);

	if (frame->flow && b->scan.line == frame->node->place.line)
		frame->node->place.len =
			(uint32_t)(end - b->scan.line_start) + 1 - frame->node->place.col;
}

static void tree_on_close(struct builder *b, const yaml_event_t *event)
{
	struct frame *frame = builder_top(b);
	struct node *node = frame->node;
	size_t n_entries = b->n_entries - frame->first_entry;
	struct node_entry *entries = n_entries ? b->entries + frame->first_entry : NULL;

	tree_set_len(b, frame, event);
	if (node->kind == NODE_MAP)
		n_entries = builder_drop_duplicates(b, entries, n_entries);
	node->n_entries = n_entries;
	node->entries = arena_alloc_array(b->arena, n_entries, sizeof(*entries));
	if (!node->entries) {
		builder_fail(b, node->place, "no memory is left for this file; make it smaller");
		return;
	}
	if (entries)
		memcpy(node->entries, entries, n_entries * sizeof(*entries));
	b->n_entries = frame->first_entry;
	if (frame->anchor) {
		frame->anchor->n_nodes = frame->n_nodes;
		frame->anchor->height = frame->height + 1;
		frame->anchor->open = false;
	}
	b->depth--;
	if (b->depth > 0) {
		struct frame *parent = builder_top(b);

		parent->height = MAX(parent->height, frame->height + 1);
		parent->n_nodes += frame->n_nodes - 1; /* 1 was counted when it began */
	}
	if (frame->is_key)
		builder_drop_key(b, node->place);
	else
		builder_put(b, node);
}

/* What an alias stands for, or NULL when that was reported. */
static struct anchor *tree_find_anchor(struct builder *b, const yaml_char_t *name,
				       struct place place)
{
	struct anchor *anchor = map_find(&b->anchors, str_of((const char *)name));

	if (!anchor) {
		mend_report_alias(place, b->scan.line_start + place.col - 1, builder_in_flow(b),
				  b->diag);
		return NULL;
	}
	if (anchor->open) {
		diag_error(b->diag, place,
			   "the alias *%s stands inside what it names (line %u), which would never "
			   "end; remove it",
			   anchor->name.ptr, anchor->place.line);
		return NULL;
	}
	return anchor;
}

static void tree_on_alias(struct builder *b, const yaml_event_t *event)
{
	struct place place = scan_place(&b->scan, event->start_mark, event->end_mark);
	struct anchor *anchor = tree_find_anchor(b, event->data.alias.anchor, place);
	struct node *node;

	if (builder_wants_key(b)) {
		if (anchor)
			diag_error(
				b->diag, place,
				"a key is text, not an alias; write it out, or put it in quotes");
		builder_drop_key(b, place);
		return;
	}
	if (!anchor) {
		node = builder_new_node(b, NODE_NULL, place);
		if (node) {
			node->text = STR("");
			builder_put(b, node);
		}
		return;
	}
	if (!builder_spend(b, anchor->n_nodes, place))
		return;
	if (b->depth + anchor->height > CONF_DEPTH_MAX) {
		diag_error(b->diag, place, "more than %d levels with what *%s stands for",
			   CONF_DEPTH_MAX, anchor->name.ptr);
		b->failed = true;
		return;
	}
	if (b->depth > 0)
		builder_top(b)->height = MAX(builder_top(b)->height, anchor->height);
	builder_put(b, anchor->node);
}

/* Behind the document only comments may follow. libyaml is not asked for what does. */
static void tree_check_rest(struct builder *b, const yaml_event_t *event)
{
	size_t at = scan_seek(&b->scan, event->end_mark);
	struct str rest = str_skip(b->source->text, at), part;

	while (rest.len > 0 && str_next_part(&rest, '\n', &part)) {
		struct str line = str_trim_space(part);
		size_t offset = (size_t)(line.ptr - b->source->text.ptr);

		if (line.len == 0 || line.ptr[0] == '#' || str_eq(line, STR("...")))
			continue;
		b->failed = true;
		if (str_starts_with(line, STR("---")) || str_starts_with(line, STR("%")))
			diag_error(b->diag, scan_place_at(b->source, offset, 3),
				   "a second document begins here, and a file holds one; put it in "
				   "a file of its own and include: it");
		else
			diag_error(b->diag, scan_place_at(b->source, offset, 1),
				   "text goes on behind the end of the document; remove it, or "
				   "check quotes and indentation");
		return;
	}
}

static void tree_on_event(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_START_EVENT:
		return;
	case YAML_STREAM_END_EVENT:
		b->ended = true;
		return;
	case YAML_DOCUMENT_END_EVENT:
		b->ended = true;
		tree_check_rest(b, event);
		return;
	case YAML_ALIAS_EVENT:
		tree_on_alias(b, event);
		return;
	case YAML_SCALAR_EVENT:
		tree_on_scalar(b, event);
		return;
	case YAML_SEQUENCE_START_EVENT:
		tree_open(b, NODE_LIST, event,
			  event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE,
			  event->data.sequence_start.anchor, event->data.sequence_start.tag);
		return;
	case YAML_MAPPING_START_EVENT:
		tree_open(b, NODE_MAP, event,
			  event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE,
			  event->data.mapping_start.anchor, event->data.mapping_start.tag);
		return;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		tree_on_close(b, event);
		return;
	}
	unreachable();
}

static void tree_run(struct builder *b)
{
	size_t n_before = b->diag->n_errors + b->diag->n_warnings;
	yaml_event_t event;

	while (!b->ended && !b->failed) {
		if (!yaml_parser_parse(&b->parser, &event)) {
			mend_report(&b->parser, &b->scan, builder_in_flow(b), b->diag);
			b->failed = true;
			return;
		}
		tree_on_event(b, &event);
		yaml_event_delete(&event);
		if (b->diag->n_errors + b->diag->n_warnings - n_before > REPORTS_MAX)
			b->failed = true;
	}
}

/* An empty document is an empty map. */
static struct node *tree_take_root(struct builder *b)
{
	struct node *root = b->root;

	if (b->failed)
		return NULL;
	if (!root || (root->kind == NODE_NULL && root->plain))
		root = builder_new_node(b, NODE_MAP, (struct place){ b->source, 1, 1, 0 });
	return root;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builder counts it down */
struct node *tree_read_within(const struct source *source, size_t *budget, struct arena *arena,
			      struct diag *diag)
{
	struct str text;
	struct builder b = { .source = source, .arena = arena, .diag = diag, .budget = budget };
	struct node *root;

	if (source->text.len > CONF_FILE_MAX) {
		diag_error(diag, (struct place){ source, 0, 0, 0 },
			   "the file is larger than %d MiB; split it by include:",
			   CONF_FILE_MAX >> 20);
		return NULL;
	}
	if (!scan_check(source, diag))
		return NULL;
	if (!yaml_parser_initialize(&b.parser)) {
		diag_error(diag, (struct place){ source, 0, 0, 0 },
			   "there is no memory to read it");
		return NULL;
	}
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	text = str_skip(source->text, scan_begin(source));
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)(text.len ? text.ptr : ""),
				     text.len);
	scan_init(&b.scan, source);
	map_init(&b.anchors);
	tree_run(&b);
	root = tree_take_root(&b);
	map_fini(&b.anchors);
	free(b.entries);
	yaml_parser_delete(&b.parser);
	return root;
}

struct node *tree_read(const struct source *source, struct arena *arena, struct diag *diag)
{
	size_t budget = CONF_NODES_MAX;

	return tree_read_within(source, &budget, arena, diag);
}
