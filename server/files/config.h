/* server/files/config.h: what `files:` says, compiled: the folder, and how it is served. */
#pragma once
#include "conf/settings.h"
#include "core/base/diag.h"
#include "server/files/file.h"

enum { FILES_MARK_SIZE = 16 };

/* An ending of file names and its media type, of the user's own. */
struct files_type {
	struct str ending, type;
};

struct files {
	struct str root, index, cache_control, fallback;
	bool listing, etag, hidden;
	int links; /* enum file_links */
	struct setting_texts precompressed;
	const struct node *types_node;
	bool has_rest;   /* the pattern ends in {name...}: that is looked for */
	struct str path; /* else this one, beneath the root; empty: the root itself */
	size_t n_codings;
	const struct file_coding *codings[FILE_CODINGS_MAX];
	size_t n_types;
	struct files_type *types;
	char mark
		[FILES_MARK_SIZE]; /* the same for what is served in the same way: keys begin with it */
};

/* Compiles the node at `files:` (a folder, or a map). `has_rest`: the pattern ends in {name...}.
 * NULL with errors. */
struct files *files_compile(struct arena *arena, struct diag *diag, const struct node *node,
			    bool has_rest);

/* The media type of a file by its name, with a charset for text. */
struct str files_type(const struct files *files, struct str name);

extern const struct setting files_keys[];
