/* server/schema/pattern_syntax.c
 *
 * One pass, no recursion: groups are a counter. What PCRE2 would read in another way is refused
 * when ECMA-262 has no such thing ((*VERB), (?R), \A, possessive quantifiers, …), and rewritten
 * when it has: \v, surrogate pairs, '[' in a class. Liberties that browsers take without the flag u
 * are taken here too: a ']' or '}' alone, a '-' beside a class in a class, and any punctuation that
 * is escaped stand for themselves. */
#include "server/schema/pattern_syntax.h"

enum { GROUPS_MAX = 200, REPEAT_MAX = 65535 };

enum atom_kind {
	ATOM_NONE, /* nothing that could be repeated */
	ATOM_ONE,  /* may be repeated */
	ATOM_BAD,  /* `problem` says why */
};

struct reading {
	struct str rest;
	struct buf *out;
	const char *problem;
	unsigned depth;
	bool is_lookbehind[GROUPS_MAX]; /* of the groups that are open */
	uint64_t n_groups, max_backreference;
	bool names;
};

static char reading_peek(const struct reading *reading, size_t at)
{
	return at < reading->rest.len ? reading->rest.ptr[at] : '\0';
}

static void reading_put(struct reading *reading, struct str text)
{
	if (reading->out)
		buf_add(reading->out, text);
}

static void reading_skip(struct reading *reading, size_t len)
{
	reading->rest = str_skip(reading->rest, len);
}

/* Passes `len` bytes on as they are. */
static void reading_copy(struct reading *reading, size_t len)
{
	reading_put(reading, str_first(reading->rest, len));
	reading_skip(reading, len);
}

static enum atom_kind reading_fail(struct reading *reading, const char *problem)
{
	reading->problem = problem;
	return ATOM_BAD;
}

static bool is_digit_at(const struct reading *reading, size_t at)
{
	return char_is_digit(reading_peek(reading, at));
}

/* `n_digits` hexadecimal digits at `at`; -1 when they are not there. */
static int32_t reading_hex(const struct reading *reading, size_t at, size_t n_digits)
{
	int32_t code = 0;

	if (reading->rest.len < at + n_digits)
		return -1;
	for (size_t i = 0; i < n_digits; i++) {
		int digit = char_hex(reading->rest.ptr[at + i]);

		if (digit < 0)
			return -1;
		code = code * 16 + digit;
	}
	return code;
}

/* ------------------------------------------------------------ escapes; `rest` is at the '\' */

static void reading_put_code(struct reading *reading, int32_t code)
{
	if (reading->out)
		buf_printf(reading->out, "\\u{%x}", (unsigned)code);
}

static enum atom_kind reading_braced_code(struct reading *reading, int32_t *ret_code)
{
	size_t at = 3;
	int32_t code = 0;

	for (; char_hex(reading_peek(reading, at)) >= 0 && code <= 0x10ffff; at++)
		code = code * 16 + char_hex(reading_peek(reading, at));
	if (at == 3 || reading_peek(reading, at) != '}' || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return reading_fail(reading, "\\u{…} holds no code point");
	reading_put_code(reading, code);
	reading_skip(reading, at + 1);
	*ret_code = code;
	return ATOM_ONE;
}

static enum atom_kind reading_unicode(struct reading *reading, int32_t *ret_code)
{
	int32_t code = reading_hex(reading, 2, 4), low;
	size_t len = 6;

	if (reading_peek(reading, 2) == '{')
		return reading_braced_code(reading, ret_code);
	if (code < 0)
		return reading_fail(reading, "\\u needs four hexadecimal digits");
	if (code >= 0xd800 && code <= 0xdfff) {
		low = reading_peek(reading, 6) == '\\' && reading_peek(reading, 7) == 'u'
			      ? reading_hex(reading, 8, 4)
			      : -1;
		if (code > 0xdbff || low < 0xdc00 || low > 0xdfff)
			return reading_fail(reading, "half of a surrogate pair");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		len = 12;
	}
	reading_put_code(reading, code);
	reading_skip(reading, len);
	*ret_code = code;
	return ATOM_ONE;
}

static enum atom_kind reading_property(struct reading *reading)
{
	size_t at = 3;
	char c;

	if (reading_peek(reading, 2) != '{')
		return reading_fail(reading, "\\p needs a property in braces");
	for (; (c = reading_peek(reading, at)) != '}'; at++)
		if (!char_is_alpha(c) && !char_is_digit(c) && c != '_' && c != '=')
			return reading_fail(reading, "\\p{…} holds no property");
	if (at == 3)
		return reading_fail(reading, "\\p{…} holds no property");
	reading_copy(reading, at + 1);
	return ATOM_ONE;
}

/* Escapes that mean the same in a class and outside. *ret_code is -1 for a class of its own. */
static enum atom_kind reading_escape(struct reading *reading, int32_t *ret_code)
{
	static const char controls[] = "fnrtv", control_codes[] = "\f\n\r\t\v";
	char c = reading_peek(reading, 1);
	const char *control = c ? strchr(controls, c) : NULL;

