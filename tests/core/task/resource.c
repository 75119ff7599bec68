/* tests/core/task/resource.c */
#include "core/task/resource.h"
#include "core/task/hold.h"
#include "tests/core/task/shared_fixture.h"

static const struct acquire forever = { .wait_ms = WAIT_FOREVER };

static void lock_named(struct wait_task *wait, unsigned loop, struct str name)
{
	guard_init(wait, homes, name, &forever, count_end);
	task_start(&wait->task, &scopes[loop]);
	settle();
}

static void acquire_named(struct wait_task *wait, unsigned loop, struct str name, uint32_t n)
{
	acquire_init(wait, homes, name,
		     &(struct acquire){ .n_permits = n, .wait_ms = WAIT_FOREVER }, count_end);
	task_start(&wait->task, &scopes[loop]);
	settle();
}

static void release(struct wait_task *wait)
{
	permit_release(wait);
	settle();
}

static void a_lock_is_held_by_one_and_handed_on_in_order(void)
{
	struct wait_task waits[6];
	struct str name;

	setup();
	name = name_at(1);
	for (unsigned i = 0; i < 6; i++)
		lock_named(&waits[i], i % 3, name);
	for (unsigned i = 0; i < 6; i++) {
		is_int(n_ended, i + 1);
		is_ptr(order[i], &waits[i]);
		is_int(waits[i].task.outcome, OUTCOME_OK);
		release(&waits[i]);
	}
	is_int(n_ended, 6);
	is_quiet();
	teardown();
}

static void releasing_twice_and_without_a_hold_does_nothing(void)
{
	struct wait_task first, second, third;
	struct str name;

	setup();
	name = name_at(0);
	lock_named(&first, 0, name);
	lock_named(&second, 0, name);
	lock_named(&third, 1, name);
	release(&second); /* which waits */
	is_int(n_ended, 1);
	release(&first);
	release(&first);
	is_int(n_ended, 2);
	is_int(third.task.state, TASK_STARTED);
	wait_fini(&second); /* releases, too */
	settle();
	is_int(n_ended, 3);
	release(&third);
	is_quiet();
	teardown();
}

static void who_waits_can_leave_and_the_next_is_served(void)
{
	struct wait_task waits[4];
	struct str name;

	setup();
	name = name_at(2);
	for (unsigned i = 0; i < 4; i++)
		lock_named(&waits[i], i == 3 ? 2 : i, name);
	task_cancel(&waits[1].task);
	task_cancel(&waits[2].task);
	settle();
	is_int(n_ended, 3);
	is_int(wait_reason(&waits[1]), REASON_CANCELLED);
	release(&waits[0]);
	is_int(waits[3].task.outcome, OUTCOME_OK);
	release(&waits[3]);
	is_quiet();
	teardown();
}

static void a_wait_is_bounded_in_time_and_number(void)
{
	for (unsigned at = 0; at < 2; at++) {
		struct acquire acquire = { .n_wait_max = 1, .wait_ms = 50 };
		struct wait_task held, waits[2], now;
		struct str name;

		setup();
		name = name_at(at);
		lock_named(&held, 0, name);
		for (unsigned i = 0; i < 2; i++) {
			guard_init(&waits[i], homes, name, &acquire, count_end);
			task_start(&waits[i].task, &scopes[0]);
			settle();
		}
		is_int(wait_reason(&waits[1]), REASON_FULL);
		is_int(waits[1].task.outcome, OUTCOME_FAILED);
		guard_init(&now, homes, name, &(struct acquire){ .wait_ms = 0 }, count_end);
		task_start(&now.task, &scopes[0]);
		settle();
		is_int(wait_reason(&now), REASON_EXPIRED);
		advance_ms(49);
		is_int(waits[0].task.state, TASK_STARTED);
		advance_ms(2);
		is_int(wait_reason(&waits[0]), REASON_EXPIRED);
		is_int(waits[0].task.outcome, OUTCOME_TIMED_OUT);
		release(&held);
		is_quiet();
		guard_init(&now, homes, name, &(struct acquire){ .wait_ms = 0 }, count_end);
		task_start(&now.task, &scopes[0]);
		settle();
		is_int(now.task.outcome, OUTCOME_OK);
		release(&now);
		is_quiet();
		teardown();
	}
}

