/* server/schema/pattern.h: regular expressions as ECMA-262 writes them, matched by PCRE2.
 *
 * No pattern and no subject can keep a thread: the backtracking of a match is counted, and paid
 * for in steps. Compiled patterns are immutable; matching writes to a struct pattern_memory. */
#pragma once
#include "core/base/arena.h"

struct pattern;

struct pattern_memory {
	void *general, *context, *data; /* made when first needed; NULL before */
};

void pattern_memory_fini(struct pattern_memory *memory);

/* NULL, and what is wrong with it in *ret_problem; `arena` is a required one. */
const struct pattern *pattern_compile(struct arena *arena, struct str text,
				      struct str *ret_problem);
struct str pattern_text(const struct pattern *pattern);

enum pattern_verdict {
	PATTERN_MATCHES,
	PATTERN_DIFFERS,    /* or the subject is not UTF-8 */
	PATTERN_UNDECIDED,  /* it takes more than *steps */
	PATTERN_IMPOSSIBLE, /* it takes more than any subject may */
	PATTERN_NO_MEMORY,
};

/* Whether the pattern matches anywhere in the subject. Takes its cost off *steps. */
enum pattern_verdict pattern_match(const struct pattern *pattern, struct str subject,
				   struct pattern_memory *memory, uint64_t *steps);

/* Whether the text is a regular expression of ECMA-262, by its grammar alone: nothing is compiled,
 * and it costs no more than its length. *ret_problem may be NULL. */
bool pattern_is_ecma(struct str text, const char **ret_problem);