	*ret_code = -1;
	if (reading->rest.len < 2)
		return reading_fail(reading, "ends with a backslash");
	if (control) {
		*ret_code = (unsigned char)control_codes[control - controls];
		reading_put_code(reading, *ret_code);
		reading_skip(reading, 2);
		return ATOM_ONE;
	}
	if (c == 'u')
		return reading_unicode(reading, ret_code);
	if (c == 'p' || c == 'P')
		return reading_property(reading);
	if (c && strchr("dDsSwW", c)) {
		reading_copy(reading, 2);
		return ATOM_ONE;
	}
	if (c == 'x' || c == 'c' || c == '0') {
		size_t len = c == 'x' ? 4 : c == 'c' ? 3 : 2;

		*ret_code = c == 'x' ? reading_hex(reading, 2, 2) : reading_peek(reading, 2) & 0x1f;
		if (*ret_code < 0 || (c == 'c' && !char_is_alpha(reading_peek(reading, 2))) ||
		    (c == '0' && is_digit_at(reading, 2)))
			return reading_fail(reading, "not an escape of ECMA-262");
		if (c == '0')
			*ret_code = 0;
		reading_put_code(reading, *ret_code);
		reading_skip(reading, len);
		return ATOM_ONE;
	}
	if (char_is_alpha(c) || char_is_digit(c) || c == '_' || (unsigned char)c >= 0x80 ||
	    (unsigned char)c < 0x20)
		return reading_fail(reading, "not an escape of ECMA-262");
	*ret_code = (unsigned char)c;
	reading_copy(reading, 2);
	return ATOM_ONE;
}

static enum atom_kind reading_backreference(struct reading *reading)
{
	uint64_t number = 0;
	size_t at = 1;

	for (; is_digit_at(reading, at) && number < 1000; at++)
		number = number * 10 + (uint64_t)(reading_peek(reading, at) - '0');
	if (number > reading->max_backreference)
		reading->max_backreference = number;
	if (reading->out)
		buf_printf(reading->out, "\\g{%u}", (unsigned)number);
	reading_skip(reading, at);
	return ATOM_ONE;
}

/* The length of "NAME>" at `at`, or 0. */
static size_t reading_name(const struct reading *reading, size_t at)
{
	size_t from = at;
	char c;

	for (; (c = reading_peek(reading, at)) != '>'; at++)
		if (!char_is_alpha(c) && c != '_' && (at == from || !char_is_digit(c)))
			return 0;
	return at - from > 0 && at - from <= 32 ? at + 1 - from : 0;
}

static enum atom_kind reading_named_backreference(struct reading *reading)
{
	size_t len = reading_peek(reading, 2) == '<' ? reading_name(reading, 3) : 0;

	if (!len)
		return reading_fail(reading, "\\k needs a name in angle brackets");
	reading_copy(reading, 3 + len);
	reading->names = true;
	return ATOM_ONE;
}

/* ------------------------------------------------------------ classes; `rest` is behind the '[' */

static enum atom_kind reading_class_atom(struct reading *reading, int32_t *ret_code)
{
	unsigned char c = (unsigned char)reading_peek(reading, 0);
	size_t len = 1;

	if (c == '\\' && reading_peek(reading, 1) == 'b') {
		*ret_code = '\b';
		reading_put_code(reading, '\b');
		reading_skip(reading, 2);
		return ATOM_ONE;
	}
	if (c == '\\')
		return reading_escape(reading, ret_code);
	*ret_code = c;
	if (c >= 0xc0) { /* the text is UTF-8 */
		len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
		*ret_code = c & (0x7f >> len);
		for (size_t i = 1; i < len; i++)
			*ret_code = *ret_code << 6 | (reading_peek(reading, i) & 0x3f);
	}
	if (c == '[')
		reading_put(reading, STR("\\"));
	reading_copy(reading, len);
	return ATOM_ONE;
}

/* After the '-' at `rest` comes what can end a range. */
static bool reading_range_ends(const struct reading *reading)
{
	char next = reading_peek(reading, 1), escaped = reading_peek(reading, 2);

	return next != ']' && (next != '\\' || !escaped || !strchr("dDsSwWpP", escaped));
}

/* "[\w-.]" has no range: its '-' stands for itself. */
static enum atom_kind reading_class(struct reading *reading)
{
	int32_t from, to;

