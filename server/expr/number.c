/* server/expr/number.c
 *
 * Forms that differ are compared as decimals (server/expr/decimal.h). */
#include "server/expr/number.h"
#include "server/expr/decimal.h"
#include "server/expr/json_scan.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool number_is_json(struct str text)
{
	struct json_scan scan = { .end = text.ptr + text.len };

	return text.len && json_scan_number(&scan, text.ptr) == scan.end;
}

static bool number_is_integer(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] != '-' && !char_is_digit(text.ptr[i]))
			return false;
	return true;
}

/* strtod() wants a NUL, and never looks past 770 digits but to see whether they are zero. */
static double number_long_real(struct str text)
{
	struct decimal decimal = decimal_of(text);
	char copy[900];
	size_t len = 0;
	int digit;

	if (decimal.at == decimal.end)
		return 0;
	if (decimal.minus)
		copy[len++] = '-';
	copy[len++] = '0';
	copy[len++] = '.';
	while (len < 800 && (digit = decimal_digit(&decimal)) >= 0)
		copy[len++] = (char)('0' + digit);
	if (decimal.at < decimal.end)
		copy[len++] = '1';
	snprintf(copy + len, sizeof(copy) - len, "e%lld", (long long)decimal.exponent);
	return strtod(copy, NULL);
}

static double number_to_real(struct str text)
{
	char copy[64];

	if (text.len >= sizeof(copy))
		return number_long_real(text);
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return strtod(copy, NULL);
}

double number_nearest(struct value value)
{
	if (value.kind == VALUE_INT)
		return (double)value.integer;
	return value.kind == VALUE_REAL ? value.real : number_to_real(value_str(value));
}

int number_of(struct value value, struct number *ret)
{
	struct number number = { .is_real = true };

	if (value.kind == VALUE_INT) {
		number = (struct number){ .integer = value.integer };
	} else if (value.kind == VALUE_REAL) {
		number.real = value.real;
	} else if (number_is_integer(value_str(value))) {
		number.is_real = false;
		if (str_to_i64(value_str(value), &number.integer) < 0)
			return -ERANGE;
	} else {
		number.real = number_to_real(value_str(value));
		if (!isfinite(number.real))
			return -ERANGE;
	}
	if (!number.is_real)
		number.real = (double)number.integer;
	*ret = number;
	return 0;
}

struct str number_write(struct value value, char *out)
{
	int len = 0;

	if (value.kind == VALUE_INT) {
		len = snprintf(out, NUMBER_TEXT_MAX, "%lld", (long long)value.integer);
		return (struct str){ out, (size_t)len };
	}
	check(value.kind == VALUE_REAL);
	for (int digits = 15; digits <= 17; digits++) {
		len = snprintf(out, NUMBER_TEXT_MAX, "%.*g", digits, value.real);
		if (strtod(out, NULL) == value.real)
			break;
	}
	return (struct str){ out, (size_t)len };
}

/* The integer of what is one; everything else as it was. */
static struct value number_plain(struct value value)
{
	int64_t integer;

	if (value.kind == VALUE_NUMBER && number_is_integer(value_str(value)) &&
	    str_to_i64(value_str(value), &integer) == 0)
		return value_int(integer);
	if (value.kind == VALUE_REAL && value.real >= -0x1p63 && value.real < 0x1p63 &&
	    value.real == floor(value.real))
		return value_int((int64_t)value.real);
	return value;
}

int number_compare(struct value a, struct value b)
{
	char a_text[NUMBER_TEXT_MAX], b_text[NUMBER_TEXT_MAX];

	a = number_plain(a);
	b = number_plain(b);
	if (a.kind == VALUE_INT && b.kind == VALUE_INT)
		return a.integer < b.integer ? -1 : a.integer > b.integer;
	if (a.kind == VALUE_REAL && b.kind == VALUE_REAL)
		return a.real < b.real ? -1 : a.real > b.real;
	return decimal_compare(
		decimal_of(a.kind == VALUE_NUMBER ? value_str(a) : number_write(a, a_text)),
		decimal_of(b.kind == VALUE_NUMBER ? value_str(b) : number_write(b, b_text)));
}
