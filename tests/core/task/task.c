/* tests/core/task/task.c */
#include "core/task/task.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *loop;
static struct scope scope;
static unsigned n_started, n_cancels, n_ended, n_empty;

/* A task that ends at once, or when it is told to. */
struct probe {
	struct task task;
	enum outcome outcome_now; /* OUTCOME_NONE: it goes on */
	unsigned n_ended;
};

static void probe_start(struct task *task)
{
	struct probe *probe = container_of(task, struct probe, task);

	n_started++;
	if (probe->outcome_now != OUTCOME_NONE)
		task_end(task, probe->outcome_now);
}

static void probe_cancel(struct task *task)
{
	n_cancels++;
	task_end(task, OUTCOME_CANCELLED);
}

static const struct task_ops probe_ops = { "probe", probe_start, probe_cancel };

static void probe_on_end(struct task *task)
{
	n_ended++;
	container_of(task, struct probe, task)->n_ended++;
}

static void on_empty(struct scope *empty)
{
	check(empty->n_live == 0);
	n_empty++;
}

static void setup(void)
{
	clock_freeze(UINT64_C(1000) * NS_PER_S, 0);
	check(loop_create(&loop) == 0);
	scope_init(&scope, loop, on_empty);
	n_started = n_cancels = n_ended = n_empty = 0;
}

static void teardown(void)
{
	scope_fini(&scope);
	loop_destroy(loop);
	clock_thaw();
}

static void probe_init(struct probe *probe, enum outcome outcome_now)
{
	*probe = (struct probe){ .outcome_now = outcome_now };
	task_init(&probe->task, &probe_ops, probe_on_end);
}

static void turn(void)
{
	loop_run_once(loop, false);
}

static void a_task_that_ends_in_its_start_completes_once_and_later(void)
{
	struct probe probe;

	setup();
	probe_init(&probe, OUTCOME_OK);
	is_int(probe.task.state, TASK_IDLE);
	task_start(&probe.task, &scope);
	is_int(probe.task.state, TASK_ENDING);
	is_int(n_ended, 0);
	turn();
	turn();
	is_int(probe.task.state, TASK_ENDED);
	is_int(probe.task.outcome, OUTCOME_OK);
	is_int(n_ended, 1);
	is_int(n_empty, 1);
	teardown();
}

static void each_outcome_reaches_on_end(void)
{
	static const char *const names[] = { "none", "ok", "failed", "timed_out", "cancelled" };
	struct probe probe;

	setup();
	for (unsigned o = OUTCOME_OK; o <= OUTCOME_CANCELLED; o++) {
		probe_init(&probe, OUTCOME_NONE);
		task_start(&probe.task, &scope);
		turn();
		is_int(probe.task.state, TASK_STARTED);
		task_end(&probe.task, (enum outcome)o);
		turn();
		is_int(probe.task.outcome, o);
		is_text(outcome_name((enum outcome)o), names[o]);
	}
	is_int(n_empty, 4);
	teardown();
}

static void cancel_in_every_state_ends_the_task_once(void)
{
	struct probe probe;

	setup();
	probe_init(&probe, OUTCOME_NONE);
	task_cancel(&probe.task); /* IDLE: it is only dropped */
	is_int(n_cancels, 0);
	task_start(&probe.task, &scope);
	task_cancel(&probe.task); /* STARTED */
	is_int(probe.task.state, TASK_ENDING);
	is_int(n_ended, 0);
	task_cancel(&probe.task); /* ENDING */
	turn();
	is_int(n_ended, 1);
	task_cancel(&probe.task); /* ENDED */
	turn();
	is_int(n_cancels, 1);
	is_int(n_ended, 1);
	is_int(probe.task.outcome, OUTCOME_CANCELLED);
	teardown();
}

static void cancel_does_not_change_an_outcome_that_is_decided(void)
{
	struct probe probe;

	setup();
	probe_init(&probe, OUTCOME_OK);
	task_start(&probe.task, &scope);
	task_cancel(&probe.task);
	turn();
	is_int(probe.task.outcome, OUTCOME_OK);
	is_int(n_cancels, 0);
	teardown();
}

static void note_cancel(struct task *task)
{
	(void)task;
	n_cancels++;
}

static void a_task_that_needs_time_to_cancel_is_asked_once(void)
{
	static const struct task_ops slow = { "slow", probe_start, note_cancel };
	static const struct task_ops without = { "without", probe_start, NULL };
	struct probe probes[2];

	setup();
	for (unsigned i = 0; i < 2; i++) {
		probe_init(&probes[i], OUTCOME_NONE);
		task_init(&probes[i].task, i ? &without : &slow, probe_on_end);
		task_start(&probes[i].task, &scope);
	}
	task_cancel(&probes[0].task);
	scope_cancel(&scope);
	scope_cancel(&scope);
	turn();
	is_int(n_cancels, 1);
	is_int(n_empty, 0); /* the scope waits for its children */
	task_end(&probes[0].task, OUTCOME_CANCELLED);
	turn();
	is_int(n_empty, 0);
	task_end(&probes[1].task, OUTCOME_OK);
	turn();
	is_int(n_ended, 2);
	is_int(n_empty, 1);
	teardown();
}