	if (reading_peek(reading, 0) == '^')
		reading_copy(reading, 1);
	while (reading->rest.len && reading->rest.ptr[0] != ']') {
		if (reading_class_atom(reading, &from) == ATOM_BAD)
			return ATOM_BAD;
		if (reading_peek(reading, 0) != '-' || reading->rest.len < 2)
			continue;
		if (from < 0 || !reading_range_ends(reading)) {
			reading_put(reading, STR("\\-"));
			reading_skip(reading, 1);
			continue;
		}
		reading_copy(reading, 1);
		if (reading_class_atom(reading, &to) == ATOM_BAD)
			return ATOM_BAD;
		if (to < from)
			return reading_fail(reading, "a range out of order");
	}
	if (!reading->rest.len)
		return reading_fail(reading, "a class without its ]");
	reading_copy(reading, 1);
	return ATOM_ONE;
}

/* ------------------------------------------------------------ groups and repetition */

static enum atom_kind reading_open(struct reading *reading)
{
	bool lookbehind = false;
	size_t len = 1;

	if (reading->depth == GROUPS_MAX)
		return reading_fail(reading, "groups nest too deep");
	if (reading_peek(reading, 1) == '*')
		return reading_fail(reading, "nothing to repeat");
	if (reading_peek(reading, 1) != '?') {
		reading->n_groups++;
	} else if (reading_peek(reading, 2) == '<') {
		lookbehind = reading_peek(reading, 3) == '=' || reading_peek(reading, 3) == '!';
		len = lookbehind ? 4 : reading_name(reading, 3);
		if (!len)
			return reading_fail(reading, "not a group of ECMA-262");
		reading->n_groups += !lookbehind;
		len += lookbehind ? 0 : 3;
	} else if (reading_peek(reading, 2) && strchr(":=!", reading_peek(reading, 2))) {
		len = 3;
	} else {
		return reading_fail(reading, "not a group of ECMA-262");
	}
	reading->is_lookbehind[reading->depth++] = lookbehind;
	reading_copy(reading, len);
	return ATOM_NONE;
}

static enum atom_kind reading_close(struct reading *reading)
{
	if (reading->depth == 0)
		return reading_fail(reading, "a ) without its (");
	reading_copy(reading, 1);
	return reading->is_lookbehind[--reading->depth] ? ATOM_NONE : ATOM_ONE;
}

/* "{2}", "{2,}", "{2,5}": how long; 0 when it is none. */
static size_t reading_braces(struct reading *reading)
{
	uint64_t least = 0, most;
	size_t at = 1;

	for (; is_digit_at(reading, at) && least <= REPEAT_MAX; at++)
		least = least * 10 + (uint64_t)(reading_peek(reading, at) - '0');
	if (at == 1)
		return 0;
	most = least;
	if (reading_peek(reading, at) == ',') {
		at++;
		most = is_digit_at(reading, at) ? 0 : REPEAT_MAX;
		for (; is_digit_at(reading, at) && most <= REPEAT_MAX; at++)
			most = most * 10 + (uint64_t)(reading_peek(reading, at) - '0');
	}
	if (reading_peek(reading, at) != '}' || least > most || most > REPEAT_MAX)
		return 0;
	return at + 1;
}

static enum atom_kind reading_repeat(struct reading *reading, enum atom_kind before)
{
	size_t len = reading->rest.ptr[0] == '{' ? reading_braces(reading) : 1;

	if (!len)
		return reading_fail(reading, "a { that begins no {n}, {n,} or {n,m}; write \\{");
	if (before != ATOM_ONE)
		return reading_fail(reading, "nothing to repeat");
	if (reading_peek(reading, len) == '?')
		len++;
	reading_copy(reading, len);
	return ATOM_NONE;
}

static enum atom_kind reading_backslash(struct reading *reading)
{
	char c = reading_peek(reading, 1);
	int32_t code;

	if (c == 'b' || c == 'B') {
		reading_copy(reading, 2);
		return ATOM_NONE;
	}
	if (c == 'k')
		return reading_named_backreference(reading);
	if (c >= '1' && c <= '9')
		return reading_backreference(reading);
	return reading_escape(reading, &code);
}

static enum atom_kind reading_next(struct reading *reading, enum atom_kind before)
{
	switch (reading->rest.ptr[0]) {
	case '\\':
		return reading_backslash(reading);
	case '[':
		reading_copy(reading, 1);
		return reading_class(reading);
	case '(':
		return reading_open(reading);
	case ')':
		return reading_close(reading);
	case '*':
	case '+':
	case '?':
	case '{':
		return reading_repeat(reading, before);
	case '^':
	case '$':
	case '|':
		reading_copy(reading, 1);
		return ATOM_NONE;
	default:
		reading_copy(reading, 1);
		return ATOM_ONE;
	}
}

const char *pattern_read(struct str text, struct buf *out)
{
	struct reading reading = { .rest = text, .out = out };
	enum atom_kind before = ATOM_NONE;

	if (!str_is_utf8(text))
		return "not UTF-8";
	while (reading.rest.len) {
		before = reading_next(&reading, before);
		if (before == ATOM_BAD)
			return reading.problem;
	}
	if (reading.depth)
		return "a ( without its )";
	if (reading.max_backreference > reading.n_groups)
		return "a reference to a group that is not there";
	return NULL;
}
