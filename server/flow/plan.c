/* server/flow/plan.c: the order of a flow's tasks: what each waits for, guards before what they
 * guard, no cycles.
 *
 * Tasks that no guard depends on start only after all guards have passed (DECISIONS 21): each
 * such task gets an edge from each guard. A task that a guard depends on gets none, so this can
 * make no cycle. */
#include "server/flow/step.h"

static bool step_is_guard(const struct step *step)
{
	return step->verb && step->verb->is_guard && !step->detached;
}

/* Marks all that the guards wait for, themselves included. */
static bool *plan_mark_guarded(const struct flow *flow, struct arena *arena, size_t *ret_n_guards)
{
	bool *marked = arena_zalloc(arena, flow->n_steps + 1);
	uint32_t *todo = arena_alloc_array(arena, flow->n_steps + 1, sizeof(*todo));
	size_t n_todo = 0;

	for (uint32_t i = 0; i < flow->n_steps; i++) {
		if (!step_is_guard(&flow->steps[i]))
			continue;
		marked[i] = true;
		todo[n_todo++] = i;
	}
	*ret_n_guards = n_todo;
	while (n_todo > 0) {
		const struct step_refs *refs = &flow->steps[todo[--n_todo]].refs;

		for (size_t i = 0; i < refs->n_refs; i++) {
			uint32_t index = step_number_index(refs->refs[i].number);

			if (step_number_level(refs->refs[i].number) > 0 || marked[index])
				continue;
			marked[index] = true;
			todo[n_todo++] = index;
		}
	}
	return marked;
}

static void plan_add_guards(struct flow *flow, struct arena *arena)
{
	size_t n_guards;
	const bool *marked = plan_mark_guarded(flow, arena, &n_guards);

	if (n_guards == 0)
		return;
	for (uint32_t guard = 0; guard < flow->n_steps; guard++) {
		if (!step_is_guard(&flow->steps[guard]))
			continue;
		for (uint32_t i = 0; i < flow->n_steps; i++)
			if (!marked[i])
				graph_plan_edge(flow->plan, guard, i);
	}
}

static void plan_add_refs(struct flow *flow)
{
	for (uint32_t i = 0; i < flow->n_steps; i++) {
		const struct step_refs *refs = &flow->steps[i].refs;

		for (size_t at = 0; at < refs->n_refs; at++)
			if (step_number_level(refs->refs[at].number) == 0 &&
			    refs->refs[at].number != i)
				graph_plan_edge(flow->plan, refs->refs[at].number, i);
	}
}

/* "a → b → a", where each refers to the one behind it; told at the place where the first names
 * the second. In the plan's cycle each comes before the one that refers to it. */
static void plan_refuse_cycle(struct flow_compiler *compiler, const struct flow *flow,
			      const uint32_t *cycle, size_t n_cycle)
{
	const struct step *first = &flow->steps[cycle[0]];
	struct str path = first->name;
	struct place place = first->place;

	for (size_t i = n_cycle; i-- > 0;)
		path = arena_printf(compiler->arena, "%.*s → %s", STR_ARG(path),
				    flow->steps[cycle[i]].name.ptr);
	for (size_t i = 0; i < first->refs.n_refs; i++)
		if (first->refs.refs[i].number == cycle[n_cycle - 1])
			place = first->refs.refs[i].place;
	diag_error(compiler->diag, place, "these tasks wait for each other: %.*s", STR_ARG(path));
}

/* For those who look at the flow: each task's own list of what it waits for. */
static void plan_tell_steps(struct flow *flow, struct arena *arena)
{
	for (uint32_t i = 0; i < flow->n_steps; i++) {
		struct step *step = &flow->steps[i];
		uint32_t n_before = graph_plan_n_before(flow->plan, i);

		step->wave = graph_plan_wave(flow->plan, i);
		step->before =
			arena_alloc_array(arena, n_before + (size_t)1, sizeof(*step->before));
	}
	for (uint32_t i = 0; i < flow->n_steps; i++) {
		size_t n_after;
		const uint32_t *after = graph_plan_after(flow->plan, i, &n_after);

		for (size_t at = 0; at < n_after; at++) {
			struct step *step = &flow->steps[after[at]];

			step->before[step->n_before++] = i;
		}
	}
}

bool plan_compile(struct flow_compiler *compiler, struct flow *flow)
{
	const uint32_t *cycle;
	size_t n_cycle;

	if (flow->n_steps == 0)
		return true;
	flow->plan = graph_plan_create((uint32_t)flow->n_steps);
	plan_add_refs(flow);
	plan_add_guards(flow, compiler->arena);
	if (graph_plan_finish(flow->plan, &cycle, &n_cycle) < 0) {
		plan_refuse_cycle(compiler, flow, cycle, n_cycle);
		return false;
	}
	plan_tell_steps(flow, compiler->arena);
	return join_check(compiler, flow);
}
