/* tests/core/io/timer.c */
#include "core/io/timer.h"
#include "core/base/clock.h"
#include "core/io/loop.h"
#include "tests/lib/tap.h"
#include <stdlib.h>
#include <unistd.h>

struct probe {
	struct timer timer;
	uint64_t want_ns; /* its deadline */
	uint64_t fired_ns;
	unsigned n_fired, order;
};

static struct loop *loop;
static unsigned n_fired;

static void probe_on_fire(struct timer *timer)
{
	struct probe *probe = container_of(timer, struct probe, timer);

	probe->fired_ns = clock_monotonic_ns();
	probe->n_fired++;
	probe->order = n_fired++;
}

static void probe_start(struct probe *probe, uint64_t deadline_ns)
{
	*probe = (struct probe){ .want_ns = deadline_ns };
	timer_init(&probe->timer, loop, probe_on_fire);
	timer_start_at(&probe->timer, deadline_ns);
}

static void setup_frozen(void)
{
	clock_freeze(UINT64_C(1000000) * NS_PER_S, 0);
	check(loop_create(&loop) == 0);
	n_fired = 0;
}

static void teardown(void)
{
	loop_destroy(loop);
	clock_thaw();
}

static void turn(uint64_t advance_ns)
{
	clock_advance(advance_ns);
	loop_run_once(loop, false);
}

static void end_on_fire(struct timer *timer)
{
	loop_stop(timer->loop);
}

/* How late the latest of twenty came. */
static uint64_t how_late(unsigned *n_early)
{
	struct probe probes[20];
	struct timer end;
	uint64_t start_ns = clock_monotonic_ns(), worst_ns = 0;

	check(loop_create(&loop) == 0);
	n_fired = 0;
	for (unsigned i = 0; i < 20; i++)
		probe_start(&probes[i], start_ns + i * 1733000 + i * i);
	timer_init(&end, loop, end_on_fire);
	timer_start_at(&end, start_ns + 40 * NS_PER_MS);
	loop_run(loop);
	check(n_fired == 20);
	for (unsigned i = 0; i < 20; i++) {
		*n_early += probes[i].fired_ns < probes[i].want_ns;
		worst_ns = MAX(worst_ns, probes[i].fired_ns - probes[i].want_ns);
	}
	teardown();
	return worst_ns;
}

static void a_timer_is_never_early_and_soon_after_its_deadline(void)
{
	uint64_t late_ns = UINT64_MAX;
	unsigned n_early = 0;

	/* a busy machine may hold this thread up, but not each time */
	for (unsigned i = 0; i < 40 && late_ns >= 20 * NS_PER_MS; i++)
		late_ns = how_late(&n_early);
	is_int(n_early, 0);
	tap_ok(late_ns < 20 * NS_PER_MS, __FILE__, __LINE__, "the latest came %u us late",
	       (unsigned)(late_ns / 1000));
}

static void timers_fire_in_the_order_of_their_deadlines(void)
{
	static const unsigned delays_ms[] = { 700, 3, 64, 65, 5000, 63, 1, 128, 4096, 2 };
	static const unsigned order[] = { 7, 2, 4, 5, 9, 3, 0, 6, 8, 1 };
	struct probe probes[ARRAY_LEN(delays_ms)];

	setup_frozen();
	for (unsigned i = 0; i < ARRAY_LEN(delays_ms); i++)
		probe_start(&probes[i], clock_monotonic_ns() + delays_ms[i] * NS_PER_MS);
	turn(6 * NS_PER_S);
	for (unsigned i = 0; i < ARRAY_LEN(delays_ms); i++)
		is_int(probes[i].order, order[i]);
	teardown();
}

static void a_frozen_clock_lets_an_hour_pass_at_once(void)
{
	struct probe probe;

	setup_frozen();
	probe_start(&probe, clock_monotonic_ns() + 3600 * NS_PER_S);
	turn(3600 * NS_PER_S - 1);
	is_int(probe.n_fired, 0);
	is_true(timer_is_running(&probe.timer));
	turn(1);
	is_int(probe.n_fired, 1);
	is_false(timer_is_running(&probe.timer));
	teardown();
}

static void a_delay_of_nothing_is_due_in_the_next_turn(void)
{
	struct probe probe;

	setup_frozen();
	probe_start(&probe, 0);
	turn(0);
	is_int(probe.n_fired, 1);
	timer_start(&probe.timer, 0);
	turn(0);
	is_int(probe.n_fired, 2);
	teardown();
}

