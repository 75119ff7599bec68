/* tests/core/task/alarm.c: alarms, and the two tasks that others complete. */
#include "core/task/alarm.h"
#include "core/task/counter.h"
#include "core/task/mailbox.h"
#include "tests/core/task/shared_fixture.h"

static void alarm_at(struct alarm_task *alarm, unsigned loop, struct str name, enum alarm_kind kind,
		     uint64_t time)
{
	alarm_init(alarm, homes, name, kind, time, count_end);
	task_start(&alarm->wait.task, &scopes[loop]);
}

static void an_alarm_rings_at_its_time_and_not_before(void)
{
	for (unsigned named = 0; named < 3; named++) {
		struct alarm_task after, at;
		struct str name = STR_NONE;

		setup();
		if (named)
			name = name_at(named - 1);
		alarm_at(&after, 0, name, ALARM_AFTER, 3600000);
		alarm_at(&at, 0, name, ALARM_AT, clock_monotonic_ns() + 7200 * NS_PER_S);
		settle();
		is_int(stats().n_things, named > 0);
		advance_ms(3599999);
		is_int(n_ended, 0);
		advance_ms(1);
		is_int(n_ended, 1);
		is_int(after.wait.task.outcome, OUTCOME_OK);
		advance_ms(3599999);
		is_int(n_ended, 1);
		advance_ms(1);
		is_int(at.wait.task.outcome, OUTCOME_OK);
		is_quiet();
		teardown();
	}
}

static void zero_and_the_past_ring_in_this_turn(void)
{
	struct alarm_task zero, past, wall;

	setup();
	alarm_at(&zero, 0, name_at(1), ALARM_AFTER, 0);
	alarm_at(&past, 0, name_at(0), ALARM_AT, 1);
	alarm_at(&wall, 0, STR_NONE, ALARM_AT_WALL, 1);
	is_int(n_ended, 0);
	step(0);
	is_int(n_ended, 3);
	is_int(zero.wait.task.outcome, OUTCOME_OK);
	is_int(past.wait.task.outcome, OUTCOME_OK);
	is_int(wall.wait.task.outcome, OUTCOME_OK);
	is_quiet();
	teardown();
}

static void an_infinite_alarm_only_ends_by_a_cancel(void)
{
	struct alarm_task alarms[2];
	struct str name;

	setup();
	name = name_at(2);
	alarm_at(&alarms[0], 0, name, ALARM_AFTER, WAIT_FOREVER);
	alarm_at(&alarms[1], 0, STR_NONE, ALARM_AFTER, WAIT_FOREVER);
	advance_ms(UINT64_C(1000) * 86400 * 365);
	is_int(n_ended, 0);
	scope_cancel(&scopes[0]);
	settle();
	is_int(n_ended, 2);
	is_int(alarms[0].wait.task.outcome, OUTCOME_CANCELLED);
	is_true(alarms[0].wait.task.cancelled);
	is_quiet();
	teardown();
}

static void an_alarm_by_the_wall_clock_follows_it(void)
{
	struct alarm_task alarm;
	int64_t start_ns;

	setup();
	start_ns = clock_wall_ns();
	alarm_at(&alarm, 0, STR_NONE, ALARM_AT_WALL, (uint64_t)start_ns + 3600 * NS_PER_S);
	advance_ms(60000);
	is_int(n_ended, 0);
	clock_freeze(clock_monotonic_ns(), start_ns + (int64_t)(3600 * NS_PER_S)); /* it is set */
	advance_ms(10001);
	is_int(n_ended, 1);
	is_int(alarm.wait.task.outcome, OUTCOME_OK);
	teardown();
}

static void all_alarms_of_a_name_are_cancelled_on_whatever_loop(void)
{
	struct alarm_task alarms[6], other;
	struct str name;

	setup();
	name = name_at(1);
	for (unsigned i = 0; i < 6; i++)
		alarm_at(&alarms[i], i % 3, name, ALARM_AFTER, 1000);
	alarm_at(&other, 0, name_at(1), ALARM_AFTER, 1000);
	settle();
	alarm_cancel(homes, name, WAIT_FOREVER);
	settle();
	is_int(n_ended, 6);
	for (unsigned i = 0; i < 6; i++) {
		is_int(alarms[i].wait.task.outcome, OUTCOME_CANCELLED);
		is_int(wait_reason(&alarms[i].wait), REASON_CANCELLED);
		is_false(alarms[i].wait.task.cancelled); /* by its name, not by its scope */
	}
	advance_ms(1000);
	is_int(n_ended, 7);
	is_int(other.wait.task.outcome, OUTCOME_OK);
	is_quiet();
	teardown();
}

static void the_first_n_of_a_name_are_cancelled(void)
{
	struct alarm_task alarms[3];
	struct str name;

	setup();
	name = name_at(0);
	for (unsigned i = 0; i < 3; i++)
		alarm_at(&alarms[i], 0, name, ALARM_AFTER, 1000);
	alarm_cancel(homes, name, 2);
	settle();
	is_int(n_ended, 2);
	is_int(alarms[2].wait.task.state, TASK_STARTED);
	alarm_cancel(homes, STR("nobody"), 2);
	advance_ms(1000);
	is_int(alarms[2].wait.task.outcome, OUTCOME_OK);
	is_quiet();
	teardown();
}

