/* tests/core/task/future_chain.c: futures that are made of futures. */
#include "tests/core/task/promising.h"

/* ------------------------------------------------------------ then and recover */

static struct promise later;
static unsigned n_fn;

static void set_again(struct future *from, struct promise *to, void *arg)
{
	n_fn++;
	is_ptr(arg, &n_fn);
	promise_set(to, future_state(from) == FUTURE_READY ? future_take(from) : &value,
		    count_free);
}

static void set_later(struct future *from, struct promise *to, void *arg)
{
	(void)from;
	(void)arg;
	n_fn++;
	promise_move(&later, to);
	promise_on_discard(&later, loop, on_discard);
}

static void forget(struct future *from, struct promise *to, void *arg)
{
	(void)from;
	(void)to;
	(void)arg;
	n_fn++;
}

static void make_of(struct future *(*combine)(struct future *, future_fn *, void *), future_fn *fn)
{
	n_called = n_freed = n_discards = n_fn = 0;
	watch_result(combine(promise_init(&promise, loop), fn, &n_fn));
}

static void then_is_called_with_the_value(void)
{
	make_of(future_then, set_again);
	promise_set(&promise, &value, count_free);
	is_state(FUTURE_READY, 0);
	is_int(n_fn, 1);
	is_ptr(future_value(future), &value);
	done(1);
}

static void a_failure_passes_then_by(void)
{
	make_of(future_then, set_again);
	promise_fail(&promise, -EIO);
	is_state(FUTURE_FAILED, -EIO);
	is_int(n_fn, 0);
	done(0);
}

static void then_may_complete_later(void)
{
	make_of(future_then, set_later);
	promise_set(&promise, &value, count_free);
	is_state(FUTURE_PENDING, 0);
	is_int(n_freed, 1);
	promise_set(&later, &value, NULL);
	is_state(FUTURE_READY, 0);
	done(1);
}

static void then_that_forgets_its_promise_fails(void)
{
	make_of(future_then, forget);
	promise_set(&promise, &value, count_free);
	is_state(FUTURE_FAILED, -EPIPE);
	is_int(n_fn, 1);
	done(1);
}

static void recover_is_called_with_the_failure(void)
{
	make_of(future_recover, set_again);
	promise_fail(&promise, -EIO);
	is_state(FUTURE_READY, 0);
	is_int(n_fn, 1);
	done(1);
}

static void a_value_passes_recover_by_and_is_shared(void)
{
	make_of(future_recover, set_again);
	promise_set(&promise, &value, count_free);
	is_state(FUTURE_READY, 0);
	is_int(n_fn, 0);
	is_ptr(future_value(future), &value);
	is_int(n_freed, 0);
	done(1);
}

static void discarding_a_chain_calls_none_of_its_functions(void)
{
	make_of(future_then, set_again);
	future_unwatch(&watch);
	watch_result(future_recover(future, set_again, &n_fn));
	promise_on_discard(&promise, loop, on_discard);
	future_discard(future);
	is_state(FUTURE_DISCARDED, -ECANCELED);
	is_int(n_discards, 1);
	is_int(n_fn, 0);
	done(0);
}

static void discarding_reaches_a_promise_that_then_moved_away(void)
{
	make_of(future_then, set_later);
	promise_set(&promise, &value, count_free);
	settle();
	future_discard(future);
	is_state(FUTURE_DISCARDED, -ECANCELED);
	is_int(n_discards, 1);
	is_null(later.future);
	done(1);
}

static void a_future_that_ended_long_ago_can_still_be_chained(void)
{
	make();
	promise_set(&promise, &value, count_free);
	settle();
	n_called = n_fn = 0;
	watch_result(future_then(future, set_again, &n_fn));
	is_int(n_fn, 0);
	is_state(FUTURE_READY, 0);
	done(1);
}

static void read_value(struct future *from, struct promise *to, void *arg)
{
	(void)arg;
	n_fn++;
	promise_set(to, future_value(from), NULL);
}