/* The grant is under way when the task is cancelled. */
static void a_grant_that_comes_late_is_given_back_in_the_same_turn(void)
{
	struct wait_task late, next;
	struct str name;

	setup();
	name = name_at(1);
	guard_init(&late, homes, name, &forever, count_end);
	task_start(&late.task, &scopes[0]);
	step(1); /* granted */
	guard_init(&next, homes, name, &forever, count_end);
	task_start(&next.task, &scopes[1]);
	task_cancel(&late.task);
	is_int(late.task.state, TASK_ENDING);
	step(0); /* the grant comes, and goes back */
	is_int(late.task.outcome, OUTCOME_CANCELLED);
	permit_release(&late); /* holds nothing */
	is_int(next.task.state, TASK_STARTED);
	step(1);
	is_int(next.task.outcome, OUTCOME_OK);
	permit_release(&next);
	settle();
	is_int(n_ended, 2);
	is_quiet();
	teardown();
}

/* WITHDRAW and ANSWER meet in every order that one ask allows. */
static void an_ask_may_be_cancelled_at_any_moment(void)
{
	for (unsigned steps = 0; steps < 4; steps++) {
		struct wait_task wait;
		struct str name;

		setup();
		name = name_at(1);
		guard_init(&wait, homes, name, &forever, count_end);
		task_start(&wait.task, &scopes[0]);
		for (unsigned i = 0; i < steps; i++)
			step(1 - i % 2);
		task_cancel(&wait.task);
		step(0);
		is_int(n_ended, 1);
		is_int(wait.task.outcome, steps < 2 ? OUTCOME_CANCELLED : OUTCOME_OK);
		release(&wait);
		settle();
		is_quiet();
		teardown();
	}
}

static void a_pool_gives_out_no_more_permits_than_it_has(void)
{
	struct wait_task waits[8];
	struct str name;

	setup();
	name = name_at(1);
	for (unsigned i = 0; i < 8; i++)
		acquire_named(&waits[i], i % 3, name, 3);
	is_int(n_ended, 3);
	for (unsigned i = 0; i < 8; i++) {
		is_true(permit_number(&waits[i]) < 3);
		release(&waits[i]);
		is_int(n_ended, MIN(i + 4, 8U));
	}
	is_quiet();
	teardown();
}

static void the_permit_that_came_back_last_goes_out_first(void)
{
	struct wait_task waits[5];
	struct str name;

	setup();
	name = name_at(0);
	for (unsigned i = 0; i < 4; i++) {
		acquire_named(&waits[i], 0, name, 5);
		is_int(permit_number(&waits[i]), i);
	}
	release(&waits[0]);
	release(&waits[2]);
	acquire_named(&waits[2], 0, name, 5);
	is_int(permit_number(&waits[2]), 2);
	acquire_named(&waits[0], 0, name, 5);
	is_int(permit_number(&waits[0]), 0);
	acquire_named(&waits[4], 1, name, 5);
	is_int(permit_number(&waits[4]), 4);
	for (unsigned i = 0; i < 5; i++)
		release(&waits[i]);
	is_quiet();
	teardown();
}

static void a_pool_may_change_its_size(void)
{
	struct wait_task waits[4], extra;
	struct str name;

	setup();
	name = name_at(0);
	for (unsigned i = 0; i < 4; i++)
		acquire_named(&waits[i], 0, name, 4);
	release(&waits[3]);
	release(&waits[1]);
	acquire_named(&extra, 0, name, 2); /* smaller: 0 and 2 are out */
	is_int(extra.task.state, TASK_STARTED);
	release(&waits[2]);
	is_int(extra.task.outcome, OUTCOME_OK);
	is_int(permit_number(&extra), 1); /* 3 is in the pool no more */
	acquire_named(&waits[1], 0, name, 2);
	is_int(waits[1].task.state, TASK_STARTED);
	acquire_named(&waits[2], 0, name, 4); /* larger: both are served */
	is_int(waits[1].task.outcome, OUTCOME_OK);
	is_int(waits[2].task.outcome, OUTCOME_OK);
	for (unsigned i = 0; i < 3; i++)
		release(&waits[i]);
	release(&extra);
	is_quiet();
	teardown();
}

