/* tests/server/tally.c */
#include "server/tally.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"

static void one_of_a_name_is_the_same_as_long_as_anybody_has_it(void)
{
	struct tally *first = tally_take("route", STR("GET /")), *again;

	tally_count(first);
	again = tally_take("route", STR("GET /"));
	is_ptr(again, first);
	tally_give(first);
	again = tally_take("route", STR("GET /"));
	is_int(again->n, 1);
	tally_give(again);
	tally_give(again);
	again = tally_take("route", STR("GET /"));
	is_int(again->n, 0);
	tally_give(again);
}

static void kinds_and_names_do_not_meet(void)
{
	struct tally *a = tally_take("ro", STR("uteGET /")), *b = tally_take("route", STR("GET /"));

	is_true(a != b);
	tally_give(a);
	tally_give(b);
	tally_give(NULL);
}

static void an_end_is_in_the_bucket_of_its_bound(void)
{
	struct tally *tally = tally_take("t", STR("x"));
	struct tally_view view;

	tally_look(tally, &view);
	is_int(view.up_to[TALLY_BOUNDS], 0);
	is_int(tally_view_quantile_ns(&view, 0.5), 0);
	tally_add(tally, 500 * 1000, false); /* just within the first */
	tally_add(tally, 500 * 1000 + 1, true);
	tally_add(tally, 60 * NS_PER_S, false);
	tally_look(tally, &view);
	is_int(view.n, 3);
	is_int(view.n_failed, 1);
	is_int(view.up_to[0], 1);
	is_int(view.up_to[1], 2);
	is_int(view.up_to[TALLY_BOUNDS - 1], 2);
	is_int(view.up_to[TALLY_BOUNDS], 3);
	is_int(view.max_ns, 60 * NS_PER_S);
	is_int(view.sum_ns, 60 * NS_PER_S + 1000001);
	tally_give(tally);
}

static void a_quantile_is_within_its_bucket_and_the_longest(void)
{
	struct tally *tally = tally_take("t", STR("q"));
	struct tally_view view, sum = { 0 };

	for (int i = 0; i < 90; i++)
		tally_add(tally, 2 * NS_PER_MS, false);
	for (int i = 0; i < 10; i++)
		tally_add(tally, 80 * NS_PER_MS, false);
	tally_look(tally, &view);
	is_true(tally_view_quantile_ns(&view, 0.5) > NS_PER_MS &&
		tally_view_quantile_ns(&view, 0.5) <= 5 * NS_PER_MS / 2);
	is_true(tally_view_quantile_ns(&view, 0.95) > 50 * NS_PER_MS &&
		tally_view_quantile_ns(&view, 0.95) <= 80 * NS_PER_MS);
	is_int(tally_view_quantile_ns(&view, 1), 80 * NS_PER_MS);
	tally_view_add(&sum, &view);
	tally_view_add(&sum, &view);
	is_int(sum.n, 200);
	is_int(sum.up_to[TALLY_BOUNDS], 200);
	is_int(tally_view_quantile_ns(&sum, 0.5), tally_view_quantile_ns(&view, 0.5));
	tally_give(tally);
}

int main(void)
{
	TEST(one_of_a_name_is_the_same_as_long_as_anybody_has_it);
	TEST(kinds_and_names_do_not_meet);
	TEST(an_end_is_in_the_bucket_of_its_bound);
	TEST(a_quantile_is_within_its_bucket_and_the_longest);
	return tap_done();
}
