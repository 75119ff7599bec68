/* conf/tree.h: a YAML document as a tree that knows where everything stands.
 *
 * Reading is strict (DESIGN §1.3.10, DECISIONS 26): duplicate keys, tabs, tags, merge keys, anchors
 * on scalars, more than CONF_DEPTH_MAX levels, invalid UTF-8 and NUL are errors with a message of
 * their own that names the mend. Aliases of lists and maps are shared nodes; how much they would
 * unfold to is bounded (CONF_NODES_MAX). The tree lives in an arena and is immutable. */
#pragma once
#include "core/base/arena.h"
#include "core/base/diag.h"

enum {
	CONF_DEPTH_MAX = 64,
	CONF_NODES_MAX = 2000000, /* of all files, aliases unfolded */
	CONF_FILE_MAX = 64 << 20, /* bytes of one file */
};

enum node_kind {
	NODE_NULL, /* ~, null, or nothing at all */
	NODE_BOOL, /* plain true or false */
	NODE_INT,  /* plain integer that fits 64 bits: .integer */
	NODE_REAL, /* plain number with a point or exponent, or past 64 bits: .real; .text is as
		    * written and need not be JSON's form (".5", "5.", "+1.5") */
	NODE_TEXT, /* quoted or block scalars, and all other plain ones (no, on, 12:30:00, 0777) */
	NODE_LIST,
	NODE_MAP,
};

struct node {
	enum node_kind kind;
	bool plain;         /* a scalar without quotes */
	struct place place; /* of its first byte; for a quoted scalar, of the quote */
	struct str text;    /* of a scalar: its content (NUL behind it), whatever its kind */
	union {
		bool boolean;
		int64_t integer;
		double real;
	};
	size_t n_entries;           /* of lists and maps */
	struct node_entry *entries; /* in the order of the file */
};

struct node_entry {
	struct str key; /* maps only; NUL behind it */
	struct place key_place;
	struct node *value;
};

/* Reads one file's text. NULL when nothing usable came out; errors are in `diag` in any case. An
 * empty document is a NODE_MAP without entries. `source` and its text must outlive the tree. */
struct node *tree_read(const struct source *source, struct arena *arena, struct diag *diag);

bool node_is_scalar(const struct node *node);
const char *node_kind_name(const struct node *node); /* "a map", "a list", "text", "a number", … */

/* The entry of that key in a map, or NULL (also when `map` is no map). */
const struct node_entry *node_entry_find(const struct node *map, const char *key);
const struct node *node_find(const struct node *map, const char *key);

/* Appends what a node says, whatever its layout: the same text has the same meaning. */
struct buf;
void node_write_text(const struct node *node, struct buf *out);