static void locks_and_pools_of_one_name_are_apart(void)
{
	struct wait_task lock, permit;
	struct str name;

	setup();
	name = name_at(0);
	lock_named(&lock, 0, name);
	acquire_named(&permit, 0, name, 1);
	is_int(n_ended, 2);
	is_int(stats().n_things, 2);
	release(&lock);
	release(&permit);
	is_quiet();
	teardown();
}

static void a_pool_without_a_name_may_have_objects(void)
{
	int a, b;
	struct resource resource;
	struct wait_task waits[3];

	setup();
	resource_init(&resource, 2, (void *[]){ &a, &b });
	for (unsigned i = 0; i < 3; i++) {
		resource_acquire_init(&waits[i], &resource, &forever, count_end);
		task_start(&waits[i].task, &scopes[0]);
	}
	settle();
	is_int(n_ended, 2);
	is_ptr(resource_object(&waits[0]), &a);
	is_ptr(resource_object(&waits[1]), &b);
	release(&waits[1]);
	is_ptr(resource_object(&waits[2]), &b);
	release(&waits[2]);
	release(&waits[0]);
	resource_fini(&resource);
	teardown();
}

/* ------------------------------------------------------------ holds */

struct body {
	struct task task;
	enum outcome outcome; /* OUTCOME_NONE: when it is told to */
	unsigned n_started;
};

static void body_start(struct task *task)
{
	struct body *body = container_of(task, struct body, task);

	body->n_started++;
	if (body->outcome != OUTCOME_NONE)
		task_end(task, body->outcome);
}

static void body_cancel(struct task *task)
{
	task_end(task, OUTCOME_CANCELLED);
}

static const struct task_ops body_ops = { "body", body_start, body_cancel };
static unsigned n_holds_ended;

static void ignore_end(struct task *task)
{
	(void)task;
}

static void count_hold(struct task *task)
{
	check(!container_of(task, struct hold_task, task)->wait.holds);
	n_holds_ended++;
}

static void hold_named(struct hold_task *hold, struct body *body, struct str name)
{
	task_init(&body->task, &body_ops, ignore_end);
	guard_init(&hold->wait, homes, name, &forever, NULL);
	hold_init(hold, &body->task, count_hold);
	n_holds_ended = 0;
}

static void a_hold_runs_its_body_and_releases_however_it_ends(void)
{
	for (unsigned outcome = OUTCOME_OK; outcome <= OUTCOME_CANCELLED; outcome++) {
		struct body body = { .outcome = (enum outcome)outcome };
		struct hold_task hold;
		struct str name;

		setup();
		name = name_at(outcome % 2);
		hold_named(&hold, &body, name);
		task_start(&hold.task, &scopes[0]);
		settle();
		is_int(n_holds_ended, 1);
		is_int(body.n_started, 1);
		is_int(hold.task.outcome, outcome);
		is_int(hold_reason(&hold), REASON_NONE);
		is_quiet();
		teardown();
	}
}

static void a_hold_that_is_cancelled_while_it_waits_never_starts_its_body(void)
{
	struct body body = { .outcome = OUTCOME_OK };
	struct hold_task hold;
	struct wait_task held;
	struct str name;

	setup();
	name = name_at(1);
	lock_named(&held, 2, name);
	hold_named(&hold, &body, name);
	task_start(&hold.task, &scopes[0]);
	settle();
	is_int(body.n_started, 0);
	scope_cancel(&scopes[0]);
	settle();
	is_int(n_holds_ended, 1);
	is_int(hold.task.outcome, OUTCOME_CANCELLED);
	is_int(hold_reason(&hold), REASON_CANCELLED);
	is_int(body.n_started, 0);
	release(&held);
	is_quiet();
	teardown();
}

static void a_hold_that_is_cancelled_while_it_runs_cancels_its_body_first(void)
{
	struct body body = { .outcome = OUTCOME_NONE };
	struct hold_task hold;
	struct wait_task next;
	struct str name;

	setup();
	name = name_at(1);
	hold_named(&hold, &body, name);
	task_start(&hold.task, &scopes[0]);
	settle();
	lock_named(&next, 2, name);
	is_int(next.task.state, TASK_STARTED);
	scope_cancel(&scopes[0]);
	settle();
	is_int(body.task.outcome, OUTCOME_CANCELLED);
	is_int(hold.task.outcome, OUTCOME_CANCELLED);
	is_int(next.task.outcome, OUTCOME_OK);
	release(&next);
	is_quiet();
	teardown();
}

