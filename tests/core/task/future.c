/* tests/core/task/future.c */
#include "core/task/future.h"
#include "core/task/future_wait.h"
#include "tests/core/task/probe.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static struct promise promise;
static struct future *future;
static struct future_watch watch;
static unsigned n_called, n_freed, n_discards;
static pthread_t freed_by;
static int value = 42;

static void count_free(void *freed)
{
	is_ptr(freed, &value);
	n_freed++;
	freed_by = pthread_self();
}

static void count_call(struct future_watch *called, struct future *of)
{
	(void)called;
	is_true(future_state(of) != FUTURE_PENDING);
	n_called++;
}

/* A promise, and a future that is watched. */
static void make(void)
{
	n_called = n_freed = n_discards = 0;
	future = promise_init(&promise, loop);
	future_on_any(future, &watch, count_call);
}

static void watch_result(struct future *result)
{
	future = result;
	future_on_any(future, &watch, count_call);
}

static void is_state(enum future_state state, int error)
{
	settle();
	is_int(future_state(future), state);
	is_int(future_error(future), error);
	is_int(n_called, state == FUTURE_PENDING ? 0 : 1);
}

/* The end of a test: everything is given back, each value was freed once. */
static void done(unsigned freed)
{
	future_unref(future);
	settle();
	is_int(n_freed, freed);
	future = NULL;
}

/* ------------------------------------------------------------ one future */

static void a_value_arrives_and_is_freed_with_the_last_handle(void)
{
	make();
	is_state(FUTURE_PENDING, 0);
	is_null(future_value(future));
	promise_set(&promise, &value, count_free);
	is_null(promise.future);
	is_int(n_called, 0);
	is_state(FUTURE_READY, 0);
	is_ptr(future_value(future), &value);
	future_unref(future_ref(future));
	is_int(n_freed, 0);
	done(1);
}

static void a_failure_arrives(void)
{
	make();
	promise_fail(&promise, -EIO);
	is_state(FUTURE_FAILED, -EIO);
	done(0);
}

static void a_promise_that_is_dropped_fails(void)
{
	make();
	promise_drop(&promise);
	promise_drop(&promise);
	is_state(FUTURE_FAILED, -EPIPE);
	done(0);
}

static void a_producer_may_discard(void)
{
	make();
	promise_discard(&promise);
	is_state(FUTURE_DISCARDED, -ECANCELED);
	done(0);
}

static void a_value_may_be_taken(void)
{
	make();
	promise_set(&promise, &value, count_free);
	settle();
	is_ptr(future_take(future), &value);
	is_null(future_value(future));
	done(0);
}

static void a_value_that_nobody_waits_for_is_freed(void)
{
	make();
	future_unwatch(&watch);
	future_unref(take(&future));
	promise_set(&promise, &value, count_free);
	done(1);
	is_int(n_called, 0);
}

static void who_asks_after_the_end_is_called_from_the_loop(void)
{
	make();
	promise_set(&promise, &value, count_free);
	settle();
	future_on_any(future, &watch, count_call);
	is_int(n_called, 1);
	settle();
	is_int(n_called, 2);
	done(1);
}

static void who_does_not_watch_any_more_is_not_called(void)
{
	make();
	promise_set(&promise, &value, count_free);
	future_unwatch(&watch);
	future_unwatch(&watch);
	settle();
	is_int(n_called, 0);
	done(1);
}

static void a_promise_may_be_moved(void)
{
	struct promise to;

	make();
	promise_move(&to, &promise);
	is_null(promise.future);
	promise_drop(&promise);
	promise_set(&to, &value, NULL);
	is_state(FUTURE_READY, 0);
	done(0);
}

/* ------------------------------------------------------------ discarding */

static void on_discard(struct promise *listening)
{
	n_discards++;
	promise_discard(listening);
}

