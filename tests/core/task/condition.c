/* tests/core/task/condition.c */
#include "core/task/condition.h"
#include "tests/core/task/shared_fixture.h"

static const struct await one_forever = { .wait_ms = WAIT_FOREVER };

static void await_named(struct wait_task *wait, unsigned loop, struct str name,
			const struct await *await)
{
	await_init(wait, homes, name, await, count_end);
	task_start(&wait->task, &scopes[loop]);
}

/* Sends from no loop at all, as any thread may. */
static void send(struct str name, const char *text, uint64_t wake_n, uint64_t keep_ms)
{
	struct blob *value = text ? blob_create(str_of(text)) : NULL;

	signal_send(homes, name, &(struct signal){ value, wake_n, keep_ms });
	blob_unref(value);
	settle();
}

static void a_signal_brings_its_value_to_one_who_waits(void)
{
	for (unsigned at = 0; at < 2; at++) {
		struct str name;
		struct wait_task wait;

		setup();
		name = name_at(at); /* at home, and from another loop */
		await_named(&wait, 0, name, &one_forever);
		settle();
		is_int(stats().n_things, 1);
		send(name, "hello", 1, 0);
		is_int(n_ended, 1);
		is_int(wait.task.outcome, OUTCOME_OK);
		is_int(wait_reason(&wait), REASON_NONE);
		is_int(wait.ask.n_parcels, 1);
		is_str(value_at(await_values(&wait), 0), STR("hello"));
		await_fini(&wait);
		is_quiet();
		teardown();
	}
}

static void wake_all_reaches_all_and_wake_n_the_first_n(void)
{
	struct wait_task waits[6];
	struct str name;

	setup();
	name = name_at(1);
	for (unsigned i = 0; i < 6; i++) {
		await_named(&waits[i], i % 3, name, &one_forever);
		settle();
	}
	send(name, "two", 2, 0);
	is_int(n_ended, 2);
	is_int(waits[0].task.outcome, OUTCOME_OK);
	is_int(waits[1].task.outcome, OUTCOME_OK);
	is_int(waits[2].task.state, TASK_STARTED);
	send(name, "rest", WAKE_ALL, 0);
	is_int(n_ended, 6);
	for (unsigned i = 0; i < 6; i++) {
		is_str(value_at(await_values(&waits[i]), 0), i < 2 ? STR("two") : STR("rest"));
		await_fini(&waits[i]);
	}
	is_quiet();
	teardown();
}

static void a_signal_that_nobody_waits_for_is_lost(void)
{
	struct wait_task wait;
	struct str name;

	setup();
	name = name_at(0);
	send(name, "lost", WAKE_ALL, 0);
	send(name, "lost", 1, 0);
	is_quiet();
	await_named(&wait, 0, name, &one_forever);
	settle();
	is_int(n_ended, 0);
	scope_cancel(&scopes[0]);
	settle();
	is_int(wait_reason(&wait), REASON_CANCELLED);
	await_fini(&wait);
	is_quiet();
	teardown();
}

static void a_signal_that_is_kept_waits_for_its_await_until_its_time_is_over(void)
{
	struct wait_task waits[2];
	struct str name;

	setup();
	name = name_at(2);
	send(name, "kept", WAKE_ALL, 1000);
	is_int(stats().n_things, 1);
	is_true(stats().kept_bytes > 4);
	advance_ms(999);
	await_named(&waits[0], 0, name, &one_forever);
	settle();
	is_int(n_ended, 1);
	is_str(value_at(await_values(&waits[0]), 0), STR("kept"));
	await_fini(&waits[0]);
	is_quiet();
	send(name, "kept", 1, 1000);
	advance_ms(1001);
	is_quiet(); /* it was freed by itself */
	await_named(&waits[1], 0, name, &(struct await){ .wait_ms = 0 });
	settle();
	is_int(wait_reason(&waits[1]), REASON_EXPIRED);
	teardown();
}