static void a_cancelled_scope_starts_nothing(void)
{
	struct probe probe;

	setup();
	scope_cancel(&scope);
	probe_init(&probe, OUTCOME_OK);
	task_start(&probe.task, &scope);
	is_int(n_started, 0);
	turn();
	is_int(probe.task.outcome, OUTCOME_CANCELLED);
	is_int(n_ended, 1);
	is_int(n_empty, 1);
	teardown();
}

static void a_deadline_cancels_all_that_lives(void)
{
	struct probe probes[3];

	setup();
	scope_set_deadline(&scope, clock_monotonic_ns() + 50 * NS_PER_MS);
	scope_set_deadline(&scope,
			   clock_monotonic_ns() + 70 * NS_PER_MS); /* the earlier one stays */
	for (unsigned i = 0; i < 3; i++) {
		probe_init(&probes[i], i == 1 ? OUTCOME_OK : OUTCOME_NONE);
		task_start(&probes[i].task, &scope);
	}
	clock_advance(50 * NS_PER_MS - 1);
	turn();
	is_int(n_cancels, 0);
	clock_advance(1);
	turn();
	is_int(n_cancels, 2);
	is_true(scope.timed_out && scope.cancelled);
	is_int(n_ended, 3); /* in the same turn */
	is_int(n_empty, 1);
	is_int(probes[1].task.outcome, OUTCOME_OK);
	teardown();
}

static void a_scope_that_was_cancelled_before_has_not_timed_out(void)
{
	setup();
	scope_set_deadline(&scope, clock_monotonic_ns() + NS_PER_S);
	scope_cancel(&scope);
	clock_advance(2 * NS_PER_S);
	turn();
	is_false(scope.timed_out);
	teardown();
}

/* ------------------------------------------------------------ scopes in scopes */

struct group {
	struct task task;
	struct scope inner;
	struct probe probes[3];
	unsigned depth;
	struct group *below;
};

static void group_on_empty(struct scope *inner)
{
	struct group *group = container_of(inner, struct group, inner);

	scope_fini(inner);
	task_end(&group->task, inner->cancelled ? OUTCOME_CANCELLED : OUTCOME_OK);
}

static const struct task_ops group_ops;

static void group_on_end(struct task *task)
{
	struct group *group = container_of(task, struct group, task);

	check(group->inner.n_live == 0);
	n_ended++;
}

static void group_start(struct task *task)
{
	struct group *group = container_of(task, struct group, task);

	scope_init(&group->inner, task->scope->loop, group_on_empty);
	for (unsigned i = 0; i < 3; i++) {
		probe_init(&group->probes[i], i ? OUTCOME_OK : OUTCOME_NONE);
		task_start(&group->probes[i].task, &group->inner);
	}
	if (group->below) {
		task_init(&group->below->task, &group_ops, group_on_end);
		task_start(&group->below->task, &group->inner);
	}
}

static void group_cancel(struct task *task)
{
	scope_cancel(&container_of(task, struct group, task)->inner);
}

static const struct task_ops group_ops = { "group", group_start, group_cancel };

static void a_scope_ends_after_all_that_is_nested_in_it(void)
{
	struct group groups[3] = { 0 };

	setup();
	groups[0].below = &groups[1];
	groups[1].below = &groups[2];
	task_init(&groups[0].task, &group_ops, group_on_end);
	task_start(&groups[0].task, &scope);
	turn();
	is_int(n_ended, 6); /* the probes that end at once */
	for (unsigned i = 0; i < 3; i++) {
		is_int(n_empty, 0);
		task_end(&groups[i].probes[0].task, OUTCOME_OK);
		turn();
	}
	is_int(n_ended, 12);
	is_int(groups[0].task.outcome, OUTCOME_OK);
	is_int(n_empty, 1);
	teardown();
}

static void cancel_reaches_what_is_nested(void)
{
	struct group groups[3] = { 0 };

	setup();
	groups[0].below = &groups[1];
	groups[1].below = &groups[2];
	task_init(&groups[0].task, &group_ops, group_on_end);
	task_start(&groups[0].task, &scope);
	scope_cancel(&scope);
	turn();
	is_int(n_cancels, 3);
	is_int(n_ended, 12);
	for (unsigned i = 0; i < 3; i++)
		is_int(groups[i].task.outcome, OUTCOME_CANCELLED);
	is_int(n_empty, 1);
	teardown();
}