static void a_timer_that_was_stopped_or_moved_does_not_fire_at_its_old_time(void)
{
	struct probe stopped, moved;

	setup_frozen();
	probe_start(&stopped, clock_monotonic_ns() + 10 * NS_PER_MS);
	probe_start(&moved, clock_monotonic_ns() + 10 * NS_PER_MS);
	timer_stop(&stopped.timer);
	timer_stop(&stopped.timer);
	timer_start(&moved.timer, 30);
	turn(20 * NS_PER_MS);
	is_int(stopped.n_fired + moved.n_fired, 0);
	turn(10 * NS_PER_MS);
	is_int(stopped.n_fired, 0);
	is_int(moved.n_fired, 1);
	teardown();
}

static struct probe chain[3];

static void chain_on_fire(struct timer *timer)
{
	probe_on_fire(timer);
	timer_stop(&chain[1].timer);     /* due in this same turn */
	timer_start(&chain[2].timer, 5); /* so is this: it moves */
	timer_start(timer, 0);           /* itself: not before the next turn */
}

static void timers_may_be_stopped_and_started_while_they_fire(void)
{
	setup_frozen();
	for (unsigned i = 0; i < 3; i++)
		probe_start(&chain[i], clock_monotonic_ns() + 10 * NS_PER_MS);
	chain[0].timer.on_fire = chain_on_fire;
	turn(10 * NS_PER_MS);
	is_int(chain[0].n_fired, 1);
	is_int(chain[1].n_fired, 0);
	is_int(chain[2].n_fired, 0);
	is_true(timer_is_running(&chain[0].timer));
	timer_stop(&chain[0].timer);
	turn(5 * NS_PER_MS);
	is_int(chain[0].n_fired, 1);
	is_int(chain[1].n_fired, 0);
	is_int(chain[2].n_fired, 1);
	teardown();
}

static void the_farthest_future_does_not_come(void)
{
	struct probe probes[3];

	setup_frozen();
	probe_start(&probes[0], UINT64_MAX);
	probe_start(&probes[1], 0);
	timer_start(&probes[1].timer, UINT64_MAX);
	probe_start(&probes[2], clock_monotonic_ns() + UINT64_C(86400) * 365 * 200 * NS_PER_S);
	for (unsigned i = 0; i < 100; i++)
		turn(UINT64_C(86400) * 365 * NS_PER_S);
	is_int(n_fired, 0);
	for (unsigned i = 0; i < 100; i++)
		turn(UINT64_C(86400) * 365 * NS_PER_S);
	is_int(probes[2].n_fired, 1);
	is_int(n_fired, 1);
	teardown();
}

enum { MANY = 1000000 };

static void a_million_timers_wait_and_each_fires_once_in_order(void)
{
	struct probe *probes = calloc(MANY, sizeof(*probes));
	unsigned n_wrong = 0;

	check(probes);
	setup_frozen();
	for (unsigned i = 0; i < MANY; i++)
		probe_start(&probes[i],
			    clock_monotonic_ns() + (i * UINT64_C(7919) % MANY) * NS_PER_MS);
	for (unsigned i = 0; i < MANY; i += 2)
		timer_stop(&probes[i].timer);
	while (n_fired < MANY / 2)
		turn(977 * NS_PER_MS);
	for (unsigned i = 0; i < MANY; i++) {
		n_wrong += probes[i].n_fired != i % 2;
		n_wrong += i % 2 && probes[i].fired_ns < probes[i].want_ns;
		n_wrong += i % 2 && probes[i].fired_ns >= probes[i].want_ns + 977 * NS_PER_MS;
	}
	is_int(n_wrong, 0);
	is_true(sizeof(struct timer) <= 100);
	teardown();
	free(probes);
}

int main(void)
{
	TEST(a_timer_is_never_early_and_soon_after_its_deadline);
	TEST(timers_fire_in_the_order_of_their_deadlines);
	TEST(a_frozen_clock_lets_an_hour_pass_at_once);
	TEST(a_delay_of_nothing_is_due_in_the_next_turn);
	TEST(a_timer_that_was_stopped_or_moved_does_not_fire_at_its_old_time);
	TEST(timers_may_be_stopped_and_started_while_they_fire);
	TEST(the_farthest_future_does_not_come);
	TEST(a_million_timers_wait_and_each_fires_once_in_order);
	return tap_done();
}
