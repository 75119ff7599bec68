/* server/flow/run.c: one run of a flow.
 *
 *   init --> start --> [tasks, in the order of the plan] --> the scope is empty --> on_end
 *                          |
 *                          +-- a required task failed, the deadline passed, or it was cancelled: `stopping`; what is
 *                              live is cancelled and nothing more starts, so that the scope becomes empty soon
 *
 * A run that has nothing to start, or must not, ends from the loop's ready list, never inside
 * flow_run_start(). */
#include "core/base/clock.h"
#include "server/flow/step.h"
#include "server/trace/trace.h"
#include <stdio.h>

static void flow_run_finish(struct flow_run *run);

static void flow_run_on_empty(struct scope *scope)
{
	flow_run_finish(container_of(scope, struct flow_run, scope));
}

static void flow_run_on_node(struct graph *graph, uint32_t node)
{
	struct flow_run *run = container_of(graph, struct flow_run, graph);

	if (!run->stopping && !run->scope.cancelled)
		step_start(&run->steps[node], run, node);
}

/* The end is that of the scope: tasks may still be live when the graph was stopped. */
static void flow_run_on_nodes_done(struct graph *graph)
{
	(void)graph;
}

static bool flow_run_is_complete(const struct flow_run *run)
{
	return run->flow->n_steps == 0 || (run->race && run->race->winner) ||
	       (run->steps && graph_n_left(&run->graph) == 0);
}

static struct step_hold *step_hold_of(const struct step *step, char *states)
{
	return step->lock || step->pool ? (struct step_hold *)(void *)(states + step->hold_offset)
					: NULL;
}

/* One allocation for all: the tasks' runs, the graph's counters, the states of the verbs. */
static bool flow_run_alloc(struct flow_run *run, void **kept)
{
	const struct flow *flow = run->flow;
	size_t steps_size = (flow->n_steps * sizeof(*run->steps) + 15) & ~(size_t)15;
	size_t counters_size = (flow->n_steps * sizeof(uint32_t) + 15) & ~(size_t)15;
	char *memory = *kept, *states;

	if (!memory) {
		memory = arena_alloc(run->context->arena,
				     steps_size + counters_size + flow->state_size);
		if (!memory)
			return false;
		memset(memory, 0, steps_size);
		*kept = memory;
	}
	states = memory + steps_size + counters_size;
	run->steps = (struct step_run *)(void *)memory;
	graph_init(&run->graph, flow->plan, (uint32_t *)(void *)(memory + steps_size), &run->scope,
		   flow_run_on_node, flow_run_on_nodes_done);
	for (size_t i = 0; i < flow->n_steps; i++) {
		struct step_run *step = &run->steps[i];

		*step = (struct step_run){ .step = &flow->steps[i],
					   .config = flow->steps[i].config,
					   .state = states + flow->steps[i].state_offset,
					   .run = run,
					   .hold = step_hold_of(&flow->steps[i], states),
					   .inner = step->inner };
	}
	return true;
}

static void flow_run_fail(struct flow_run *run, const struct failure *failure)
{
	if (run->failure.code == ERROR_NONE)
		run->failure = *failure;
	run->stopping = true;
	scope_cancel(&run->scope);
}

void flow_run_init_again(struct flow_run *run, const struct flow *flow, struct context *context,
			 void (*on_end)(struct flow_run *run), void **memory)
{
	*run = (struct flow_run){ .flow = flow, .context = context, .on_end = on_end };
	run->span = trace_is_told(context->trace) ? context->trace->here.span : 0;
	run->env.arena = context->arena;
	run->env.root = flow_env_root;
	run->env.task = flow_env_task;
	run->env.source = flow_env_source;
	ready_init(&run->ready, NULL);
	scope_init(&run->scope, context->loop, flow_run_on_empty);
	if (flow->n_steps > 0 && !flow_run_alloc(run, memory))
		flow_run_fail(run, &(struct failure){
					   .code = ERROR_MEMORY_LIMIT,
					   .detail = STR("no memory for the tasks of the flow"),
				   });
}

void flow_run_init(struct flow_run *run, const struct flow *flow, struct context *context,
		   void (*on_end)(struct flow_run *run))
{
	void *memory = NULL;

	flow_run_init_again(run, flow, context, on_end, &memory);
}

static void flow_run_on_ready(struct ready *ready)
{
	struct flow_run *run = container_of(ready, struct flow_run, ready);

	if (!run->stopping && !run->scope.cancelled && run->flow->n_steps > 0)
		graph_run(&run->graph);
	if (run->scope.n_live == 0)
		flow_run_finish(run);
}

void flow_run_start(struct flow_run *run)
{
	check(!run->started);
	run->started = true;
	run->ready.run = flow_run_on_ready;
	/* a called flow starts with an empty stack below it: calls nest deeper than groups may */
	if (run->depth > 0 || run->stopping || run->scope.cancelled || run->flow->n_steps == 0)
		loop_ready(run->scope.loop, &run->ready);
	else
		graph_run(&run->graph);
}

/* What is told of a run that was stopped from outside: the first task that was at work. */
static void flow_run_name_stopped(struct flow_run *run)
{
	for (size_t i = 0; run->steps && i < run->flow->n_steps && !run->failure.task.len; i++)
		if (run->steps[i].status == STEP_CANCELLED)
			run->failure.task = run->steps[i].failure.task;
}

static void flow_run_finish(struct flow_run *run)
{
	check(run->started && !run->ended);
	run->ended = true;
	scope_fini(&run->scope);
	if (run->failure.code == ERROR_NONE && !flow_run_is_complete(run)) {
		check(run->scope.cancelled);
		run->failure = (struct failure){
			.code = run->scope.timed_out ? ERROR_TIMEOUT : ERROR_CANCELLED,
			.detail = run->scope.timed_out ? STR("the flow's deadline passed")
						       : STR("the flow was cancelled"),
		};
	}
	if (run->failure.code == ERROR_CANCELLED || run->scope.timed_out)
		flow_run_name_stopped(run);
	run->on_end(run); /* the run may be gone */
}

void flow_run_node_done(struct flow_run *run, struct step_run *step)
{
	graph_node_done(&run->graph, (uint32_t)(step - run->steps));
}

void flow_run_on_step(struct flow_run *run, struct step_run *step)
{
	if (run->race) {
		flow_race_on_step(run, step);
		return;
	}
	switch ((enum step_status)step->status) {
	case STEP_FAILED:
		if (step->fallback_failed || (!step->step->fallback && !step->step->optional)) {
			flow_run_fail(run, &step->failure);
			return;
		}
		break;
	case STEP_OK:
	case STEP_SKIPPED:
		break;
	case STEP_CANCELLED:
		return;
	case STEP_WAITING:
	case STEP_HOLDING:
	case STEP_RUNNING:
	case STEP_PAUSED:
		unreachable();
	}
	flow_run_node_done(run, step);
}

void flow_run_set_deadline(struct flow_run *run, uint64_t deadline_ns)
{
	scope_set_deadline(&run->scope, deadline_ns);
}

void flow_run_cancel(struct flow_run *run)
{
	if (run->ended)
		return;
	flow_run_fail(run, &(struct failure){ .code = ERROR_CANCELLED,
					      .detail = STR("the flow was cancelled") });
}

struct expr_env *flow_run_env(struct flow_run *run)
{
	return &run->env;
}

int flow_run_result(struct flow_run *run, struct value *ret)
{
	*ret = value_null();
	run->env.message[0] = '\0';
	return run->flow->result ? template_tree_eval(run->flow->result, &run->env, ret) : 0;
}