static void what_has_expired_is_not_given_out_even_before_it_is_freed(void)
{
	struct condition condition;
	struct wait_task wait;

	setup();
	condition_init(&condition, loops[0]);
	is_int(condition_signal(&condition, &(struct signal){ NULL, 1, 10 }), 0);
	is_int(condition.n_kept, 1);
	clock_advance(10 * NS_PER_MS);
	condition_await_init(&wait, &condition, &(struct await){ 0 }, count_end);
	task_start(&wait.task, &scopes[0]);
	step(0);
	is_int(wait.task.outcome, OUTCOME_TIMED_OUT);
	is_int(condition.n_kept, 0);
	condition_fini(&condition);
	teardown();
}

static void a_counter_counts_before_the_await_and_after_it(void)
{
	struct wait_task wait;
	struct str name;

	setup();
	name = name_at(1);
	send(name, "a", 1, 60000);
	send(name, "b", 1, 60000);
	await_named(&wait, 0, name, &(struct await){ .count = 3, .wait_ms = WAIT_FOREVER });
	settle();
	is_int(n_ended, 0);
	send(name, "c", 1, 60000);
	is_int(n_ended, 1);
	is_int(wait.ask.n_parcels, 3);
	is_str(value_at(await_values(&wait), 0), STR("a"));
	is_str(value_at(await_values(&wait), 1), STR("b"));
	is_str(value_at(await_values(&wait), 2), STR("c"));
	await_fini(&wait);
	is_quiet();
	teardown();
}

static void counting_past_the_target_is_safe(void)
{
	struct wait_task wait, next;
	struct str name;

	setup();
	name = name_at(1);
	await_named(&wait, 0, name, &(struct await){ .count = 2, .wait_ms = WAIT_FOREVER });
	settle();
	send(name, NULL, 5, 1000);
	is_int(n_ended, 1);
	is_int(wait.ask.n_parcels, 2);
	is_str(value_at(await_values(&wait), 1), STR_NONE);
	await_fini(&wait);
	await_named(&next, 2, name, &(struct await){ .count = 3, .wait_ms = 0 });
	settle();
	is_int(next.task.outcome, OUTCOME_OK); /* the three that were past it */
	await_fini(&next);
	is_quiet();
	send(name, NULL, 5, 0);
	is_quiet();
	teardown();
}

static void values_of_an_await_that_ends_without_its_count_go_to_the_next(void)
{
	struct wait_task first, second;
	struct str name;

	setup();
	name = name_at(1);
	await_named(&first, 0, name, &(struct await){ .count = 3, .wait_ms = 100 });
	settle();
	await_named(&second, 2, name, &(struct await){ .count = 2, .wait_ms = WAIT_FOREVER });
	settle();
	send(name, "a", 1, 0);
	send(name, "b", 1, 0);
	is_int(n_ended, 0);
	advance_ms(101);
	is_int(n_ended, 2);
	is_int(wait_reason(&first), REASON_EXPIRED);
	is_int(first.task.outcome, OUTCOME_TIMED_OUT);
	is_int(second.task.outcome, OUTCOME_OK);
	is_str(value_at(await_values(&second), 0), STR("a"));
	is_str(value_at(await_values(&second), 1), STR("b"));
	await_fini(&first);
	await_fini(&second);
	is_quiet();
	teardown();
}

static void values_that_were_kept_are_kept_again_for_the_rest_of_their_time(void)
{
	struct wait_task wait;
	struct str name;

	setup();
	name = name_at(0);
	send(name, "a", 1, 1000);
	send(name, "b", 1, 1000);
	send(name, "c", 1, 1000);
	await_named(&wait, 0, name, &(struct await){ .count = 4, .wait_ms = 500 });
	advance_ms(501);
	is_int(wait_reason(&wait), REASON_EXPIRED);
	await_fini(&wait);
	is_true(stats().kept_bytes > 0);
	await_named(&wait, 1, name, &(struct await){ .count = 4, .wait_ms = 0 });
	settle();
	is_int(wait_reason(&wait), REASON_EXPIRED); /* at once, and it took nothing */
	await_fini(&wait);
	await_named(&wait, 1, name, &(struct await){ .count = 2, .wait_ms = 0 });
	settle();
	is_str(value_at(await_values(&wait), 0), STR("a"));
	is_str(value_at(await_values(&wait), 1), STR("b"));
	await_fini(&wait);
	advance_ms(501);
	is_quiet();
	teardown();
}

