/* tests/core/task/home.c: what holds for every kind of named thing. */
#include "core/task/alarm.h"
#include "core/task/condition.h"
#include "core/task/message_queue.h"
#include "core/task/resource.h"
#include "tests/core/task/shared_fixture.h"
#include <malloc.h>

enum { N_NAMES = 1000000, N_AT_ONCE = 20000 };

static struct str numbered(char text[32], unsigned at)
{
	int len = snprintf(text, 32, "order-%08u", at);

	return (struct str){ text, (size_t)len };
}

static void names_are_spread_over_all_homes(void)
{
	unsigned n_at[N_LOOPS] = { 0 };
	char text[32];

	setup();
	for (unsigned i = 0; i < 30000; i++) {
		struct loop *loop = home_loop(home_of(homes, numbered(text, i)));

		for (unsigned at = 0; at < N_LOOPS; at++)
			n_at[at] += loop == loops[at];
	}
	for (unsigned at = 0; at < N_LOOPS; at++)
		is_true(n_at[at] > 9000 && n_at[at] < 11000);
	teardown();
}

/* Locks, counts and puts something under a name, and lets it go: from its home or from afar. */
static void use_name(unsigned at)
{
	struct wait_task lock, take, await;
	char text[32];
	struct str name = numbered(text, at);

	guard_init(&lock, homes, name, &(struct acquire){ 0 }, count_end);
	task_start(&lock.task, &scopes[0]);
	signal_send(homes, name, &(struct signal){ .wake_n = 1, .keep_ms = 1000 });
	step(0);
	await_init(&await, homes, name, &(struct await){ 0 }, count_end);
	task_start(&await.task, &scopes[0]);
	dequeue_init(&take, homes, name, &(struct dequeue){ 0 }, count_end);
	task_start(&take.task, &scopes[0]);
	settle();
	check(lock.task.outcome == OUTCOME_OK && take.task.outcome == OUTCOME_TIMED_OUT);
	check(await.task.outcome == OUTCOME_OK);
	wait_fini(&lock);
	wait_fini(&await);
	settle();
}

static size_t memory_in_use(void)
{
	return mallinfo2().uordblks;
}

/* The scope on the loop that is the name's home. */
static struct scope *scope_at_home(struct str name)
{
	unsigned at = 0;

	while (home_loop(home_of(homes, name)) != loops[at])
		at++;
	return &scopes[at];
}

static void memory_is_flat_over_a_million_names(void)
{
	static struct wait_task locks[64];
	size_t before, after;

	setup();
	use_name(0);
	before = memory_in_use();
	for (unsigned i = 0; i < N_NAMES; i++) {
		struct wait_task *lock = &locks[i % 64];
		char text[32];
		struct str name = numbered(text, i);

		if (i % 500 == 0)
			use_name(i); /* most are used at home only */
		guard_init(lock, homes, name, &(struct acquire){ 0 }, count_end);
		task_start(&lock->task, scope_at_home(name));
		permit_release(lock);
		if (i % 64 == 63)
			settle();
	}
	after = memory_in_use();
	is_true(after <= before + 65536);
	is_quiet();
	teardown();
}

static void many_names_at_once_give_all_their_memory_back(void)
{
	struct wait_task *waits = calloc(N_AT_ONCE, sizeof(*waits));
	size_t before, after;
	char text[32];

	setup();
	check(waits);
	use_name(0);
	before = memory_in_use();
	for (unsigned i = 0; i < N_AT_ONCE; i++) {
		guard_init(&waits[i], homes, numbered(text, i), &(struct acquire){ 0 }, count_end);
		task_start(&waits[i].task, &scopes[0]);
	}
	for (unsigned i = 0; i < 20; i++)
		settle();
	is_int(n_ended, 3 + N_AT_ONCE);
	is_int(stats().n_things, N_AT_ONCE);
	is_true(memory_in_use() - before < (size_t)N_AT_ONCE * 1024);
	for (unsigned i = 0; i < N_AT_ONCE; i++)
		permit_release(&waits[i]);
	for (unsigned i = 0; i < 20; i++)
		settle();
	is_quiet();
	after = memory_in_use();
	is_true(after <= before + 65536);
	free(waits);
	teardown();
}

static void names_with_any_bytes_are_apart(void)
{
	struct wait_task waits[4];
	struct str names[4] = { { "a\0b", 3 }, { "a\0c", 3 }, { "a", 1 }, { "", 0 } };

	setup();
	for (unsigned i = 0; i < 4; i++) {
		guard_init(&waits[i], homes, names[i], &(struct acquire){ 0 }, count_end);
		task_start(&waits[i].task, &scopes[0]);
	}
	settle();
	is_int(n_ended, 4);
	is_int(stats().n_things, 4);
	for (unsigned i = 0; i < 4; i++) {
		is_int(waits[i].task.outcome, OUTCOME_OK);
		permit_release(&waits[i]);
	}
	settle();
	is_quiet();
	teardown();
}

