/* conf/scalar.c */
#include "conf/scalar.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

static bool scalar_is_one_of(struct str text, const char *const words[])
{
	for (; *words; words++)
		if (str_eq(text, str_of(*words)))
			return true;
	return false;
}

static size_t scalar_digits(struct str text, size_t at)
{
	size_t start = at;

	while (at < text.len && char_is_digit(text.ptr[at]))
		at++;
	return at - start;
}

enum shape { SHAPE_TEXT, SHAPE_INT, SHAPE_REAL };

/* [-+]? ( \.[0-9]+ | [0-9]+ ( \.[0-9]* )? ) ( [eE] [-+]? [0-9]+ )?  without leading zeros. */
static enum shape scalar_shape(struct str text)
{
	size_t at = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
	size_t whole = scalar_digits(text, at), part = 0;
	enum shape shape = SHAPE_INT;

	if (whole > 1 && text.ptr[at] == '0')
		return SHAPE_TEXT;
	at += whole;
	if (at < text.len && text.ptr[at] == '.') {
		part = scalar_digits(text, ++at);
		at += part;
		shape = SHAPE_REAL;
	}
	if (whole + part == 0)
		return SHAPE_TEXT;
	if (at < text.len && char_lower(text.ptr[at]) == 'e') {
		size_t exponent;

		at++;
		if (at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+'))
			at++;
		exponent = scalar_digits(text, at);
		if (exponent == 0)
			return SHAPE_TEXT;
		at += exponent;
		shape = SHAPE_REAL;
	}
	return at == text.len ? shape : SHAPE_TEXT;
}

static const char *scalar_resolve_real(struct node *node)
{
	double real = strtod(node->text.ptr, NULL);

	if (!isfinite(real))
		return "the number is too large; put it in quotes if it is text";
	node->kind = NODE_REAL;
	node->real = real;
	return NULL;
}

/* 0o17 and 0x1f, without sign. `at` is behind the two. */
static const char *scalar_resolve_based(struct node *node, int base)
{
	struct str digits = str_skip(node->text, 2);
	long long number;

	for (size_t i = 0; i < digits.len; i++) {
		int digit = char_hex(digits.ptr[i]);

		if (digit < 0 || digit >= base)
			return NULL;
	}
	errno = 0;
	number = strtoll(digits.ptr, NULL, base);
	if (errno == ERANGE)
		return "the number does not fit 64 bits; put it in quotes if it is text";
	node->kind = NODE_INT;
	node->integer = number;
	return NULL;
}

static const char *scalar_resolve_number(struct node *node)
{
	struct str text = node->text, digits = text;

	if (text.len > 2 && (str_starts_with(text, STR("0x")) || str_starts_with(text, STR("0o"))))
		return scalar_resolve_based(node, text.ptr[1] == 'x' ? 16 : 8);
	switch (scalar_shape(text)) {
	case SHAPE_TEXT:
		return NULL;
	case SHAPE_REAL:
		return scalar_resolve_real(node);
	case SHAPE_INT:
		if (text.ptr[0] == '+')
			digits = str_skip(text, 1);
		if (str_to_i64(digits, &node->integer) < 0)
			return scalar_resolve_real(node);
		node->kind = NODE_INT;
		return NULL;
	}
	unreachable();
}

const char *scalar_resolve(struct node *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const trues[] = { "true", "True", "TRUE", NULL };
	static const char *const falses[] = { "false", "False", "FALSE", NULL };

	node->kind = NODE_TEXT;
	if (scalar_is_one_of(node->text, nulls)) {
		node->kind = NODE_NULL;
	} else if (scalar_is_one_of(node->text, trues)) {
		node->kind = NODE_BOOL;
		node->boolean = true;
	} else if (scalar_is_one_of(node->text, falses)) {
		node->kind = NODE_BOOL;
		node->boolean = false;
	} else {
		return scalar_resolve_number(node);
	}
	return NULL;
}