static struct body second;

static void start_second(struct task *task)
{
	task_start(&second.task, task->scope);
}

static void what_the_end_of_the_body_starts_is_held_for(void)
{
	struct body body = { .outcome = OUTCOME_OK };
	struct hold_task hold;
	struct wait_task next;
	struct str name;

	setup();
	name = name_at(0);
	second = (struct body){ .outcome = OUTCOME_NONE };
	task_init(&second.task, &body_ops, ignore_end);
	hold_named(&hold, &body, name);
	body.task.on_end = start_second;
	task_start(&hold.task, &scopes[0]);
	lock_named(&next, 1, name);
	is_int(body.task.state, TASK_ENDED);
	is_int(n_ended, 0);
	task_end(&second.task, OUTCOME_FAILED);
	settle();
	is_int(n_ended, 1);
	is_int(hold.task.outcome, OUTCOME_OK); /* the body's */
	release(&next);
	is_quiet();
	teardown();
}

static void holds_nest(void)
{
	struct body body = { .outcome = OUTCOME_NONE };
	struct hold_task inner, outer;
	struct wait_task lock, permit;
	struct str name;

	setup();
	name = name_at(1);
	hold_named(&inner, &body, name);
	acquire_init(&outer.wait, homes, name, &forever, NULL);
	hold_init(&outer, &inner.task, count_hold);
	task_start(&outer.task, &scopes[0]);
	settle();
	settle();
	is_int(body.n_started, 1);
	lock_named(&lock, 2, name);
	acquire_named(&permit, 2, name, 1);
	is_int(n_ended, 0);
	task_end(&body.task, OUTCOME_FAILED);
	settle();
	is_int(n_holds_ended, 2);
	is_int(outer.task.outcome, OUTCOME_FAILED);
	is_int(n_ended, 2);
	release(&lock);
	release(&permit);
	is_quiet();
	teardown();
}

enum { DEPTH = 20000 };

static void nested_holds_need_no_stack(void)
{
	struct hold_task *holds = calloc(DEPTH, sizeof(*holds));
	struct resource resource;
	struct body body = { .outcome = OUTCOME_NONE };

	setup();
	check(holds);
	resource_init(&resource, DEPTH, NULL);
	task_init(&body.task, &body_ops, ignore_end);
	for (unsigned i = 0; i < DEPTH; i++) {
		resource_acquire_init(&holds[i].wait, &resource, &forever, NULL);
		hold_init(&holds[i], i + 1 < DEPTH ? &holds[i + 1].task : &body.task, count_hold);
	}
	n_holds_ended = 0;
	task_start(&holds[0].task, &scopes[0]);
	while (body.n_started == 0)
		step(0);
	is_int(resource.n_held, DEPTH);
	scope_cancel(&scopes[0]);
	while (n_holds_ended < DEPTH)
		step(0);
	is_int(holds[0].task.outcome, OUTCOME_CANCELLED);
	is_int(resource.n_held, 0);
	resource_fini(&resource);
	free(holds);
	teardown();
}

int main(void)
{
	TEST(a_lock_is_held_by_one_and_handed_on_in_order);
	TEST(releasing_twice_and_without_a_hold_does_nothing);
	TEST(who_waits_can_leave_and_the_next_is_served);
	TEST(a_wait_is_bounded_in_time_and_number);
	TEST(a_grant_that_comes_late_is_given_back_in_the_same_turn);
	TEST(an_ask_may_be_cancelled_at_any_moment);
	TEST(a_pool_gives_out_no_more_permits_than_it_has);
	TEST(the_permit_that_came_back_last_goes_out_first);
	TEST(a_pool_may_change_its_size);
	TEST(locks_and_pools_of_one_name_are_apart);
	TEST(a_pool_without_a_name_may_have_objects);
	TEST(a_hold_runs_its_body_and_releases_however_it_ends);
	TEST(a_hold_that_is_cancelled_while_it_waits_never_starts_its_body);
	TEST(a_hold_that_is_cancelled_while_it_runs_cancels_its_body_first);
	TEST(what_the_end_of_the_body_starts_is_held_for);
	TEST(holds_nest);
	TEST(nested_holds_need_no_stack);
	return tap_done();
}