static void kinds_of_one_name_are_apart(void)
{
	struct wait_task lock, permit, take, await;
	struct alarm_task alarm;
	struct str name;

	setup();
	name = name_at(1);
	guard_init(&lock, homes, name, &(struct acquire){ 0 }, count_end);
	acquire_init(&permit, homes, name, &(struct acquire){ 0 }, count_end);
	dequeue_init(&take, homes, name, &(struct dequeue){ .wait_ms = 100 }, count_end);
	await_init(&await, homes, name, &(struct await){ .wait_ms = 100 }, count_end);
	alarm_init(&alarm, homes, name, ALARM_AFTER, 100, count_end);
	task_start(&lock.task, &scopes[0]);
	task_start(&permit.task, &scopes[0]);
	task_start(&take.task, &scopes[0]);
	task_start(&await.task, &scopes[0]);
	task_start(&alarm.wait.task, &scopes[0]);
	settle();
	is_int(n_ended, 2);
	is_int(stats().n_things, 5);
	advance_ms(101);
	is_int(n_ended, 5);
	is_int(stats().n_things, 2);
	wait_fini(&lock);
	wait_fini(&permit);
	settle();
	is_quiet();
	teardown();
}

static void a_scope_that_was_cancelled_asks_for_nothing(void)
{
	struct wait_task lock;

	setup();
	scope_cancel(&scopes[0]);
	guard_init(&lock, homes, name_at(1), &(struct acquire){ 0 }, count_end);
	task_start(&lock.task, &scopes[0]);
	settle();
	is_int(n_ended, 1);
	is_int(wait_reason(&lock), REASON_CANCELLED);
	is_quiet();
	teardown();
}

static void a_task_in_every_state_may_be_finished_with(void)
{
	struct wait_task wait;
	struct blob *value = blob_create(STR("x"));

	setup();
	signal_init(&wait, homes, name_at(1), &(struct signal){ .value = value }, count_end);
	wait_fini(&wait); /* it was never started */
	wait_fini(&wait);
	signal_init(&wait, homes, name_at(1), &(struct signal){ .value = value }, count_end);
	task_start(&wait.task, &scopes[0]);
	task_cancel(&wait.task);
	settle();
	is_int(n_ended, 1);
	wait_fini(&wait);
	blob_unref(value);
	homes_settle(homes);
	is_quiet();
	teardown();
}

/* What was left in things is freed with them: ASan sees to it. */
static void homes_are_destroyed_with_what_is_left_in_them(void)
{
	struct wait_task put;
	struct blob *value = blob_create(STR("left"));

	setup();
	signal_send(homes, name_at(1), &(struct signal){ value, 3, 100000 });
	enqueue_init(&put, homes, name_at(2), &(struct enqueue){ .message = value, .n_max = 1 },
		     count_end);
	task_start(&put.task, &scopes[0]);
	homes_settle(homes);
	settle();
	is_int(put.task.outcome, OUTCOME_OK);
	enqueue_fini(&put);
	is_int(stats().n_things, 2);
	blob_unref(value);
	teardown();
	homes_destroy(NULL);
}

static void reasons_have_names_and_outcomes(void)
{
	is_text(reason_name(REASON_FULL), "full");
	is_text(reason_name(REASON_CANCELLED), "cancelled");
	is_int(reason_outcome(REASON_NONE), OUTCOME_OK);
	is_int(reason_outcome(REASON_FULL), OUTCOME_FAILED);
	is_int(reason_outcome(REASON_TOO_LARGE), OUTCOME_FAILED);
	is_int(reason_outcome(REASON_UNAVAILABLE), OUTCOME_FAILED);
	is_int(reason_outcome(REASON_EXPIRED), OUTCOME_TIMED_OUT);
	is_int(reason_outcome(REASON_CANCELLED), OUTCOME_CANCELLED);
}

int main(void)
{
	TEST(names_are_spread_over_all_homes);
	TEST(memory_is_flat_over_a_million_names);
	TEST(many_names_at_once_give_all_their_memory_back);
	TEST(names_with_any_bytes_are_apart);
	TEST(kinds_of_one_name_are_apart);
	TEST(a_scope_that_was_cancelled_asks_for_nothing);
	TEST(a_task_in_every_state_may_be_finished_with);
	TEST(homes_are_destroyed_with_what_is_left_in_them);
	TEST(reasons_have_names_and_outcomes);
	return tap_done();
}