/* ------------------------------------------------------------ on_end */

static unsigned n_left;
static char *lowest_stack;

static void series_on_end(struct task *task)
{
	struct scope *in = task->scope;
	char *here = __builtin_frame_address(0); /* a local's may be on ASan's heap */

	if (!lowest_stack || here < lowest_stack)
		lowest_stack = here;
	n_ended++;
	if (n_left-- == 0)
		return;
	task_init(task, &probe_ops, series_on_end);
	task_start(task, in);
}

static void a_million_tasks_in_series_use_constant_stack(void)
{
	struct probe probe;
	char *after_ten;

	setup();
	for (unsigned round = 0; round < 2; round++) {
		probe_init(&probe, OUTCOME_OK);
		task_init(&probe.task, &probe_ops, series_on_end);
		n_left = round ? 1000000 - 1 : 9;
		n_ended = 0;
		after_ten = lowest_stack;
		task_start(&probe.task, &scope);
		while (n_empty == round)
			turn();
	}
	is_int(n_ended, 1000000);
	is_ptr(lowest_stack, after_ten);
	is_int(n_empty,
	       2); /* on_end started another each time: the scope was never empty meanwhile */
	teardown();
}

static void free_on_end(struct task *task)
{
	n_ended++;
	free(container_of(task, struct probe, task));
}

static void free_on_empty(struct scope *empty)
{
	n_empty++;
	scope_fini(empty);
	free(empty);
}

static void a_task_may_be_freed_in_on_end_and_a_scope_in_on_empty(void)
{
	struct scope *own = malloc(sizeof(*own));

	check(own);
	setup();
	scope_init(own, loop, free_on_empty);
	scope_set_deadline(own, clock_monotonic_ns() + NS_PER_S);
	for (unsigned i = 0; i < 10; i++) {
		struct probe *probe = malloc(sizeof(*probe));

		check(probe);
		probe_init(probe, i % 2 ? OUTCOME_OK : OUTCOME_NONE);
		task_init(&probe->task, &probe_ops, free_on_end);
		task_start(&probe->task, own);
	}
	turn();
	scope_cancel(own);
	turn();
	is_int(n_ended, 10);
	is_int(n_empty, 1);
	clock_advance(2 * NS_PER_S);
	turn(); /* the deadline's timer is gone with the scope */
	teardown();
}

/* ------------------------------------------------------------ what must not be done */

static struct probe wrong;

static void start_twice(void)
{
	task_start(&wrong.task, &scope);
	task_start(&wrong.task, &scope);
}

static void end_twice(void)
{
	task_start(&wrong.task, &scope);
	task_end(&wrong.task, OUTCOME_OK);
	task_end(&wrong.task, OUTCOME_OK);
}

static void end_before_start(void)
{
	task_end(&wrong.task, OUTCOME_OK);
}

static void fini_with_live_tasks(void)
{
	task_start(&wrong.task, &scope);
	scope_fini(&scope);
}

/* Runs `act` in a child; true when it aborts and its last words have `word`. */
static bool aborts_saying(void (*act)(void), const char *word)
{
	char text[1024] = "";
	int fds[2], status = 0;
	ssize_t n, len = 0;
	pid_t pid;

	check(pipe(fds) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 2);
		act();
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + len, sizeof(text) - 1 - (size_t)len)) > 0)
		len += n;
	close(fds[0]);
	check(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(text, word);
}

static void what_must_not_be_done_aborts_and_names_the_task(void)
{
	setup();
	probe_init(&wrong, OUTCOME_NONE);
	is_true(aborts_saying(start_twice, "probe state=1"));
	is_true(aborts_saying(end_twice, "probe state=2"));
	is_true(aborts_saying(end_before_start, "probe state=0"));
	is_true(aborts_saying(fini_with_live_tasks, "n_live=1"));
	teardown();
}

int main(void)
{
	TEST(a_task_that_ends_in_its_start_completes_once_and_later);
	TEST(each_outcome_reaches_on_end);
	TEST(cancel_in_every_state_ends_the_task_once);
	TEST(cancel_does_not_change_an_outcome_that_is_decided);
	TEST(a_task_that_needs_time_to_cancel_is_asked_once);
	TEST(a_cancelled_scope_starts_nothing);
	TEST(a_deadline_cancels_all_that_lives);
	TEST(a_scope_that_was_cancelled_before_has_not_timed_out);
	TEST(a_scope_ends_after_all_that_is_nested_in_it);
	TEST(cancel_reaches_what_is_nested);
	TEST(a_million_tasks_in_series_use_constant_stack);
	TEST(a_task_may_be_freed_in_on_end_and_a_scope_in_on_empty);
	TEST(what_must_not_be_done_aborts_and_names_the_task);
	return tap_done();
}
