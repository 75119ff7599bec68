/* tests/conf/reading.h: a text, read; and what was said about it. */
#pragma once
#include "conf/tree.h"
#include "core/base/buf.h"
#include "tests/lib/tap.h"

struct reading {
	struct arena arena;
	struct diag diag;
	struct source source;
	struct node *root;
	struct buf said;
};

static inline struct str reading_said(struct reading *r)
{
	buf_clear(&r->said);
	diag_write(&r->diag, &r->said);
	return buf_str(&r->said);
}

static inline void reading_start_str(struct reading *r, struct str text)
{
	arena_init_required(&r->arena);
	diag_init(&r->diag);
	buf_init(&r->said, SIZE_MAX);
	r->source = (struct source){ "a.yaml", text };
	r->root = tree_read(&r->source, &r->arena, &r->diag);
}

static inline void reading_start(struct reading *r, const char *text)
{
	reading_start_str(r, str_of(text));
}

static inline void reading_end(struct reading *r)
{
	diag_fini(&r->diag);
	buf_fini(&r->said);
	arena_fini(&r->arena);
}

/* One check: `text` gives exactly one message, `want`, its place before it; or none (""). */
#define says_one(text, want) reading_says_one(str_of(text), want, __FILE__, __LINE__)

static inline void reading_says_one(struct str text, const char *want, const char *file, int line)
{
	struct reading r;
	struct str said, first = STR("");

	reading_start_str(&r, text);
	said = reading_said(&r);
	if (said.len)
		str_next_part(&said, '\n', &first);
	tap_is_str(first, str_of(want), file, line, "the message");
	if (r.diag.n_entries != (*want != 0))
		tap_ok(false, file, line, "there are %zu messages", r.diag.n_entries);
	reading_end(&r);
}

static inline const struct node *reading_at(const struct reading *r, const char *key)
{
	const struct node *node = r->root ? node_find(r->root, key) : NULL;

	check_that(node, "key=%s", key);
	return node;
}