static void a_value_for_all_is_not_passed_on(void)
{
	struct wait_task first, second;
	struct str name;

	setup();
	name = name_at(0);
	await_named(&first, 0, name, &(struct await){ .count = 2, .wait_ms = WAIT_FOREVER });
	await_named(&second, 0, name, &(struct await){ .count = 2, .wait_ms = WAIT_FOREVER });
	send(name, "x", WAKE_ALL, 1000);
	task_cancel(&first.task);
	settle();
	is_int(second.task.state, TASK_STARTED);
	is_int(second.ask.n_parcels, 1);
	task_cancel(&second.task);
	settle();
	is_int(n_ended, 2);
	await_fini(&first);
	await_fini(&second);
	is_quiet();
	teardown();
}

/* The await is cancelled while its answer is under way. */
static void a_value_that_comes_too_late_goes_to_the_next_in_the_same_turn(void)
{
	struct wait_task late, next;
	struct str name;

	setup();
	name = name_at(1);
	await_named(&late, 0, name, &one_forever);
	step(1);
	signal_send(homes, name, &(struct signal){ .wake_n = 1, .keep_ms = 1000 });
	step(1); /* answered, and the home has nothing any more */
	is_int(stats().n_things, 0);
	task_cancel(&late.task);
	is_int(late.task.state, TASK_ENDING); /* at once */
	await_fini(&late);
	await_named(&next, 2, name, &one_forever);
	settle();
	settle();
	is_int(late.task.outcome, OUTCOME_CANCELLED);
	is_int(next.task.outcome, OUTCOME_OK);
	is_int(n_ended, 2);
	await_fini(&next);
	is_quiet();
	teardown();
}

static void too_many_who_wait_are_refused(void)
{
	struct wait_task waits[3];
	struct str name;

	setup();
	name = name_at(1);
	for (unsigned i = 0; i < 3; i++) {
		await_named(&waits[i], 0, name,
			    &(struct await){ .n_wait_max = 2, .wait_ms = WAIT_FOREVER });
		settle();
	}
	is_int(n_ended, 1);
	is_int(waits[2].task.outcome, OUTCOME_FAILED);
	is_int(wait_reason(&waits[2]), REASON_FULL);
	scope_cancel(&scopes[0]);
	settle();
	is_int(n_ended, 3);
	is_quiet();
	teardown();
}

static void a_signal_as_a_task_says_how_many_it_reached(void)
{
	struct wait_task waits[2], signal;
	struct str name;

	setup();
	name = name_at(1);
	await_named(&waits[0], 0, name, &one_forever);
	await_named(&waits[1], 1, name, &one_forever);
	settle();
	signal_init(&signal, homes, name, &(struct signal){ .wake_n = WAKE_ALL }, count_end);
	task_start(&signal.task, &scopes[2]);
	settle();
	is_int(n_ended, 3);
	is_int(signal.task.outcome, OUTCOME_OK);
	is_int(signal_n_woken(&signal), 2);
	await_fini(&waits[0]);
	await_fini(&waits[1]);
	is_quiet();
	teardown();
}

