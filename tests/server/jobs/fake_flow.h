/* tests/server/jobs/fake_flow.h: stands in for flows: a run lasts and ends as the test says.
 *
 * It defines the functions of server/flow/flow.h that jobs use, so the program that includes it
 * has no other flows. */
#pragma once
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/flow/flow.h"
#include <stdlib.h>

struct flow {
	struct str name;
};

struct fake_run {
	struct list link; /* in fake.runs, in the order of the starts */
	struct flow_run *run;
	struct ready ready;
	struct timer end, deadline;
	enum error_code code;
};

static struct {
	struct list runs;
	unsigned n_started, n_live, n_live_max;
	uint64_t takes_ms;       /* of the next runs; UINT64_MAX: until the test ends them */
	enum error_code code;    /* how the next runs end */
	uint64_t compiled_roots; /* of the last flow */
	bool compile_fails;
} fake = { .runs = LIST_INIT(fake.runs) };

struct flow *flow_declare(struct flow_compiler *compiler, struct str name)
{
	struct flow *flow = arena_zalloc(compiler->arena, sizeof(*flow));

	check(flow);
	flow->name = name;
	return flow;
}

void flows_fini(struct flow *flows)
{
	check(!flows);
}

bool flow_compile(struct flow_compiler *compiler, struct flow *flow, const struct node *tasks,
		  const struct node *result, uint64_t roots)
{
	(void)compiler, (void)flow, (void)tasks, (void)result;
	fake.compiled_roots = roots;
	return !fake.compile_fails;
}

static void fake_ended(struct ready *ready)
{
	struct fake_run *at = container_of(ready, struct fake_run, ready);
	struct flow_run *run = at->run;

	run->failure.code = at->code;
	timer_stop(&at->end);
	timer_stop(&at->deadline);
	list_remove(&at->link);
	free(at);
	fake.n_live--;
	run->on_end(run);
}

static void fake_end(struct fake_run *at, enum error_code code)
{
	at->code = code;
	loop_ready(at->run->context->loop, &at->ready);
}

static void fake_on_end(struct timer *timer)
{
	struct fake_run *at = container_of(timer, struct fake_run, end);

	fake_end(at, at->code);
}

static void fake_on_deadline(struct timer *timer)
{
	fake_end(container_of(timer, struct fake_run, deadline), ERROR_TIMEOUT);
}

static struct fake_run *fake_of(const struct flow_run *run)
{
	struct fake_run *at;

	list_each(at, &fake.runs, struct fake_run, link)
		if (at->run == run)
			return at;
	unreachable();
}

void flow_run_init(struct flow_run *run, const struct flow *flow, struct context *context,
		   void (*on_end)(struct flow_run *run))
{
	struct fake_run *at = mem_zalloc(sizeof(*at));

	*run = (struct flow_run){ .flow = flow, .context = context, .on_end = on_end };
	at->run = run;
	at->code = fake.code;
	ready_init(&at->ready, fake_ended);
	timer_init(&at->end, context->loop, fake_on_end);
	timer_init(&at->deadline, context->loop, fake_on_deadline);
	list_add(&fake.runs, &at->link);
}

void flow_run_start(struct flow_run *run)
{
	struct fake_run *at = fake_of(run);

	fake.n_started++;
	fake.n_live++;
	fake.n_live_max = MAX(fake.n_live_max, fake.n_live);
	if (fake.takes_ms != UINT64_MAX)
		timer_start(&at->end, fake.takes_ms);
}

void flow_run_set_deadline(struct flow_run *run, uint64_t deadline_ns)
{
	timer_start_at(&fake_of(run)->deadline, deadline_ns);
}

void flow_run_cancel(struct flow_run *run)
{
	fake_end(fake_of(run), ERROR_CANCELLED);
}
