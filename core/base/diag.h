/* core/base/diag.h: what is wrong with a user's input, said so that the user can mend it.
 *
 * Whoever reads input collects into one struct diag and goes on, so that one run shows every
 * error. An entry prints as
 *
 *     leat.yaml:12:5: error: unknown key "tsaks"; did you mean "tasks"?
 *        12 |     tsaks:
 *           |     ^~~~~
 *
 * One thread at a time. */
#pragma once
#include "core/base/str.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

/* A text that was read, by the name under which its reader knows it. */
struct source {
	const char *name; /* path of the file */
	struct str text;
};

/* Where something stands. `source` may be NULL: then there is no line to show. Lines and columns
 * count from 1; a column counts bytes. */
struct place {
	const struct source *source;
	uint32_t line, col;
	uint32_t len; /* how much to underline; 0: one caret */
};

enum diag_level {
	DIAG_ERROR,   /* it is refused */
	DIAG_WARNING, /* it works, and probably not as meant */
};

struct diag_entry {
	enum diag_level level;
	char *file; /* NULL: no place */
	uint32_t line, col, len;
	char *message;
	char *source_line; /* NULL: none; without its line end, cut when very long */
};

struct diag {
	struct diag_entry *entries; /* in the order of their being found */
	size_t n_entries;
	size_t n_errors, n_warnings; /* all, also those past the limit on entries */
};

void diag_init(struct diag *diag);
void diag_fini(struct diag *diag);

/* The message has no full stop and names the mend after a semicolon: "not a duration; write 200ms,
 * 5s, 10m, 3h or 2d". At most 1,000 entries are kept. Control characters are escaped. */
void diag_error(struct diag *diag, struct place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void diag_warning(struct diag *diag, struct place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void diag_add(struct diag *diag, enum diag_level level, struct place place, const char *format,
	      va_list args) __attribute__((format(printf, 4, 0)));

/* By file, then line, then column; the order of being found where these are equal. */
void diag_sort(struct diag *diag);

struct buf;
void diag_write(const struct diag *diag, struct buf *out);
void diag_print(const struct diag *diag, FILE *file);

/* The name in `names` (NULL at the end) that `name` was probably meant to be, or NULL. */
const char *diag_nearest(struct str name, const char *const names[]);