static void what_is_kept_is_bounded(void)
{
	struct blob *value;
	struct wait_task signal;
	struct str name;
	char text[1000] = "";

	setup();
	name = name_at(1);
	value = blob_create((struct str){ text, sizeof(text) });
	homes_set_kept_max(homes, 3000);
	for (unsigned i = 0; i < 3; i++) {
		signal_init(&signal, homes, name, &(struct signal){ value, 1, 1000 }, count_end);
		task_start(&signal.task, &scopes[0]);
		settle();
		is_int(wait_reason(&signal), i < 2 ? REASON_NONE : REASON_FULL);
	}
	is_true(stats().kept_bytes <= 3000);
	blob_unref(value);
	advance_ms(1001);
	is_quiet();
	teardown();
}

static void names_that_are_too_long_are_refused(void)
{
	static char text[HOME_NAME_MAX + 1];
	struct wait_task wait;
	struct str name = { text, sizeof(text) };

	setup();
	await_named(&wait, 0, name, &one_forever);
	settle();
	is_int(wait_reason(&wait), REASON_TOO_LARGE);
	send(name, "x", 1, 1000);
	is_quiet();
	name.len--;
	await_named(&wait, 0, name, &one_forever);
	settle();
	send(name, "x", 1, 1000);
	is_int(wait.task.outcome, OUTCOME_OK);
	await_fini(&wait);
	is_quiet();
	teardown();
}

static void without_a_name_it_is_the_same_on_one_loop(void)
{
	struct condition condition;
	struct wait_task waits[2];

	setup();
	condition_init(&condition, loops[0]);
	for (unsigned i = 0; i < 2; i++) {
		condition_await_init(&waits[i], &condition,
				     &(struct await){ .wait_ms = 10 + i * 90 }, count_end);
		task_start(&waits[i].task, &scopes[0]);
	}
	advance_ms(11);
	is_int(wait_reason(&waits[0]), REASON_EXPIRED);
	is_int(condition_signal(&condition, &(struct signal){ .wake_n = WAKE_ALL }), 1);
	settle();
	is_int(waits[1].task.outcome, OUTCOME_OK);
	await_fini(&waits[1]);
	is_int(condition_signal(&condition, &(struct signal){ NULL, 3, WAIT_FOREVER }), 0);
	advance_ms(1000000);
	is_int(condition.n_kept, 3);
	condition_fini(&condition);
	teardown();
}

/* Waiting for the limit costs nothing when the wait is over: the timer is stopped. */
static void a_limit_that_passes_later_does_nothing(void)
{
	struct wait_task wait;
	struct str name;

	setup();
	name = name_at(1);
	await_named(&wait, 0, name, &(struct await){ .wait_ms = 50 });
	settle();
	send(name, "x", 1, 0);
	is_int(n_ended, 1);
	is_false(timer_is_running(&wait.limit));
	await_fini(&wait);
	advance_ms(100);
	is_int(n_ended, 1);
	is_int(wait.task.outcome, OUTCOME_OK);
	is_quiet();
	teardown();
}

int main(void)
{
	TEST(a_signal_brings_its_value_to_one_who_waits);
	TEST(wake_all_reaches_all_and_wake_n_the_first_n);
	TEST(a_signal_that_nobody_waits_for_is_lost);
	TEST(a_signal_that_is_kept_waits_for_its_await_until_its_time_is_over);
	TEST(what_has_expired_is_not_given_out_even_before_it_is_freed);
	TEST(a_counter_counts_before_the_await_and_after_it);
	TEST(counting_past_the_target_is_safe);
	TEST(values_of_an_await_that_ends_without_its_count_go_to_the_next);
	TEST(values_that_were_kept_are_kept_again_for_the_rest_of_their_time);
	TEST(a_value_for_all_is_not_passed_on);
	TEST(a_value_that_comes_too_late_goes_to_the_next_in_the_same_turn);
	TEST(too_many_who_wait_are_refused);
	TEST(a_signal_as_a_task_says_how_many_it_reached);
	TEST(what_is_kept_is_bounded);
	TEST(names_that_are_too_long_are_refused);
	TEST(without_a_name_it_is_the_same_on_one_loop);
	TEST(a_limit_that_passes_later_does_nothing);
	return tap_done();
}
