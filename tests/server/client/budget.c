/* tests/server/client/budget.c */
#include "server/client/budget.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"
#include <pthread.h>

static unsigned spend(struct budget *budget, uint64_t now_ns)
{
	unsigned n = 0;

	while (budget_spend(budget, now_ns))
		n++;
	return n;
}

static void there_is_some_to_begin_with_and_then_a_share(void)
{
	struct budget budget;

	budget_init(&budget, NS_PER_S);
	is_int(spend(&budget, NS_PER_S), 10);
	for (unsigned i = 0; i < 100; i++)
		budget_earn(&budget, 20);
	is_int(spend(&budget, NS_PER_S), 20);
}

static void who_seldom_calls_has_one_a_second(void)
{
	struct budget budget;

	budget_init(&budget, NS_PER_S);
	spend(&budget, NS_PER_S);
	is_false(budget_spend(&budget, NS_PER_S + NS_PER_S / 2));
	is_int(spend(&budget, 2 * NS_PER_S), 1);
	is_int(spend(&budget, 9 * NS_PER_S), 1); /* not saved up by doing nothing */
}

static void what_is_saved_is_bounded(void)
{
	struct budget budget;

	budget_init(&budget, 0);
	for (unsigned i = 0; i < 100000; i++)
		budget_earn(&budget, 100);
	is_int(spend(&budget, 0), 100);
}

static void *spend_some(void *budget)
{
	for (unsigned i = 0; i < 1000; i++)
		budget_earn(budget, 10);
	return (void *)(uintptr_t)spend(budget, 0);
}

static void threads_share_one(void)
{
	pthread_t threads[3];
	struct budget budget;
	uintptr_t n = 0;

	budget_init(&budget, 0);
	for (unsigned i = 0; i < 3; i++)
		is_int(pthread_create(&threads[i], NULL, spend_some, &budget), 0);
	for (unsigned i = 0; i < 3; i++) {
		void *got;

		pthread_join(threads[i], &got);
		n += (uintptr_t)got;
	}
	n += spend(&budget, 0);
	is_true(n >= 100 && n <= 310);
}

int main(void)
{
	TEST(there_is_some_to_begin_with_and_then_a_share);
	TEST(who_seldom_calls_has_one_a_second);
	TEST(what_is_saved_is_bounded);
	TEST(threads_share_one);
	return tap_done();
}
