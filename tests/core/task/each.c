/* tests/core/task/each.c */
#include "core/task/each.h"
#include "tests/core/task/probe.h"
#include <string.h>

enum { N = 100, AT_ONCE = 16 };

static struct each each;
static struct probe slots[AT_ONCE];
static bool slot_used[AT_ONCE];
static uint8_t outcomes[N];
static uint32_t results[N];
static uint32_t failing;           /* this item fails; N: none */
static uint32_t skipped;           /* this item needs no task */
static uint32_t n_made, next_made; /* items in order */

static void item_on_end(struct task *task)
{
	results[task->index] = task->index * 10;
	slot_used[probe_of(task) - slots] = false;
	probe_on_end(task);
}

/* Later items end earlier. */
static struct task *make(struct each *of, uint32_t index)
{
	unsigned slot = 0;
	struct task *task;

	is_ptr(of, &each);
	is_int(index, next_made++);
	if (index == skipped)
		return NULL;
	while (slot_used[slot])
		check(++slot < AT_ONCE);
	slot_used[slot] = true;
	n_made++;
	task = probe_init(&slots[slot], 1 + (N - index) % 7,
			  index == failing ? OUTCOME_FAILED : OUTCOME_OK);
	task->on_end = item_on_end;
	return task;
}

static void init(uint32_t n, uint32_t max)
{
	memset(slot_used, 0, sizeof(slot_used));
	memset(results, 0, sizeof(results));
	memset(outcomes, 0xff, sizeof(outcomes));
	n_made = next_made = 0;
	failing = skipped = N;
	each_init(&each, n, make, composite_on_end);
	each.max = max;
	each.outcomes = outcomes;
}

static void run(void)
{
	each_start(&each, &scope);
	settle();
}

static void each_item_has_its_task_at_most_max_at_once_in_the_memory_of_so_many(void)
{
	init(N, AT_ONCE);
	run();
	is_int(n_running, AT_ONCE);
	pass_ms(1000);
	has_ended(&each.base.task, OUTCOME_OK);
	is_int(n_made, N);
	is_int(most_running, AT_ONCE);
}

static void results_have_the_order_of_the_items(void)
{
	init(N, AT_ONCE);
	run();
	pass_ms(1000);
	for (uint32_t i = 0; i < N; i++)
		is_true(results[i] == i * 10 && outcomes[i] == OUTCOME_OK);
}

static void without_a_limit_all_run_at_once(void)
{
	init(AT_ONCE, 0);
	run();
	is_int(n_running, AT_ONCE);
	pass_ms(1000);
	has_ended(&each.base.task, OUTCOME_OK);
}

static void no_item_is_ok(void)
{
	init(0, 4);
	run();
	has_ended(&each.base.task, OUTCOME_OK);
}

static void the_first_failure_cancels_the_rest(void)
{
	init(N, 4);
	failing = 10;
	run();
	pass_ms(1000);
	has_ended(&each.base.task, OUTCOME_FAILED);
	is_int(outcomes[10], OUTCOME_FAILED);
	is_int(outcomes[9], OUTCOME_OK);
	is_int(outcomes[N - 1], OUTCOME_CANCELLED);
	is_true(n_made < 10 + 2 * 4);
	is_int(n_ends, n_made);
}

static void or_is_kept_per_element(void)
{
	init(N, 4);
	failing = 10;
	each.keep_going = true;
	run();
	pass_ms(1000);
	has_ended(&each.base.task, OUTCOME_OK);
	is_int(each.base.n_failed, 1);
	is_int(outcomes[10], OUTCOME_FAILED);
	is_int(outcomes[N - 1], OUTCOME_OK);
	is_int(n_made, N);
}

static void an_item_may_need_no_task(void)
{
	init(N, 4);
	skipped = 10;
	run();
	pass_ms(1000);
	has_ended(&each.base.task, OUTCOME_OK);
	is_int(outcomes[10], OUTCOME_OK);
	is_int(n_made, N - 1);
}

static void cancelling_makes_no_more(void)
{
	init(N, 4);
	run();
	pass_ms(3);
	task_cancel(&each.base.task);
	settle();
	has_ended(&each.base.task, OUTCOME_CANCELLED);
	is_int(n_ends, n_made);
	is_int(outcomes[N - 1], OUTCOME_CANCELLED);
}

static void cancelled_before_its_turn_nothing_is_made(void)
{
	init(N, 4);
	each_start(&each, &scope);
	task_cancel(&each.base.task);
	settle();
	has_ended(&each.base.task, OUTCOME_CANCELLED);
	is_int(n_made, 0);
	is_int(outcomes[0], OUTCOME_CANCELLED);
}

static void a_time_limit_ends_it(void)
{
	init(N, 4);
	each.base.timeout_ms = 5;
	run();
	pass_ms(5);
	has_ended(&each.base.task, OUTCOME_TIMED_OUT);
}

static struct task *make_alone(struct each *of, uint32_t index)
{
	(void)of;
	(void)index;
	return probe_init(&slots[0], 0, OUTCOME_OK);
}

static void a_million_items_need_no_stack_and_the_memory_of_one(void)
{
	each_init(&each, 1000000, make_alone, composite_on_end);
	each.max = 1;
	run();
	has_ended(&each.base.task, OUTCOME_OK);
	is_int(n_ends, 1000000);
}

int main(void)
{
	small_stack();
	TRY(each_item_has_its_task_at_most_max_at_once_in_the_memory_of_so_many);
	TRY(results_have_the_order_of_the_items);
	TRY(without_a_limit_all_run_at_once);
	TRY(no_item_is_ok);
	TRY(the_first_failure_cancels_the_rest);
	TRY(or_is_kept_per_element);
	TRY(an_item_may_need_no_task);
	TRY(cancelling_makes_no_more);
	TRY(cancelled_before_its_turn_nothing_is_made);
	TRY(a_time_limit_ends_it);
	TRY(a_million_items_need_no_stack_and_the_memory_of_one);
	return tap_done();
}
