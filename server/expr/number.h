/* server/expr/number.h: numbers in their three forms, compared and computed without loss.
 *
 * A VALUE_INT and a VALUE_NUMBER mean exactly what they say. A VALUE_REAL that is a whole number
 * within 64 bits means that number, any other what it is written as (the shortest text that reads
 * back as it). So 19.99 from a body equals 19.99 that was computed, a 64-bit integer never equals
 * its neighbour, and order is total whatever the forms. Exponents past 10^17 count as 10^17. */
#pragma once
#include "server/expr/value.h"

enum { NUMBER_TEXT_MAX = 32 }; /* of a written integer or real, with its NUL */

/* What is computed with. */
struct number {
	bool is_real;
	int64_t integer;
	double real; /* also set for integers */
};

bool number_is_json(struct str text); /* as RFC 8259 §6 writes numbers */

static inline bool number_is(struct value value)
{
	return value.kind == VALUE_INT || value.kind == VALUE_REAL || value.kind == VALUE_NUMBER;
}

/* 0; -ERANGE when it is an integer past 64 bits, or a real past the range of a double. */
int number_of(struct value value, struct number *ret);

/* The double that is nearest; infinite past their range. It must be a number. */
double number_nearest(struct value value);

/* -1, 0 or 1; both must be numbers. */
int number_compare(struct value a, struct value b);

/* An integer or a real as JSON; `out` has room for NUMBER_TEXT_MAX bytes. */
struct str number_write(struct value value, char *out);