static void an_alarm_that_rings_while_its_cancel_is_under_way_ends_once(void)
{
	struct alarm_task alarm;
	struct str name;

	setup();
	name = name_at(1);
	alarm_at(&alarm, 0, name, ALARM_AFTER, 10);
	step(1);
	alarm_cancel(homes, name, 1);
	step(1);
	clock_advance(11 * NS_PER_MS);
	alarm.wait.limit.on_fire(&alarm.wait.limit); /* before the message is seen */
	settle();
	settle();
	is_int(n_ended, 1);
	is_int(alarm.wait.task.outcome, OUTCOME_OK);
	is_quiet();
	teardown();
}

/* ------------------------------------------------------------ counters and mailboxes */

static unsigned n_plain_ended;

static void count_plain(struct task *task)
{
	(void)task;
	n_plain_ended++;
}

static void a_counter_ends_when_it_is_counted_before_or_after_its_start(void)
{
	struct counter_task before, after, zero;

	setup();
	n_plain_ended = 0;
	counter_init(&before, 2, count_plain);
	counter_count(&before, 1);
	counter_count(&before, 1);
	task_start(&before.task, &scopes[0]);
	counter_init(&zero, 0, count_plain);
	task_start(&zero.task, &scopes[0]);
	counter_init(&after, 3, count_plain);
	counter_count(&after, 1);
	task_start(&after.task, &scopes[0]);
	settle();
	is_int(n_plain_ended, 2);
	counter_count(&after, 1);
	settle();
	is_int(n_plain_ended, 2);
	counter_count(&after, 5);
	counter_count(&after, 5);
	settle();
	counter_count(&after, UINT64_MAX);
	is_int(n_plain_ended, 3);
	is_int(after.task.outcome, OUTCOME_OK);
	is_true(after.value == UINT64_MAX);
	teardown();
}

static void a_counter_that_is_cancelled_may_still_be_counted(void)
{
	struct counter_task counter;

	setup();
	n_plain_ended = 0;
	counter_init(&counter, 1, count_plain);
	task_start(&counter.task, &scopes[0]);
	task_cancel(&counter.task);
	counter_count(&counter, 1);
	settle();
	is_int(n_plain_ended, 1);
	is_int(counter.task.outcome, OUTCOME_CANCELLED);
	teardown();
}

static void a_mailbox_is_completed_by_its_first_message(void)
{
	struct blob *first = blob_create(STR("first")), *second = blob_create(STR("second"));

	for (unsigned before = 0; before < 2; before++) {
		struct mailbox_task mailbox;

		setup();
		n_plain_ended = 0;
		mailbox_init(&mailbox, count_plain);
		if (before)
			is_true(mailbox_send(&mailbox, first));
		task_start(&mailbox.task, &scopes[0]);
		settle();
		is_int(n_plain_ended, before);
		is_int(mailbox_send(&mailbox, first), !before);
		is_false(mailbox_send(&mailbox, second));
		settle();
		is_false(mailbox_send(&mailbox, second));
		is_int(n_plain_ended, 1);
		is_str(blob_str(mailbox.message), STR("first"));
		mailbox_fini(&mailbox);
		teardown();
	}
	blob_unref(first);
	blob_unref(second);
}

static void a_mailbox_may_be_cancelled_or_get_an_empty_message(void)
{
	struct mailbox_task mailbox;

	setup();
	n_plain_ended = 0;
	mailbox_init(&mailbox, count_plain);
	task_start(&mailbox.task, &scopes[0]);
	task_cancel(&mailbox.task);
	settle();
	is_false(mailbox_send(&mailbox, NULL));
	is_int(mailbox.task.outcome, OUTCOME_CANCELLED);
	mailbox_init(&mailbox, count_plain);
	task_start(&mailbox.task, &scopes[0]);
	is_true(mailbox_send(&mailbox, NULL));
	settle();
	is_int(mailbox.task.outcome, OUTCOME_OK);
	is_int(n_plain_ended, 2);
	mailbox_fini(&mailbox);
	teardown();
}

int main(void)
{
	TEST(an_alarm_rings_at_its_time_and_not_before);
	TEST(zero_and_the_past_ring_in_this_turn);
	TEST(an_infinite_alarm_only_ends_by_a_cancel);
	TEST(an_alarm_by_the_wall_clock_follows_it);
	TEST(all_alarms_of_a_name_are_cancelled_on_whatever_loop);
	TEST(the_first_n_of_a_name_are_cancelled);
	TEST(an_alarm_that_rings_while_its_cancel_is_under_way_ends_once);
	TEST(a_counter_ends_when_it_is_counted_before_or_after_its_start);
	TEST(a_counter_that_is_cancelled_may_still_be_counted);
	TEST(a_mailbox_is_completed_by_its_first_message);
	TEST(a_mailbox_may_be_cancelled_or_get_an_empty_message);
	return tap_done();
}
