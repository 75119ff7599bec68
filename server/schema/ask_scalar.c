/* server/schema/ask_scalar.c: numbers and strings. */
#include "server/expr/number.h"
#include "server/schema/ask.h"

/* `sign` of the comparison with the bound must be above 0, or 0 when `or_equal`. */
static bool ask_bound(struct ask *ask, const struct spot *spot, struct value bound, int sign,
		      bool or_equal)
{
	static const struct {
		const char *keyword, *words;
	} names[2][2] = {
		{ { "exclusiveMaximum", "must be less than" }, { "maximum", "must be at most" } },
		{ { "exclusiveMinimum", "must be more than" }, { "minimum", "must be at least" } },
	};
	int order;

	if (bound.kind == VALUE_NULL)
		return true;
	order = number_compare(*spot->value, bound) * sign;
	if (order > 0 || (order == 0 && or_equal))
		return true;
	return ask_fault(ask, spot, names[sign > 0][or_equal].keyword, "%s %.*s",
			 names[sign > 0][or_equal].words, STR_ARG(value_str(bound)));
}

static bool ask_multiple(struct ask *ask, const struct schema_numbers *numbers,
			 const struct spot *spot)
{
	char text[NUMBER_TEXT_MAX];
	struct str number = spot->value->kind == VALUE_NUMBER ? value_str(*spot->value)
							      : number_write(*spot->value, text);

	if (!numbers->multiple ||
	    decimal_is_multiple(decimal_of(number), numbers->multiple, numbers->multiple_exponent))
		return true;
	return ask_fault(ask, spot, "multipleOf", "must be a multiple of %.*s",
			 STR_ARG(numbers->multiple_text));
}

bool ask_numbers(struct ask *ask, const struct schema_numbers *numbers, const struct spot *spot)
{
	size_t size = spot->value->kind == VALUE_NUMBER ? spot->value->len : 0;
	bool ok;

	if (!ask_spend_bytes(ask, 4 * size))
		return false;
	ok = ask_bound(ask, spot, numbers->minimum, 1, true);
	ok &= ask_bound(ask, spot, numbers->above, 1, false);
	ok &= ask_bound(ask, spot, numbers->maximum, -1, true);
	ok &= ask_bound(ask, spot, numbers->below, -1, false);
	return ok & ask_multiple(ask, numbers, spot);
}

/* Code points: bytes that do not continue one. */
static uint64_t text_n_chars(struct str text)
{
	uint64_t n_chars = 0;

	for (size_t i = 0; i < text.len; i++)
		n_chars += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
	return n_chars;
}

static bool ask_length(struct ask *ask, const struct schema_strings *strings,
		       const struct spot *spot)
{
	uint64_t n_chars;

	if (strings->min_len == 0 && strings->max_len == UINT64_MAX)
		return true;
	n_chars = text_n_chars(value_str(*spot->value));
	if (n_chars < strings->min_len)
		return ask_fault(ask, spot, "minLength", "must have at least %llu character%s",
				 (unsigned long long)strings->min_len,
				 strings->min_len == 1 ? "" : "s");
	return n_chars <= strings->max_len ||
	       ask_fault(ask, spot, "maxLength", "must have at most %llu character%s",
			 (unsigned long long)strings->max_len, strings->max_len == 1 ? "" : "s");
}

static bool ask_pattern(struct ask *ask, const struct pattern *pattern, const struct spot *spot)
{
	struct str text = pattern_text(pattern);

	switch (pattern_match(pattern, value_str(*spot->value), &ask->patterns, &ask->steps)) {
	case PATTERN_MATCHES:
		return true;
	case PATTERN_DIFFERS:
		return ask_fault(ask, spot, "pattern", "must match %.*s%s",
				 (int)MIN(text.len, (size_t)200), text.ptr,
				 text.len > 200 ? "…" : "");
	case PATTERN_UNDECIDED:
		return ask_stop(ask, SCHEMA_UNDECIDED);
	case PATTERN_IMPOSSIBLE:
		return ask_impossible(ask, spot, "pattern",
				      "takes too long to be compared with its pattern");
	case PATTERN_NO_MEMORY:
		return ask_stop(ask, SCHEMA_NO_MEMORY);
	}
	unreachable();
}

bool ask_strings(struct ask *ask, const struct schema_strings *strings, const struct spot *spot)
{
	bool ok;

	if (!ask_spend_bytes(ask, spot->value->len))
		return false;
	ok = ask_length(ask, strings, spot);
	if (strings->pattern && ask_goes_on(ask, ok))
		ok &= ask_pattern(ask, strings->pattern, spot);
	if (strings->format && ask_goes_on(ask, ok) &&
	    !strings->format->is(value_str(*spot->value)))
		ok = ask_fault(ask, spot, "format", "%s", strings->format->sentence);
	return ok;
}