static void a_discard_ends_the_future_and_travels_to_the_producer(void)
{
	make();
	promise_on_discard(&promise, loop, on_discard);
	is_false(promise_is_discarded(&promise));
	future_discard(future);
	is_true(promise_is_discarded(&promise));
	is_state(FUTURE_DISCARDED, -ECANCELED);
	is_int(n_discards, 1);
	is_null(promise.future);
	future_discard(future);
	done(0);
	is_int(n_discards, 1);
}

static void a_producer_that_listens_late_hears_of_it_too(void)
{
	struct promise moved;

	make();
	future_discard(future);
	promise_on_discard(&promise, loop, on_discard);
	promise_move(&moved, &promise);
	is_state(FUTURE_DISCARDED, -ECANCELED);
	is_int(n_discards, 1);
	is_null(moved.future);
	done(0);
}

static void what_is_set_after_a_discard_is_freed(void)
{
	make();
	future_discard(future);
	promise_set(&promise, &value, count_free);
	is_state(FUTURE_DISCARDED, -ECANCELED);
	is_null(future_value(future));
	is_int(n_freed, 1);
	done(1);
}

static void a_producer_that_was_faster_hears_nothing(void)
{
	make();
	promise_on_discard(&promise, loop, on_discard);
	future_discard(future);
	promise_set(&promise, &value, count_free);
	is_state(FUTURE_DISCARDED, -ECANCELED);
	is_int(n_discards, 0);
	done(1);
}

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

/* ------------------------------------------------------------ as a task */

static struct future_wait waiting;

static void wait_for(void)
{
	make();
	future_wait_init(&waiting, future, composite_on_end);
	task_start(&waiting.task, &scope);
	settle();
	is_int(n_composites_ended, 0);
}

static void a_task_waits_for_a_future(void)
{
	wait_for();
	promise_set(&promise, &value, count_free);
	settle();
	has_ended(&waiting.task, OUTCOME_OK);
	done(1);
}

static void a_task_ends_with_a_failure_or_a_timeout(void)
{
	wait_for();
	promise_fail(&promise, -EIO);
	settle();
	has_ended(&waiting.task, OUTCOME_FAILED);
	done(0);
	n_composites_ended = n_empty = 0;
	wait_for();
	promise_fail(&promise, -ETIMEDOUT);
	settle();
	has_ended(&waiting.task, OUTCOME_TIMED_OUT);
	done(0);
}

static void cancelling_the_task_reaches_the_producer(void)
{
	wait_for();
	promise_on_discard(&promise, loop, on_discard);
	scope_cancel(&scope);
	settle();
	has_ended(&waiting.task, OUTCOME_CANCELLED);
	is_int(n_discards, 1);
	done(0);
}

/* ------------------------------------------------------------ threads */

static void *set_from_thread(void *unused)
{
	(void)unused;
	promise_set(&promise, &value, count_free);
	return NULL;
}

static void a_future_is_completed_by_another_thread_and_freed_on_its_loop(void)
{
	pthread_t thread;

	make();
	check(pthread_create(&thread, NULL, set_from_thread, NULL) == 0);
	while (n_called == 0)
		loop_run_once(loop, false);
	pthread_join(thread, NULL);
	is_state(FUTURE_READY, 0);
	done(1);
	is_true(pthread_equal(freed_by, pthread_self()));
}

/* A producer with a loop of its own, and consumers that discard whenever they like. */
enum { N_RACES = 20000 };

static struct loop *producer_loop;
static struct promise racing[N_RACES];
static struct post hand_over[N_RACES];
static unsigned n_told, n_values_made;
static unsigned n_values_freed; /* by the consumer's loop only */

static void racing_on_discard(struct promise *listening)
{
	n_told++;
	promise_discard(listening);
}

static void racing_free(void *freed)
{
	(void)freed;
	n_values_freed++;
}

