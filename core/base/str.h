/* core/base/str.h: slices of text.
 *
 * A slice does not own its bytes and has no NUL at its end. `ptr` may be NULL when `len` is 0.
 * Comparison without case is ASCII's, whatever the locale (RFC 9110 §5.1, §5.6.2). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *ptr;
	size_t len;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_INIT(literal)                                                                          \
	{                                                                                          \
		"" literal, sizeof(literal) - 1                                                    \
	} /* for static tables */
#define STR_NONE ((struct str){ NULL, 0 })
#define STR_ARG(s) (int)(s).len, (s).ptr /* for "%.*s" */

static inline struct str str_of(const char *text) /* NULL gives an empty slice */
{
	return (struct str){ text, text ? strlen(text) : 0 };
}

static inline struct str str_range(const char *from, const char *to)
{
	return (struct str){ from, (size_t)(to - from) };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_same_nocase(struct str a, struct str b); /* of the same length */

static inline bool str_eq_nocase(struct str a, struct str b)
{
	return a.len == b.len && str_same_nocase(a, b);
}

int str_cmp(struct str a, struct str b); /* by bytes, as memcmp(); a prefix is less */
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
bool str_has(struct str s, char c);

/* The first place of `c` or of `needle`, or -1. */
ptrdiff_t str_find_char(struct str s, char c);
ptrdiff_t str_find(struct str s, struct str needle);

struct str str_skip(struct str s,
		    size_t n); /* without its first n bytes; n may exceed the length */
struct str str_first(struct str s, size_t n); /* its first n bytes */
struct str str_trim(struct str s);            /* without SP and HTAB at both ends */
struct str str_trim_space(struct str s);      /* without SP, HTAB, CR, LF at both ends */

/* Takes the part before the first `c` off `rest` into `*ret_part`; the last part is what is left.
 * False when nothing is left: an empty `rest` gives one empty part, then false (start with
 * rest.ptr not NULL). */
bool str_next_part(struct str *rest, char c, struct str *ret_part);

/* Decimal digits only, all of them: no sign, no space. -EINVAL; -ERANGE when it does not fit. */
int str_to_u64(struct str s, uint64_t *ret_number);
int str_to_i64(struct str s, int64_t *ret_number); /* the same with an optional '-' */

/* True when the bytes are UTF-8 as RFC 3629 defines it: no surrogates, nothing overlong. */
bool str_is_utf8(struct str s);

/* How many single-character edits lead from a to b, at most `max` + 1 (then it is more than
 * max). */
unsigned str_distance(struct str a, struct str b, unsigned max);

static inline char char_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline bool char_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool char_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int char_hex(char c); /* 0 to 15, or -1 */
