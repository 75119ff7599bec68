/* tests/core/io/wheel.c: the wheel beside a list that is simply searched. */
#include "core/io/wheel.h"
#include "tests/lib/tap.h"
#include <stdlib.h>

#define HORIZON_TICKS (UINT64_C(1) << 42)

enum { N_TIMERS = 300 };

static struct wheel wheel;
static struct timer timers[N_TIMERS];
static bool running[N_TIMERS];
static uint64_t added_at[N_TIMERS];
static uint64_t seed = 1;

static uint64_t random_number(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Near ticks, far ones, and those around the boundaries of the levels. */
static uint64_t random_tick(uint64_t now)
{
	uint64_t span = UINT64_C(1) << (6 * (1 + random_number() % 7));

	switch (random_number() % 5) {
	case 0:
		return now + random_number() % 200;
	case 1:
		return (now | (span - 1)) + random_number() % 3; /* just at a boundary */
	case 2:
		return now + random_number() % span;
	case 3:
		return now + HORIZON_TICKS + random_number() % 100000;
	default:
		return now > 50 ? now - random_number() % 50 : now;
	}
}

static uint64_t random_advance(uint64_t now)
{
	uint64_t span = UINT64_C(1) << (6 * (1 + random_number() % 7));

	switch (random_number() % 8) {
	case 0:
		return now;
	case 1:
		return now + 1;
	case 2:
		return now | (span - 1);
	case 3:
		return (now | (span - 1)) + 1;
	case 4:
		return now + random_number() % span;
	default:
		return now + random_number() % 200;
	}
}

static uint64_t least_tick(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < N_TIMERS; i++)
		if (running[i])
			least = MIN(least, timers[i].tick);
	return least;
}

/* Adds or removes one at random. */
static void change_one(void)
{
	unsigned i = (unsigned)(random_number() % N_TIMERS);

	if (running[i]) {
		wheel_remove(&wheel, &timers[i]);
	} else {
		timers[i].tick = random_tick(wheel.now);
		added_at[i] = wheel.now;
		wheel_add(&wheel, &timers[i]);
	}
	running[i] = !running[i];
}

/* Returns how many differences to the truth it found. */
static unsigned advance_to(uint64_t now)
{
	struct list due = LIST_INIT(due);
	struct timer *timer;
	unsigned n_wrong = 0;
	uint64_t last = 0;

	wheel_advance(&wheel, now, &due);
	list_each(timer, &due, struct timer, link) {
		size_t i = (size_t)(timer - timers);
		bool overdue = timer->tick <= added_at[i];

		n_wrong += !running[i] || timer->tick > now;
		n_wrong += !overdue && timer->tick < last;
		last = overdue ? last : timer->tick;
		running[i] = false;
		wheel_remove(&wheel, timer);
	}
	for (unsigned i = 0; i < N_TIMERS; i++)
		n_wrong += running[i] && timers[i].tick <= now;
	return n_wrong;
}

static void start_at(uint64_t now)
{
	wheel_init(&wheel, now);
	for (unsigned i = 0; i < N_TIMERS; i++) {
		timer_init(&timers[i], NULL, NULL);
		running[i] = false;
	}
}

static unsigned run_random(unsigned n_steps)
{
	unsigned n_wrong = 0;

	for (unsigned i = 0; i < n_steps; i++) {
		for (uint64_t n = random_number() % 8; n > 0; n--)
			change_one();
		n_wrong += wheel_next(&wheel) > MAX(least_tick(), wheel.now);
		n_wrong += advance_to(random_advance(wheel.now));
	}
	return n_wrong;
}

static void random_timers_come_as_they_would_from_a_list(void)
{
	static const uint64_t starts[] = { 0,
					   63,
					   64,
					   4095,
					   (1 << 18) - 1,
					   HORIZON_TICKS - 1,
					   HORIZON_TICKS - 70,
					   3 * HORIZON_TICKS };

	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		start_at(starts[i]);
		is_int(run_random(20000), 0);
	}
}

static void each_tick_of_the_first_levels_is_exact(void)
{
	unsigned n_wrong = 0;

	for (uint64_t start = 0; start < 130; start += 13)
		for (uint64_t tick = start; tick < start + 4200; tick += 7) {
			start_at(start);
			timers[0].tick = tick;
			added_at[0] = start;
			running[0] = true;
			wheel_add(&wheel, &timers[0]);
			while (running[0] && wheel.now <= tick) {
				uint64_t next = MAX(wheel_next(&wheel), wheel.now);

				n_wrong += next > tick;
				n_wrong += advance_to(next);
			}
			n_wrong += running[0] || wheel.now != tick;
		}
	is_int(n_wrong, 0);
}

static void an_empty_wheel_has_no_next(void)
{
	start_at(5);
	is_true(wheel_next(&wheel) == UINT64_MAX);
	timers[0].tick = 4;
	wheel_add(&wheel, &timers[0]);
	is_int(wheel_next(&wheel), 5);
	wheel_remove(&wheel, &timers[0]);
	is_true(wheel_next(&wheel) == UINT64_MAX);
}

int main(void)
{
	TEST(an_empty_wheel_has_no_next);
	TEST(each_tick_of_the_first_levels_is_exact);
	TEST(random_timers_come_as_they_would_from_a_list);
	return tap_done();
}
