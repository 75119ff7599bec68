/* server/expr/decimal.h: numbers as the digits that they are written with, however many.
 *
 * Read in place from a text that is a number of JSON; nothing is copied and nothing is rounded.
 * Exponents past 10^17 count as 10^17. */
#pragma once
#include "core/base/str.h"

/* 0.DIGITS × 10^exponent; no digits at all for zero. */
struct decimal {
	bool minus;
	const char *at,
		*end; /* the digits, perhaps with a '.' among them; no zeros at either end */
	int64_t exponent;
};

struct decimal decimal_of(struct str text);
int decimal_digit(struct decimal *decimal);              /* takes the next one, or -1 */
int decimal_compare(struct decimal a, struct decimal b); /* -1, 0 or 1 */
bool decimal_is_integer(struct decimal decimal);

/* How many digits it has; 0 for zero. */
size_t decimal_n_digits(struct decimal decimal);

/* Whether it is an integer times DIVISOR × 10^exponent; the divisor is not 0. */
bool decimal_is_multiple(struct decimal decimal, uint64_t divisor, int64_t exponent);

/* Equal numbers, however they are written, have one hash; keyed as str_hash(). */
uint64_t decimal_hash(struct decimal decimal);
