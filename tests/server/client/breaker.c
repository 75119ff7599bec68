/* tests/server/client/breaker.c */
#include "server/client/breaker.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"
#include <pthread.h>

#define MS(n) ((n)*NS_PER_MS)

static struct breaker breaker;
static struct breaker_settings settings;
static uint64_t now_ns;

static void begin(struct breaker_settings given)
{
	breaker_init(&breaker);
	settings = given;
	now_ns = 1000 * NS_PER_S;
}

static void end(void)
{
	breaker_fini(&breaker);
}

static bool enter(breaker_ticket *ticket)
{
	bool admits = breaker_admits(&breaker, &settings, now_ns);
	bool entered = breaker_enter(&breaker, &settings, now_ns, ticket);

	is_int(admits, entered);
	return entered;
}

static void report(breaker_ticket ticket, enum breaker_result result)
{
	breaker_report(&breaker, &settings, now_ns, ticket, result);
}

static void calls(unsigned n, enum breaker_result result)
{
	breaker_ticket ticket;

	for (unsigned i = 0; i < n; i++) {
		is_true(enter(&ticket));
		report(ticket, result);
	}
}

static void is_state(const char *name)
{
	is_text(breaker_state_name(breaker_state(&breaker, now_ns)), name);
}

static const struct breaker_settings five_in_a_row = {
	.failures = 5, .probes = 1, .open_ms = 1000, .window_ms = 10000
};

static void failures_in_a_row_open_it_and_a_success_between_them_does_not(void)
{
	breaker_ticket ticket;

	begin(five_in_a_row);
	calls(4, BREAKER_FAILED);
	calls(1, BREAKER_SUCCEEDED);
	calls(4, BREAKER_FAILED);
	calls(9, BREAKER_UNKNOWN); /* neither of both */
	is_state("closed");
	calls(1, BREAKER_FAILED);
	is_state("open");
	is_false(enter(&ticket));
	is_int(breaker.n_opened, 1);
	end();
}

static void after_its_time_one_probe_decides(void)
{
	breaker_ticket probe, other;

	begin(five_in_a_row);
	calls(5, BREAKER_FAILED);
	now_ns += MS(999);
	is_false(enter(&other));
	now_ns += MS(1);
	is_state("half_open");
	is_true(enter(&probe));
	is_false(enter(&other));
	report(probe, BREAKER_FAILED);
	is_state("open");
	is_false(enter(&other));
	now_ns += MS(1000);
	is_true(enter(&probe));
	report(probe, BREAKER_SUCCEEDED);
	is_state("closed");
	calls(4, BREAKER_FAILED);
	is_state("closed"); /* what was before does not count */
	end();
}

static void a_probe_that_was_given_up_makes_room_for_the_next(void)
{
	breaker_ticket probe;

	begin(five_in_a_row);
	calls(5, BREAKER_FAILED);
	now_ns += MS(1000);
	for (unsigned i = 0; i < 3; i++) {
		is_true(enter(&probe));
		report(probe, BREAKER_UNKNOWN);
		is_state("half_open");
	}
	end();
}

static void so_many_probes_go_at_a_time_and_must_succeed(void)
{
	breaker_ticket probes[4];

	begin(five_in_a_row);
	settings.probes = 3;
	calls(5, BREAKER_FAILED);
	now_ns += MS(1000);
	for (unsigned i = 0; i < 3; i++)
		is_true(enter(&probes[i]));
	is_false(enter(&probes[3]));
	report(probes[0], BREAKER_SUCCEEDED);
	report(probes[1], BREAKER_SUCCEEDED);
	is_state("half_open");
	report(probes[2], BREAKER_SUCCEEDED);
	is_state("closed");
	end();
}

static void what_began_before_it_opened_does_not_judge_what_came_after(void)
{
	breaker_ticket old, probe;

	begin(five_in_a_row);
	is_true(enter(&old));
	calls(5, BREAKER_FAILED);
	report(old, BREAKER_SUCCEEDED);
	is_state("open");
	begin(five_in_a_row);
	is_true(enter(&old));
	calls(5, BREAKER_FAILED);
	now_ns += MS(1000);
	is_true(enter(&probe));
	report(old, BREAKER_FAILED);
	is_state("half_open");
	report(probe, BREAKER_SUCCEEDED);
	is_state("closed");
	end();
}

static const struct breaker_settings half_of_them = {
	.error_rate = 50, .min_calls = 10, .probes = 1, .open_ms = 1000, .window_ms = 10000
};

static void a_share_of_failures_opens_it_when_there_were_calls_enough(void)
{
	begin(half_of_them);
	calls(4, BREAKER_SUCCEEDED);
	calls(5, BREAKER_FAILED);
	is_state("closed"); /* nine say nothing yet */
	calls(1, BREAKER_FAILED);
	is_state("open");
	end();
	begin(half_of_them);
	calls(11, BREAKER_SUCCEEDED);
	calls(10, BREAKER_FAILED);
	is_state("closed");
	calls(1, BREAKER_FAILED);
	is_state("open");
	end();
}

static void what_is_older_than_the_window_is_forgotten(void)
{
	begin(half_of_them);
	calls(9, BREAKER_FAILED);
	now_ns += MS(11000);
	calls(9, BREAKER_FAILED);
	is_state("closed");
	now_ns += MS(5000);
	calls(1, BREAKER_FAILED);
	is_state("open");
	end();
}

static void without_settings_there_is_none(void)
{
	breaker_ticket ticket = 1;

	begin((struct breaker_settings){ .open_ms = 1000 });
	calls(100, BREAKER_FAILED);
	is_true(enter(&ticket));
	is_int(ticket, 0);
	is_state("closed");
	end();
}

enum { THREADS = 4, CALLS = 20000 };

static void *many_calls(void *arg)
{
	unsigned *n_in = arg;

	for (unsigned i = 0; i < CALLS; i++) {
		breaker_ticket ticket;

		if (!breaker_enter(&breaker, &settings, now_ns + i * NS_PER_MS, &ticket))
			continue;
		++*n_in;
		breaker_report(&breaker, &settings, now_ns + i * NS_PER_MS, ticket,
			       i % 3 ? BREAKER_FAILED : BREAKER_SUCCEEDED);
	}
	return NULL;
}

static void threads_share_one(void)
{
	pthread_t threads[THREADS];
	unsigned n_in[THREADS] = { 0 };
	breaker_ticket ticket;

	begin(half_of_them);
	settings.open_ms = 50;
	for (unsigned i = 0; i < THREADS; i++)
		is_int(pthread_create(&threads[i], NULL, many_calls, &n_in[i]), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	is_true(breaker.n_opened > 0);
	for (unsigned i = 0; i < THREADS; i++)
		is_true(n_in[i] < CALLS);
	now_ns += (CALLS + 1000) * NS_PER_MS;
	is_true(enter(&ticket)); /* no probe was lost */
	report(ticket, BREAKER_SUCCEEDED);
	is_state("closed");
	end();
}

int main(void)
{
	TEST(failures_in_a_row_open_it_and_a_success_between_them_does_not);
	TEST(after_its_time_one_probe_decides);
	TEST(a_probe_that_was_given_up_makes_room_for_the_next);
	TEST(so_many_probes_go_at_a_time_and_must_succeed);
	TEST(what_began_before_it_opened_does_not_judge_what_came_after);
	TEST(a_share_of_failures_opens_it_when_there_were_calls_enough);
	TEST(what_is_older_than_the_window_is_forgotten);
	TEST(without_settings_there_is_none);
	TEST(threads_share_one);
	return tap_done();
}
