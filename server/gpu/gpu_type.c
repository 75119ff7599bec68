/* server/gpu/gpu_type.c */
#include "server/gpu/gpu_type.h"
#include "server/expr/number.h"
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct scalar_row {
	const char *name;
	uint8_t size;
	int64_t min;
	uint64_t max; /* of an integer; 0: a real */
};

/* by enum gpu_scalar */
static const struct scalar_row scalar_rows[] = {
	{ "char", 1, INT8_MIN, INT8_MAX },    { "uchar", 1, 0, UINT8_MAX },
	{ "short", 2, INT16_MIN, INT16_MAX }, { "ushort", 2, 0, UINT16_MAX },
	{ "int", 4, INT32_MIN, INT32_MAX },   { "uint", 4, 0, UINT32_MAX },
	{ "long", 8, INT64_MIN, INT64_MAX },  { "ulong", 8, 0, UINT64_MAX },
	{ .name = "float", .size = 4 },       { .name = "double", .size = 8 },
};

bool gpu_type_find(struct str name, struct gpu_type *ret_type)
{
	size_t len = name.len;
	uint64_t width = 1;

	while (len > 0 && char_is_digit(name.ptr[len - 1]))
		len--;
	if (len < name.len && str_to_u64(str_skip(name, len), &width) < 0)
		return false;
	if (width != 1 && width != 2 && width != 4 && width != 8 && width != 16)
		return false;
	if (width == 1 && len < name.len)
		return false;
	for (unsigned i = 0; i < ARRAY_LEN(scalar_rows); i++) {
		if (!str_eq(str_first(name, len), str_of(scalar_rows[i].name)))
			continue;
		*ret_type = (struct gpu_type){ (enum gpu_scalar)i, scalar_rows[i].size,
					       (uint8_t)width };
		return true;
	}
	return false;
}

/* ------------------------------------------------------------ in */

/* An integer of either sign: the bits of the 64. */
static int gpu_integer(const struct scalar_row *row, struct value value, uint64_t *ret_bits)
{
	struct number number;
	int r;

	if (value.kind == VALUE_NUMBER && row->max == UINT64_MAX &&
	    str_to_u64(value_str(value), ret_bits) == 0)
		return 0; /* past what a signed one holds, too */
	r = number_of(value, &number);
	if (r < 0)
		return r;
	if (number.is_real) {
		if (number.real != floor(number.real))
			return -EINVAL;
		if (number.real < -0x1p63 || number.real >= 0x1p63)
			return -ERANGE;
		number.integer = (int64_t)number.real;
	}
	if (number.integer < row->min ||
	    (number.integer > 0 && (uint64_t)number.integer > row->max))
		return -ERANGE;
	*ret_bits = (uint64_t)number.integer;
	return 0;
}

static int gpu_real(enum gpu_scalar scalar, struct value value, void *out)
{
	struct number number;
	float single;
	int r = number_of(value, &number);

	if (r < 0)
		return r;
	if (scalar == GPU_DOUBLE) {
		memcpy(out, &number.real, sizeof(number.real));
		return 0;
	}
	if (fabs(number.real) > (double)FLT_MAX)
		return -ERANGE;
	single = (float)number.real;
	memcpy(out, &single, sizeof(single));
	return 0;
}

int gpu_store(enum gpu_scalar scalar, struct value value, void *out)
{
	const struct scalar_row *row = &scalar_rows[scalar];
	uint64_t bits;
	int r;

	if (!number_is(value))
		return -EINVAL;
	if (row->max == 0)
		return gpu_real(scalar, value, out);
	r = gpu_integer(row, value, &bits);
	if (r == 0)
		memcpy(out, &bits, row->size); /* devices of another order of bytes are not used */
	return r;
}

/* ------------------------------------------------------------ out */

/* The number as DIGITS / 10^places, without zeros at the end. */
static size_t gpu_print_decimal(char *out, bool minus, uint64_t digits, int places)
{
	char reversed[32];
	size_t len = 0, n = 0;

	for (; places > 0 && digits % 10 == 0; places--)
		digits /= 10;
	do {
		reversed[n++] = (char)('0' + digits % 10);
		digits /= 10;
		if (--places == 0)
			reversed[n++] = '.';
	} while (digits > 0 || places >= 0);
	if (minus)
		out[len++] = '-';
	while (n > 0)
		out[len++] = reversed[--n];
	return len;
}

/* In the fewest digits from 6 on. Both the digits and the power are exact in a double, so that what
 * is tried is what a reader will get. 0: it is none of the usual sizes. */
static size_t gpu_print_usual(char *out, float number)
{
	static const double powers[] = { 1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
					 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
	double size = fabs((double)number);
	int whole = 1;

	if (size < 1e-4 || size >= 1e9)
		return 0;
	while (whole < 9 && size >= powers[whole])
		whole++;
	for (int places = MAX(6 - whole, 0); places < (int)ARRAY_LEN(powers); places++) {
		double digits = nearbyint(size * powers[places]);

		if ((float)(digits / powers[places]) == fabsf(number))
			return gpu_print_decimal(out, number < 0, (uint64_t)digits, places);
	}
	return 0;
}

static size_t gpu_print_float(char *out, size_t size, float number)
{
	size_t len = 0;

	if (!isfinite(number))
		return (size_t)snprintf(out, size, "null");
	if (number == 0)
		return (size_t)snprintf(out, size, signbit(number) ? "-0.0" : "0");
	len = gpu_print_usual(out, number);
	for (int digits = 6; len == 0; digits++) {
		int n = snprintf(out, size, "%.*g", digits, (double)number);

		if (digits == 9 || strtof(out, NULL) == number)
			len = (size_t)n;
	}
	return len;
}

static size_t gpu_print_double(char *out, size_t size, double number)
{
	if (!isfinite(number))
		return (size_t)snprintf(out, size, "null");
	return number_write(value_real(number), out).len;
}

static size_t gpu_print_integer(char *out, size_t size, enum gpu_scalar scalar, const char *at)
{
	const struct scalar_row *row = &scalar_rows[scalar];
	unsigned n_bits = row->size * 8U;
	uint64_t bits = 0;

	memcpy(&bits, at, row->size);
	if (row->min == 0)
		return (size_t)snprintf(out, size, "%llu", (unsigned long long)bits);
	if (n_bits < 64 && bits >> (n_bits - 1))
		bits |= UINT64_MAX << n_bits;
	return (size_t)snprintf(out, size, "%lld", (long long)bits);
}

static size_t gpu_print(char *out, size_t size, enum gpu_scalar scalar, const char *at)
{
	float single;
	double number;

	if (scalar == GPU_FLOAT) {
		memcpy(&single, at, sizeof(single));
		return gpu_print_float(out, size, single);
	}
	if (scalar == GPU_DOUBLE) {
		memcpy(&number, at, sizeof(number));
		return gpu_print_double(out, size, number);
	}
	return gpu_print_integer(out, size, scalar, at);
}

void gpu_write_json(enum gpu_scalar scalar, const void *data, size_t n, struct buf *out)
{
	const char *at = data;

	buf_add_char(out, '[');
	for (size_t i = 0; i < n; i++, at += scalar_rows[scalar].size) {
		char *room = buf_reserve(out, 48);

		if (!room)
			return;
		if (i > 0)
			*room = ',';
		out->len += (i > 0) + gpu_print(room + (i > 0), 47, scalar, at);
	}
	buf_add_char(out, ']');
}
