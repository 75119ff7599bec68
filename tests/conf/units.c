/* tests/conf/units.c */
#include "conf/units.h"
#include "tests/lib/tap.h"
#include <errno.h>

static int64_t duration(const char *text)
{
	uint64_t ms = 0;
	int error = units_duration_ms(str_of(text), &ms);

	return error ? error : (int64_t)ms;
}

static int64_t size(const char *text)
{
	uint64_t bytes = 0;
	int error = units_size(str_of(text), &bytes);

	return error ? error : (int64_t)bytes;
}

static void durations_are_whole_numbers_with_units(void)
{
	is_int(duration("200ms"), 200);
	is_int(duration("5s"), 5000);
	is_int(duration("10m"), 600000);
	is_int(duration("3h"), 10800000);
	is_int(duration("2d"), 172800000);
	is_int(duration("1m30s"), 90000);
	is_int(duration("1d2h3m4s5ms"), 93784005);
	is_int(duration("0"), 0);
	is_int(duration("0s"), 0);
	is_int(duration("10000d"), 864000000000);
}

static void what_is_no_duration_is_refused(void)
{
	static const char *const bad[] = { "",     "5",    "s",    "5 s",  "5s ",  " 5s",
					   "-5s",  "1.5s", "5sec", "1s1s", "1s1m", "5S",
					   "5sms", "00",   "+1s",  "5ss" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (!is_int(duration(bad[i]), -EINVAL))
			printf("# %s\n", bad[i]);
	is_int(duration("10001d"), -ERANGE);
	is_int(duration("10000d1ms"), -ERANGE);
	is_int(duration("99999999999999999999s"), -ERANGE);
	is_int(duration("18446744073709551615d"), -ERANGE);
	is_int(duration("99999999999999999999x"), -EINVAL);
}

static void sizes_are_powers_of_1024(void)
{
	is_int(size("0"), 0);
	is_int(size("512"), 512);
	is_int(size("64k"), 65536);
	is_int(size("64K"), 65536);
	is_int(size("8m"), 8388608);
	is_int(size("1G"), 1073741824);
	is_int(size("8589934591g"), 8589934591LL << 30);
}

static void what_is_no_size_is_refused(void)
{
	static const char *const bad[] = { "", "k", "1kb", "1.5m", "-1", "1 k", "1t", "0x10" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (!is_int(size(bad[i]), -EINVAL))
			printf("# %s\n", bad[i]);
	is_int(size("8589934592g"), -ERANGE);
	is_int(size("99999999999999999999"), -ERANGE);
	is_int(size("18446744073709551615k"), -ERANGE);
}

static void what_is_written_reads_as_the_same(void)
{
	static const uint64_t numbers[] = { 0,
					    1,
					    999,
					    1000,
					    90000,
					    86400000,
					    93784005,
					    1024,
					    65536,
					    65537,
					    UINT64_C(3) << 30,
					    864000000000 };
	char out[32];

	is_text(units_write_duration(out, 90000), "1m30s");
	is_text(units_write_duration(out, 0), "0");
	is_text(units_write_duration(out, UINT64_MAX), "213503982334d14h25m51s615ms");
	is_text(units_write_size(out, 65536), "64k");
	is_text(units_write_size(out, 0), "0");
	is_text(units_write_size(out, UINT64_MAX), "18446744073709551615");
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		is_int(duration(units_write_duration(out, numbers[i])), numbers[i]);
		is_int(size(units_write_size(out, numbers[i])), numbers[i]);
	}
}

int main(void)
{
	TEST(durations_are_whole_numbers_with_units);
	TEST(what_is_no_duration_is_refused);
	TEST(sizes_are_powers_of_1024);
	TEST(what_is_no_size_is_refused);
	TEST(what_is_written_reads_as_the_same);
	return tap_done();
}
