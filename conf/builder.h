/* conf/builder.h: a tree that is being read.
 *
 * A frame is a list or map that is open; there are at most CONF_DEPTH_MAX, so nothing recurses.
 * Entries wait on one stack of all open frames and are copied into the arena when theirs closes. */
#pragma once
#include "conf/scan.h"
#include "conf/tree.h"
#include "core/base/map.h"

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
	size_t first_entry;    /* in builder.entries */
	size_t n_nodes;
	unsigned height; /* of what is in it */
	bool flow;
	bool is_key;  /* stands where a key should; was reported, and is dropped at its end */
	bool has_key; /* of a map: `entry` has its key, and the next node is its value */
	bool dropped; /* the key was reported; its value is not kept */
	struct node_entry entry;
};

struct builder {
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

/* Nothing that follows can be read; only the first reason is told. */
void builder_fail(struct builder *b, struct place place, const char *message);

/* The innermost frame; there must be one. */
struct frame *builder_top(struct builder *b);
bool builder_in_flow(struct builder *b);

/* A node counts when it stands in the file, and again for each alias of it. False, and an error,
 * when there are too many. */
bool builder_spend(struct builder *b, size_t n_nodes, struct place place);

/* NULL, and an error, when the arena is full. */
struct node *builder_new_node(struct builder *b, enum node_kind kind, struct place place);

/* Puts a node that is whole into the frame around it. */
void builder_put(struct builder *b, struct node *node);

/* The next node is a key. */
bool builder_wants_key(struct builder *b);
void builder_put_key(struct builder *b, struct str text, bool plain, struct place place);

/* The key that was read is none; its value is read and forgotten. */
void builder_drop_key(struct builder *b, struct place place);

/* Keeps the first of equal keys, and reports the others. Returns how many are kept. */
size_t builder_drop_duplicates(struct builder *b, struct node_entry *entries, size_t n_entries);
