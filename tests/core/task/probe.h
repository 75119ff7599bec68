/* tests/core/task/probe.h: a task that does as it is told and remembers what was done to it; a
 * scope to try it in, and a clock that only tests move. */
#pragma once
#include "core/base/clock.h"
#include "core/io/loop_clock.h"
#include "core/task/task.h"
#include "tests/lib/tap.h"
#include <sys/resource.h>

#define NEVER UINT64_MAX

struct probe {
	struct task task;
	struct timer timer;
	uint64_t delay_ms;    /* 0: ends within start(); NEVER: when cancelled */
	enum outcome outcome; /* with which it ends by itself */
	bool deaf;            /* ends by itself also when cancelled */
	unsigned n_started, n_ended, n_cancelled;
	unsigned start_order, end_order; /* from 1 */
	task_fn *then;                   /* called in on_end, or NULL */
};

static struct loop *loop;
static struct scope scope;
static unsigned n_empty, n_starts, n_ends, n_running, most_running;
static struct task *ended; /* the last composite that ended, by composite_on_end() */
static unsigned n_composites_ended;
static char trace[256]; /* of what tests write there */

static inline void trace_add(char c)
{
	size_t len = str_of(trace).len;

	if (len + 1 < sizeof(trace)) {
		trace[len] = c;
		trace[len + 1] = 0;
	}
}

static inline struct probe *probe_of(struct task *task)
{
	return container_of(task, struct probe, task);
}

static inline void probe_end(struct probe *probe, enum outcome outcome)
{
	n_running--;
	task_end(&probe->task, outcome);
}

static inline void probe_on_timer(struct timer *timer)
{
	struct probe *probe = container_of(timer, struct probe, timer);

	probe_end(probe, probe->outcome);
}

static inline void probe_start(struct task *task)
{
	struct probe *probe = probe_of(task);

	probe->n_started++;
	probe->start_order = ++n_starts;
	most_running = MAX(most_running, ++n_running);
	timer_init(&probe->timer, task->scope->loop, probe_on_timer);
	if (probe->delay_ms == 0)
		probe_end(probe, probe->outcome);
	else if (probe->delay_ms != NEVER)
		timer_start(&probe->timer, probe->delay_ms);
}

static inline void probe_cancel(struct task *task)
{
	struct probe *probe = probe_of(task);

	probe->n_cancelled++;
	if (probe->deaf)
		return;
	timer_stop(&probe->timer);
	probe_end(probe, OUTCOME_CANCELLED);
}

static const struct task_ops probe_ops = { "probe", probe_start, probe_cancel };

static inline void probe_on_end(struct task *task)
{
	struct probe *probe = probe_of(task);

	probe->n_ended++;
	probe->end_order = ++n_ends;
	if (probe->then)
		probe->then(task);
}

static inline struct task *probe_init(struct probe *probe, uint64_t delay_ms, enum outcome outcome)
{
	*probe = (struct probe){ .delay_ms = delay_ms, .outcome = outcome };
	task_init(&probe->task, &probe_ops, probe_on_end);
	return &probe->task;
}

static inline void composite_on_end(struct task *task)
{
	ended = task;
	n_composites_ended++;
}

static inline void scope_on_empty(struct scope *empty)
{
	(void)empty;
	n_empty++;
}

static inline void setup(void)
{
	clock_freeze(1000 * NS_PER_S, 0);
	check(loop_create(&loop) == 0);
	scope_init(&scope, loop, scope_on_empty);
	n_empty = n_starts = n_ends = n_running = most_running = n_composites_ended = 0;
	ended = NULL;
	trace[0] = 0;
}

/* Nothing runs, is armed or waits any more: an hour later nothing has happened. */
static inline void teardown(void)
{
	unsigned before = n_ends;

	is_int(scope.n_live, 0);
	is_int(n_running, 0);
	loop_advance(loop, 3600 * NS_PER_S);
	is_int(n_ends, before);
	is_true(loop_next_timer_ns(loop) == UINT64_MAX);
	scope_fini(&scope);
	loop_destroy(loop);
	clock_thaw();
}

static inline void pass_ms(uint64_t ms)
{
	loop_advance(loop, ms * NS_PER_MS);
}

static inline void settle(void)
{
	loop_settle(loop);
}

/* The composite completed once, and so. */
static inline void has_ended(const struct task *task, enum outcome outcome)
{
	is_int(n_composites_ended, 1);
	is_ptr(ended, task);
	is_text(outcome_name(task->outcome), outcome_name(outcome));
	is_int(n_empty, 1);
}

/* A test of its own scope and time, and of leaving nothing behind. */
#define TRY(test) (setup(), TEST(test), teardown())

/* Whatever depth of calls there is would not fit. */
static inline void small_stack(void)
{
	const struct rlimit limit = { 8 << 20, 8 << 20 };

	check(setrlimit(RLIMIT_STACK, &limit) == 0);
}