static void one_future_may_have_several_thens(void)
{
	struct future *second;

	make();
	future_unwatch(&watch);
	second = future_then(future_ref(future), read_value, NULL);
	n_fn = 0;
	watch_result(future_then(future, read_value, NULL));
	promise_set(&promise, &value, NULL);
	settle();
	is_int(n_fn, 2);
	is_ptr(future_value(future), &value);
	is_ptr(future_value(second), &value);
	future_unref(second);
	done(0);
}

static void forward_ties_a_promise_to_a_future(void)
{
	struct promise inner;
	struct future *from = promise_init(&inner, loop);

	make();
	future_forward(from, &promise);
	is_null(promise.future);
	is_state(FUTURE_PENDING, 0);
	promise_set(&inner, &value, count_free);
	is_state(FUTURE_READY, 0);
	is_ptr(future_value(future), &value);
	done(1);
}

static void discarding_travels_through_forward(void)
{
	struct promise inner, second;
	struct future *from = promise_init(&inner, loop);

	make();
	promise_on_discard(&inner, loop, on_discard);
	future_forward(from, &promise);
	future_discard(future);
	is_state(FUTURE_DISCARDED, -ECANCELED);
	is_int(n_discards, 1);
	done(0);
	make();
	from = promise_init(&second, loop);
	promise_on_discard(&second, loop, on_discard);
	future_discard(future);
	future_forward(from, &promise);
	is_state(FUTURE_DISCARDED, -ECANCELED);
	is_int(n_discards, 1);
	done(0);
}

/* ------------------------------------------------------------ time */

static void after_is_in_time_or_fails(void)
{
	n_called = n_freed = n_discards = 0;
	watch_result(future_after(promise_init(&promise, loop), 100));
	pass_ms(99);
	promise_set(&promise, &value, count_free);
	is_state(FUTURE_READY, 0);
	done(1);
	n_called = n_freed = 0;
	watch_result(future_after(promise_init(&promise, loop), 100));
	promise_on_discard(&promise, loop, on_discard);
	pass_ms(99);
	is_state(FUTURE_PENDING, 0);
	pass_ms(1);
	is_state(FUTURE_FAILED, -ETIMEDOUT);
	is_int(n_discards, 1);
	done(0);
}

static void discarding_after_stops_its_timer(void)
{
	make();
	future_unwatch(&watch);
	watch_result(future_after(future, 100));
	future_discard(future);
	promise_drop(&promise);
	is_state(FUTURE_DISCARDED, -ECANCELED);
	is_true(loop_next_timer_ns(loop) > clock_monotonic_ns());
	pass_ms(1000);
	done(0);
}

/* ------------------------------------------------------------ many */

enum { N = 4 };

static struct promise promises[N];

static void make_list(struct future *(*combine)(struct loop *, struct future *const *, size_t))
{
	struct future *futures[N];

	n_called = n_freed = n_discards = 0;
	for (unsigned i = 0; i < N; i++) {
		futures[i] = promise_init(&promises[i], loop);
		promise_on_discard(&promises[i], loop, on_discard);
	}
	watch_result(combine(loop, futures, N));
}

static void collect_has_all_values_in_order(void)
{
	static int values[N];

	make_list(future_collect);
	for (unsigned i = N; i-- > 0;) {
		is_state(FUTURE_PENDING, 0);
		promise_set(&promises[i], &values[i], NULL);
	}
	is_state(FUTURE_READY, 0);
	for (unsigned i = 0; i < N; i++)
		is_ptr(future_value(future_nth(future, i)), &values[i]);
	done(0);
}

static void collect_ends_with_the_first_failure_and_discards_the_others(void)
{
	make_list(future_collect);
	promise_set(&promises[0], &value, count_free);
	promise_fail(&promises[2], -EIO);
	is_state(FUTURE_FAILED, -EIO);
	is_int(n_discards, 2);
	is_int(n_freed, 1);
	done(1);
}

