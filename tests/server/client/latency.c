/* tests/server/client/latency.c */
#include "server/client/latency.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"
#include <pthread.h>

static struct latency latency;

static void add(unsigned n, uint64_t took_ns)
{
	for (unsigned i = 0; i < n; i++)
		latency_add(&latency, took_ns);
}

/* Within the eighth of an octave that the histogram knows. */
static void is_about(uint64_t got_ns, uint64_t wanted_ns)
{
	is_true(got_ns >= wanted_ns - wanted_ns / 7 && got_ns <= wanted_ns + wanted_ns / 7);
}

static void nothing_is_said_of_a_few(void)
{
	latency_init(&latency);
	add(LATENCY_MIN - 1, NS_PER_MS);
	is_int((int64_t)latency_p95_ns(&latency), 0);
	add(1, NS_PER_MS);
	is_about(latency_p95_ns(&latency), NS_PER_MS);
}

static void five_in_a_hundred_are_slower(void)
{
	latency_init(&latency);
	for (unsigned i = 1; i <= 1000; i++)
		add(1, i * NS_PER_MS);
	is_about(latency_p95_ns(&latency), 950 * NS_PER_MS);
	latency_init(&latency);
	for (unsigned i = 0; i < 50; i++) {
		add(1, NS_PER_S);
		add(31, 3 * NS_PER_MS); /* 3 in 100 */
	}
	is_about(latency_p95_ns(&latency), 3 * NS_PER_MS);
}

static void what_was_long_ago_is_forgotten(void)
{
	latency_init(&latency);
	add(LATENCY_WINDOW, NS_PER_S);
	is_about(latency_p95_ns(&latency), NS_PER_S);
	add(6 * LATENCY_WINDOW, 10 * NS_PER_MS);
	is_about(latency_p95_ns(&latency), 10 * NS_PER_MS);
}

static void the_shortest_and_the_longest_have_a_place(void)
{
	latency_init(&latency);
	add(2 * LATENCY_MIN, 0);
	is_true(latency_p95_ns(&latency) > 0 && latency_p95_ns(&latency) <= 2000);
	latency_init(&latency);
	add(2 * LATENCY_MIN, UINT64_MAX);
	is_true(latency_p95_ns(&latency) > 1000 * NS_PER_S);
}

static void *add_some(void *unused)
{
	add(10 * LATENCY_WINDOW, 5 * NS_PER_MS);
	return unused;
}

static void threads_share_one(void)
{
	pthread_t threads[3];

	latency_init(&latency);
	for (unsigned i = 0; i < 3; i++)
		is_int(pthread_create(&threads[i], NULL, add_some, NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	add(16, 5 * NS_PER_MS);
	is_about(latency_p95_ns(&latency), 5 * NS_PER_MS);
}

int main(void)
{
	TEST(nothing_is_said_of_a_few);
	TEST(five_in_a_hundred_are_slower);
	TEST(what_was_long_ago_is_forgotten);
	TEST(the_shortest_and_the_longest_have_a_place);
	TEST(threads_share_one);
	return tap_done();
}
