/* tests/core/base/backoff.c */
#include "core/base/backoff.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"

static void is_within(uint64_t first_ms, uint64_t max_ms, unsigned n_failed, uint64_t want_ms)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (unsigned i = 0; i < 2000; i++) {
		uint64_t ns = backoff_ns(first_ms, max_ms, n_failed);

		least = MIN(least, ns);
		most = MAX(most, ns);
	}
	is_true(least >= want_ms * NS_PER_MS / 2);
	is_true(least < want_ms * NS_PER_MS * 6 / 10);
	is_true(most <= want_ms * NS_PER_MS);
	is_true(most > want_ms * NS_PER_MS * 9 / 10);
}

static void a_pause_doubles_up_to_its_bound_and_is_half_to_whole(void)
{
	is_within(20, 10000, 1, 20);
	is_within(20, 10000, 2, 40);
	is_within(20, 10000, 5, 320);
	is_within(20, 10000, 11, 10000);
	is_within(20, 10000, 4000000000u, 10000);
	is_within(20000, 10000, 1, 20000);
	is_within(20000, 10000, 9, 20000);
}

static void no_pause_is_no_pause(void)
{
	is_int(backoff_ns(0, 0, 1), 0);
	is_int(backoff_ns(0, 0, 100), 0);
	is_int(backoff_random(0), 0);
	is_int(backoff_random(1), 0);
}

static void huge_durations_do_not_overflow(void)
{
	is_within(UINT64_C(86400000), 0, 40, 86400000);
	is_within(1, UINT64_C(86400000) * 365, 21, 1 << 20);
}

static void random_numbers_reach_everything_below_their_bound(void)
{
	unsigned seen[7] = { 0 };

	for (unsigned i = 0; i < 7000; i++)
		seen[backoff_random(7)]++;
	for (unsigned i = 0; i < 7; i++)
		is_true(seen[i] > 700 && seen[i] < 1300);
}

int main(void)
{
	TEST(a_pause_doubles_up_to_its_bound_and_is_half_to_whole);
	TEST(no_pause_is_no_pause);
	TEST(huge_durations_do_not_overflow);
	TEST(random_numbers_reach_everything_below_their_bound);
	return tap_done();
}
