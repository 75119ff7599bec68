/* server/flow/info.c: what `leat explain` and `leat graph` show. */
#include "server/flow/step.h"

size_t flow_n_tasks(const struct flow *flow)
{
	return flow->n_steps;
}

/* A task that runs another of its kind is shown as one with that: its notes are those of all. */
void flow_task_info(const struct flow *flow, size_t task, struct flow_task_info *ret_info)
{
	const struct step *outer = &flow->steps[task], *step = outer;

	check(task < flow->n_steps);
	*ret_info = (struct flow_task_info){
		.wave = outer->wave,
		.guard = outer->verb->is_guard,
		.detached = outer->detached,
		.n_before = outer->n_before,
		.before = outer->before,
		.tally = outer->tally,
	};
	for (;; step = &step->group->steps[0]) {
		ret_info->timeout_ms = ret_info->timeout_ms ? ret_info->timeout_ms
							    : step->timeout_ms;
		if (!step->wraps)
			break;
	}
	ret_info->name = step->name;
	ret_info->verb = step->verb_name;
	ret_info->summary = step->summary;
	ret_info->notes = outer->notes;
	ret_info->optional = step->optional;
	ret_info->has_default = step->fallback != NULL;
	ret_info->group = step->group;
	ret_info->calls = step->calls;
}

size_t flow_run_n_tasks(const struct flow_run *run)
{
	return run->steps ? run->flow->n_steps : 0;
}

bool flow_run_took(const struct flow_run *run, size_t task, struct str *ret_name, uint64_t *ret_ns)
{
	const struct step_run *step = &run->steps[task];

	if (step->status < STEP_OK || step->status == STEP_SKIPPED || !step->started_ns)
		return false;
	*ret_name = step->step->name;
	*ret_ns = step->ended_ns - step->started_ns;
	return true;
}
