/* server/expr/decimal.c */
#include "server/expr/decimal.h"
#include "core/base/check.h"
#include "core/base/map.h"

static const int64_t exponent_max = INT64_C(100000000000000000);

static int64_t decimal_exponent(const char *at, const char *end)
{
	bool minus = at < end && *at == '-';
	int64_t exponent = 0;

	if (at < end && (*at == '-' || *at == '+'))
		at++;
	for (; at < end; at++)
		exponent = MIN(exponent * 10 + (*at - '0'), exponent_max);
	return minus ? -exponent : exponent;
}

struct decimal decimal_of(struct str text)
{
	const char *at = text.ptr, *end = text.ptr + text.len, *tail, *point;
	struct decimal decimal = { .minus = *at == '-' };

	at += decimal.minus;
	tail = at;
	while (tail < end && *tail != 'e' && *tail != 'E')
		tail++;
	point = memchr(at, '.', (size_t)(tail - at));
	decimal.exponent = (point ? point : tail) - at;
	if (tail < end)
		decimal.exponent += decimal_exponent(tail + 1, end);
	for (; at < tail && (*at == '0' || *at == '.'); at++)
		decimal.exponent -= *at == '0';
	while (tail > at && (tail[-1] == '0' || tail[-1] == '.') && (point || tail[-1] == '0'))
		tail--;
	decimal.at = at;
	decimal.end = tail;
	return decimal;
}

int decimal_digit(struct decimal *decimal)
{
	if (decimal->at < decimal->end && *decimal->at == '.')
		decimal->at++;
	return decimal->at < decimal->end ? *decimal->at++ - '0' : -1;
}

int decimal_compare(struct decimal a, struct decimal b)
{
	bool a_zero = a.at == a.end, b_zero = b.at == b.end;
	int sign = a.minus ? -1 : 1;

	if (a_zero || b_zero)
		return a_zero && b_zero ? 0 : a_zero ? (b.minus ? 1 : -1) : sign;
	if (a.minus != b.minus)
		return sign;
	if (a.exponent != b.exponent)
		return a.exponent < b.exponent ? -sign : sign;
	for (;;) {
		int x = decimal_digit(&a), y = decimal_digit(&b);

		if (x != y)
			return x < y ? -sign : sign;
		if (x < 0)
			return 0;
	}
}

size_t decimal_n_digits(struct decimal decimal)
{
	size_t len = (size_t)(decimal.end - decimal.at);

	return len && memchr(decimal.at, '.', len) ? len - 1 : len;
}

bool decimal_is_integer(struct decimal decimal)
{
	return decimal.at == decimal.end || decimal.exponent >= (int64_t)decimal_n_digits(decimal);
}

/* The next 18 digits, or fewer at the end, as a number; how many there were. */
static unsigned decimal_chunk(struct decimal *decimal, uint64_t *ret_chunk)
{
	uint64_t chunk = 0;
	unsigned n_digits = 0;
	int digit;

	while (n_digits < 18 && (digit = decimal_digit(decimal)) >= 0) {
		chunk = chunk * 10 + (uint64_t)digit;
		n_digits++;
	}
	*ret_chunk = chunk;
	return n_digits;
}

static uint64_t multiply(uint64_t a, uint64_t b, uint64_t modulus)
{
	return (uint64_t)((unsigned __int128)a * b % modulus);
}

/* 10^exponent modulo `modulus` */
static uint64_t power_of_ten(int64_t exponent, uint64_t modulus)
{
	uint64_t power = 1 % modulus, base = 10 % modulus;

	for (; exponent > 0; exponent >>= 1) {
		if (exponent & 1)
			power = multiply(power, base, modulus);
		base = multiply(base, base, modulus);
	}
	return power;
}

/* With the digits as an integer the number is DIGITS × 10^lowest, and DIGITS does not end in 0: so
 * it is no multiple of what has a higher power of ten. */
bool decimal_is_multiple(struct decimal decimal, uint64_t divisor, int64_t exponent)
{
	int64_t lowest = decimal.exponent - (int64_t)decimal_n_digits(decimal);
	uint64_t rest = 0, chunk;
	unsigned n_digits;

	check(divisor != 0);
	if (decimal.at == decimal.end)
		return true;
	for (; divisor % 10 == 0; divisor /= 10)
		exponent++;
	if (lowest < exponent)
		return false;
	while ((n_digits = decimal_chunk(&decimal, &chunk)) > 0) {
		rest = multiply(rest, power_of_ten(n_digits, divisor), divisor);
		rest = (uint64_t)(((unsigned __int128)rest + chunk) % divisor);
	}
	return multiply(rest, power_of_ten(lowest - exponent, divisor), divisor) == 0;
}

uint64_t decimal_hash(struct decimal decimal)
{
	struct {
		uint64_t before, chunk;
	} link = { decimal.minus, (uint64_t)decimal.exponent };
	const struct str bytes = { (const char *)&link, sizeof(link) };

	if (decimal.at == decimal.end)
		return str_hash(STR("0"));
	do
		link.before = str_hash(bytes);
	while (decimal_chunk(&decimal, &link.chunk) > 0);
	return link.before;
}
