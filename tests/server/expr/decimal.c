/* tests/server/expr/decimal.c */
#include "server/expr/decimal.h"
#include "tests/lib/tap.h"

static void multiples_are_exact(void)
{
	static const struct {
		const char *number;
		uint64_t divisor;
		int64_t exponent;
		bool is;
	} rows[] = {
		{ "19.99", 1, -2, true },
		{ "19.999", 1, -2, false },
		{ "0", 7, 50, true },
		{ "-0.0", 7, 50, true },
		{ "-14", 7, 0, true },
		{ "1e1000", 7, 0, false },
		{ "7e1000", 7, 0, true },
		{ "7e-1000", 7, -1000, true },
		{ "7e-1001", 7, -1000, false },
		{ "18446744073709551615", UINT64_MAX, 0, true },
		{ "18446744073709551616", UINT64_MAX, 0, false },
		{ "340282366920938463463374607431768211455", UINT64_MAX, 0, true }, /* 2^128 - 1 */
		{ "123456789012345678901234567890.5", 5, -1, true },
		{ "100", 100, 0, true },
		{ "1e2", 10, 1, true },
		{ "10", 100, 0, false },
		{ "1e99999999999999999999", 2, 0, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tap_ok(decimal_is_multiple(decimal_of(str_of(rows[i].number)), rows[i].divisor,
					   rows[i].exponent) == rows[i].is,
		       __FILE__, __LINE__, "%s", rows[i].number);
}

static void whole_numbers_are_told_from_others(void)
{
	static const char *const whole[] = {
		"0", "-0.0", "1.0", "10e-1", "1e5", "120.00", "1.5e1"
	};
	static const char *const others[] = { "0.5", "1e-1", "1.01", "15e-1", "-0.1" };

	for (size_t i = 0; i < ARRAY_LEN(whole); i++)
		is_true(decimal_is_integer(decimal_of(str_of(whole[i]))));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		is_false(decimal_is_integer(decimal_of(str_of(others[i]))));
}

static void equal_numbers_have_one_hash(void)
{
	static const char *const same[][3] = {
		{ "1", "1.0", "10e-1" },
		{ "0", "-0", "0.0e5" },
		{ "-1.25", "-125e-2", "-0.125E1" },
		{ "12345678901234567890123", "1234567890123456789012.3e1",
		  "12345678901234567890123.000" },
	};

	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		uint64_t hash = decimal_hash(decimal_of(str_of(same[i][0])));

		for (size_t j = 1; j < 3; j++) {
			is_true(decimal_hash(decimal_of(str_of(same[i][j]))) == hash);
			is_int(decimal_compare(decimal_of(str_of(same[i][j])),
					       decimal_of(str_of(same[i][0]))),
			       0);
		}
		for (size_t j = 0; j < i; j++)
			is_true(decimal_hash(decimal_of(str_of(same[j][0]))) != hash);
	}
	is_true(decimal_hash(decimal_of(STR("1"))) != decimal_hash(decimal_of(STR("10"))));
	is_true(decimal_hash(decimal_of(STR("1"))) != decimal_hash(decimal_of(STR("-1"))));
}

int main(void)
{
	TEST(multiples_are_exact);
	TEST(whole_numbers_are_told_from_others);
	TEST(equal_numbers_have_one_hash);
	return tap_done();
}