static void await_waits_for_all_whatever_they_are(void)
{
	make_list(future_await);
	promise_fail(&promises[0], -EIO);
	promise_drop(&promises[1]);
	promise_discard(&promises[2]);
	is_state(FUTURE_PENDING, 0);
	promise_set(&promises[3], &value, count_free);
	is_state(FUTURE_READY, 0);
	is_int(future_error(future_nth(future, 0)), -EIO);
	is_int(future_error(future_nth(future, 1)), -EPIPE);
	is_int(future_state(future_nth(future, 2)), FUTURE_DISCARDED);
	is_ptr(future_value(future_nth(future, 3)), &value);
	done(1);
}

static void discarding_them_discards_each(void)
{
	make_list(future_await);
	future_discard(future);
	is_state(FUTURE_DISCARDED, -ECANCELED);
	is_int(n_discards, N);
	done(0);
}

static void none_at_all_is_ready(void)
{
	n_called = n_freed = 0;
	watch_result(future_collect(loop, NULL, 0));
	is_state(FUTURE_READY, 0);
	done(0);
	n_called = 0;
	watch_result(future_await(loop, NULL, 0));
	is_state(FUTURE_READY, 0);
	done(0);
}

/* ------------------------------------------------------------ depth */

enum { MANY = 200000 };

static void pass_on(struct future *from, struct promise *to, void *arg)
{
	(void)arg;
	n_fn++;
	promise_set(to, future_take(from), count_free);
}

static void make_chain(bool recover)
{
	n_called = n_freed = n_discards = n_fn = 0;
	future = promise_init(&promise, loop);
	for (unsigned i = 0; i < MANY; i++)
		future = recover ? future_recover(future, pass_on, NULL)
				 : future_then(future, pass_on, NULL);
	watch_result(future);
}

static void long_chains_need_no_stack(void)
{
	for (unsigned recover = 0; recover <= 1; recover++) {
		make_chain(recover);
		promise_set(&promise, &value, count_free);
		is_state(FUTURE_READY, 0);
		is_ptr(future_value(future), &value);
		is_int(n_fn, recover ? 0 : MANY);
		done(1);
		make_chain(recover);
		promise_on_discard(&promise, loop, on_discard);
		future_discard(future);
		is_state(FUTURE_DISCARDED, -ECANCELED);
		is_int(n_discards, 1);
		done(0);
	}
}

static void deep_lists_of_lists_need_no_stack(void)
{
	n_called = n_freed = 0;
	future = promise_init(&promise, loop);
	for (unsigned i = 0; i < MANY; i++)
		future = future_collect(loop, &future, 1);
	watch_result(future);
	promise_set(&promise, &value, count_free);
	is_state(FUTURE_READY, 0);
	done(1);
}

int main(void)
{
	small_stack();
	TRY(then_is_called_with_the_value);
	TRY(a_failure_passes_then_by);
	TRY(then_may_complete_later);
	TRY(then_that_forgets_its_promise_fails);
	TRY(recover_is_called_with_the_failure);
	TRY(a_value_passes_recover_by_and_is_shared);
	TRY(discarding_a_chain_calls_none_of_its_functions);
	TRY(discarding_reaches_a_promise_that_then_moved_away);
	TRY(a_future_that_ended_long_ago_can_still_be_chained);
	TRY(one_future_may_have_several_thens);
	TRY(forward_ties_a_promise_to_a_future);
	TRY(discarding_travels_through_forward);
	TRY(after_is_in_time_or_fails);
	TRY(discarding_after_stops_its_timer);
	TRY(collect_has_all_values_in_order);
	TRY(collect_ends_with_the_first_failure_and_discards_the_others);
	TRY(await_waits_for_all_whatever_they_are);
	TRY(discarding_them_discards_each);
	TRY(none_at_all_is_ready);
	TRY(long_chains_need_no_stack);
	TRY(deep_lists_of_lists_need_no_stack);
	return tap_done();
}
