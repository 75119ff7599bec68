/* tests/core/io/loop_clock.c */
#include "core/io/loop_clock.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"
#include <sys/epoll.h>
#include <unistd.h>

enum { N = 5 };

#define START_NS (1000 * NS_PER_S)

static struct loop *loop;
static struct timer timers[N];
static uint64_t fired_ns[N];
static unsigned order[N], n_fired, n_run;

static void setup(void)
{
	clock_freeze(START_NS, 0);
	check(loop_create(&loop) == 0);
	n_fired = n_run = 0;
}

static void teardown(void)
{
	loop_destroy(loop);
	clock_thaw();
}

#define TRY(test) (setup(), TEST(test), teardown())

static void note(struct timer *timer)
{
	size_t i = (size_t)(timer - timers);

	fired_ns[i] = clock_monotonic_ns() - START_NS;
	order[n_fired++] = (unsigned)i;
}

static void timers_fire_in_order_each_at_its_own_time(void)
{
	static const uint64_t delays_ms[N] = { 5000, 1, 3600 * 1000, 70, 69 };
	static const unsigned want[N] = { 1, 4, 3, 0, 2 };

	for (unsigned i = 0; i < N; i++) {
		timer_init(&timers[i], loop, note);
		timer_start(&timers[i], delays_ms[i]);
	}
	loop_advance(loop, 3600 * NS_PER_S - 1);
	is_int(n_fired, N - 1);
	loop_advance(loop, 1);
	is_int(n_fired, N);
	for (unsigned i = 0; i < N; i++) {
		is_int(order[i], want[i]);
		is_int(fired_ns[i], delays_ms[i] * NS_PER_MS);
	}
	is_int(clock_monotonic_ns() - START_NS, 3600 * NS_PER_S);
	is_int(clock_wall_ns(), 3600 * NS_PER_S);
}

static void start_again(struct timer *timer)
{
	n_fired++;
	timer_start(timer, 250);
}

static void a_timer_that_starts_again_fires_as_often_as_time_allows(void)
{
	timer_init(&timers[0], loop, start_again);
	timer_start(&timers[0], 250);
	loop_advance(loop, 3600 * NS_PER_S);
	is_int(n_fired, 4 * 3600);
	timer_stop(&timers[0]);
}

static void a_timer_that_was_stopped_leaves_time_alone(void)
{
	timer_init(&timers[0], loop, note);
	timer_start(&timers[0], 250);
	timer_stop(&timers[0]);
	is_true(loop_next_timer_ns(loop) == UINT64_MAX);
	loop_advance(loop, NS_PER_S);
	is_int(n_fired, 0);
	is_int(clock_monotonic_ns() - START_NS, NS_PER_S);
}

/* ------------------------------------------------------------ settling */

static struct ready ready;
static struct post post;

static void run_post(struct post *at)
{
	(void)at;
	n_run++;
	loop_ready(loop, &ready);
}

static void run_ready(struct ready *at)
{
	if (++n_run < 100000)
		loop_ready(loop, at);
}

static void settling_runs_all_that_follows_but_no_time(void)
{
	timer_init(&timers[0], loop, note);
	timer_start(&timers[0], 1);
	ready_init(&ready, run_ready);
	post.run = run_post;
	is_true(loop_is_settled(loop));
	loop_post(loop, &post);
	is_false(loop_is_settled(loop));
	loop_settle(loop);
	is_int(n_run, 100000);
	is_int(n_fired, 0);
	is_true(loop_is_settled(loop));
	timer_stop(&timers[0]);
}

static void a_timer_without_delay_is_due_at_once(void)
{
	timer_init(&timers[0], loop, note);
	timer_start(&timers[0], 0);
	is_false(loop_is_settled(loop));
	loop_settle(loop);
	is_int(n_fired, 1);
}

static struct watch ends[2];
static int fds[2];

/* Reads one byte an event, and passes it on until 100 were. */
static void pass_on(struct watch *watch, uint32_t events)
{
	char byte;

	(void)events;
	check(read(watch->fd, &byte, 1) == 1);
	if (++n_run < 100)
		check(write(fds[1], &byte, 1) == 1);
}

static void settling_reads_what_descriptors_have(void)
{
	check(pipe(fds) == 0);
	is_int(loop_add(loop, &ends[0], fds[0], EPOLLIN, pass_on), 0);
	check(write(fds[1], "x", 1) == 1);
	loop_settle(loop);
	is_int(n_run, 100);
	loop_remove(loop, &ends[0]);
	close(fds[0]);
	close(fds[1]);
}

static void advancing_by_nothing_settles(void)
{
	ready_init(&ready, run_ready);
	loop_ready(loop, &ready);
	loop_advance(loop, 0);
	is_int(n_run, 100000);
	is_int(clock_monotonic_ns(), START_NS);
}

int main(void)
{
	TRY(timers_fire_in_order_each_at_its_own_time);
	TRY(a_timer_that_starts_again_fires_as_often_as_time_allows);
	TRY(a_timer_that_was_stopped_leaves_time_alone);
	TRY(settling_runs_all_that_follows_but_no_time);
	TRY(a_timer_without_delay_is_due_at_once);
	TRY(settling_reads_what_descriptors_have);
	TRY(advancing_by_nothing_settles);
	return tap_done();
}
