/* conf/units.c */
#include "conf/units.h"
#include "core/base/check.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first; the writers rely on it. */
static const struct unit durations[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};

static const struct unit sizes[] = {
	{ "g", 1 << 30 },
	{ "m", 1 << 20 },
	{ "k", 1 << 10 },
	{ "", 1 },
};

static const uint64_t duration_max_ms = UINT64_C(10000) * 86400000;

/* Takes the digits off `rest`. */
static int units_take_number(struct str *rest, uint64_t *ret_number)
{
	size_t n = 0;
	int error;

	while (n < rest->len && char_is_digit(rest->ptr[n]))
		n++;
	error = str_to_u64(str_first(*rest, n), ret_number);
	*rest = str_skip(*rest, n);
	return error;
}

/* Takes the letters off `rest`; the index in `durations`, or its length. */
static size_t units_take_duration_unit(struct str *rest)
{
	struct str name = *rest;
	size_t n = 0;

	while (n < rest->len && char_is_alpha(rest->ptr[n]))
		n++;
	name = str_first(name, n);
	*rest = str_skip(*rest, n);
	for (size_t i = 0; i < ARRAY_LEN(durations); i++)
		if (str_eq(name, str_of(durations[i].name)))
			return i;
	return ARRAY_LEN(durations);
}

int units_duration_ms(struct str text, uint64_t *ret_ms)
{
	uint64_t total = 0;
	size_t smallest = 0; /* the first unit that may still come */
	bool too_large = false;

	if (str_eq(text, STR("0"))) {
		*ret_ms = 0;
		return 0;
	}
	if (text.len == 0)
		return -EINVAL;
	while (text.len > 0) {
		uint64_t number, part;
		int error = units_take_number(&text, &number);
		size_t unit = units_take_duration_unit(&text);

		if (error == -EINVAL || unit < smallest || unit == ARRAY_LEN(durations))
			return -EINVAL;
		smallest = unit + 1;
		too_large = too_large || error == -ERANGE ||
			    __builtin_mul_overflow(number, durations[unit].factor, &part) ||
			    __builtin_add_overflow(total, part, &total) || total > duration_max_ms;
	}
	if (too_large)
		return -ERANGE;
	*ret_ms = total;
	return 0;
}

int units_size(struct str text, uint64_t *ret_bytes)
{
	uint64_t number, bytes;
	int error = units_take_number(&text, &number);

	if (error == -EINVAL || text.len > 1)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		if (!str_eq_nocase(text, str_of(sizes[i].name)))
			continue;
		if (error || __builtin_mul_overflow(number, sizes[i].factor, &bytes) ||
		    bytes > INT64_MAX)
			return -ERANGE;
		*ret_bytes = bytes;
		return 0;
	}
	return -EINVAL;
}

const char *units_write_duration(char out[32], uint64_t ms)
{
	size_t len = 0;

	if (ms == 0)
		return memcpy(out, "0", 2);
	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		uint64_t number = ms / durations[i].factor;

		ms %= durations[i].factor;
		if (number)
			len += (size_t)snprintf(out + len, 32 - len, "%" PRIu64 "%s", number,
						durations[i].name);
	}
	return out;
}

const char *units_write_size(char out[32], uint64_t bytes)
{
	size_t i = 0;

	while (bytes % sizes[i].factor || (bytes == 0 && sizes[i].factor > 1))
		i++;
	snprintf(out, 32, "%" PRIu64 "%s", bytes / sizes[i].factor, sizes[i].name);
	return out;
}
