/* tests/core/task/future.c: one future, its promise, its threads. */
#include "core/task/future_wait.h"
#include "tests/core/task/promising.h"

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

int main(void)
{
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
	TRY(a_task_waits_for_a_future);
	TRY(a_task_ends_with_a_failure_or_a_timeout);
	TRY(cancelling_the_task_reaches_the_producer);
	TRY(a_future_is_completed_by_another_thread_and_freed_on_its_loop);
	TRY(producers_and_consumers_on_two_loops);
	return tap_done();
}