/* A third answers, a third waits to be told, a third drops. */
static void racing_produce(struct post *post)
{
	size_t i = (size_t)(post - hand_over);

	if (i + 1 == N_RACES)
		loop_stop(producer_loop);
	switch (i % 3) {
	case 0:
		n_values_made++;
		promise_set(&racing[i], &value, racing_free);
		break;
	case 1:
		promise_on_discard(&racing[i], producer_loop, racing_on_discard);
		break;
	default:
		promise_drop(&racing[i]);
	}
}

static void *racing_producer(void *unused)
{
	(void)unused;
	loop_run(producer_loop);
	return NULL;
}

static void producers_and_consumers_on_two_loops(void)
{
	struct future **futures = calloc(N_RACES, sizeof(struct future *));
	pthread_t thread;
	unsigned n_not_ready = 0;

	check(loop_create(&producer_loop) == 0);
	check(pthread_create(&thread, NULL, racing_producer, NULL) == 0);
	for (size_t i = 0; i < N_RACES; i++) {
		futures[i] = promise_init(&racing[i], loop);
		hand_over[i].run = racing_produce;
		loop_post(producer_loop, &hand_over[i]);
		if (i % 5 == 0)
			future_discard(futures[i]);
		if (i % 7 == 0)
			loop_run_once(loop, false);
	}
	pthread_join(thread, NULL);
	for (size_t i = 0; i < N_RACES; i++)
		future_discard(futures[i]);
	loop_settle(producer_loop);
	settle();
	for (size_t i = 0; i < N_RACES; i++) {
		n_not_ready += future_state(futures[i]) == FUTURE_PENDING;
		check(!racing[i].future);
		future_unref(futures[i]);
	}
	is_int(n_not_ready, 0);
	is_int(n_told, N_RACES / 3 + (N_RACES % 3 > 1));
	settle();
	is_int(n_values_freed, n_values_made);
	loop_destroy(producer_loop);
	free(futures);
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
	TRY(a_value_arrives_and_is_freed_with_the_last_handle);
	TRY(a_failure_arrives);
	TRY(a_promise_that_is_dropped_fails);
	TRY(a_producer_may_discard);
	TRY(a_value_may_be_taken);
	TRY(a_value_that_nobody_waits_for_is_freed);
	TRY(who_asks_after_the_end_is_called_from_the_loop);
	TRY(who_does_not_watch_any_more_is_not_called);
	TRY(a_promise_may_be_moved);
	TRY(a_discard_ends_the_future_and_travels_to_the_producer);
	TRY(a_producer_that_listens_late_hears_of_it_too);
	TRY(what_is_set_after_a_discard_is_freed);
	TRY(a_producer_that_was_faster_hears_nothing);
	TRY(then_is_called_with_the_value);
	TRY(a_failure_passes_then_by);
	TRY(then_may_complete_later);
	TRY(then_that_forgets_its_promise_fails);
	TRY(recover_is_called_with_the_failure);
	TRY(a_value_passes_recover_by_and_is_shared);
	TRY(discarding_a_chain_calls_none_of_its_functions);
	TRY(discarding_reaches_a_promise_that_then_moved_away);
	TRY(a_future_that_ended_long_ago_can_still_be_chained);
	TRY(forward_ties_a_promise_to_a_future);
	TRY(discarding_travels_through_forward);
	TRY(after_is_in_time_or_fails);
	TRY(discarding_after_stops_its_timer);
	TRY(collect_has_all_values_in_order);
	TRY(collect_ends_with_the_first_failure_and_discards_the_others);
	TRY(await_waits_for_all_whatever_they_are);
	TRY(discarding_them_discards_each);
	TRY(none_at_all_is_ready);
	TRY(a_task_waits_for_a_future);
	TRY(a_task_ends_with_a_failure_or_a_timeout);
	TRY(cancelling_the_task_reaches_the_producer);
	TRY(a_future_is_completed_by_another_thread_and_freed_on_its_loop);
	TRY(producers_and_consumers_on_two_loops);
	TRY(long_chains_need_no_stack);
	TRY(deep_lists_of_lists_need_no_stack);
	return tap_done();
}
