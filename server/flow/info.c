/* server/flow/info.c: what `leat explain` and `leat graph` show. */
#include "server/flow/step.h"

size_t flow_n_tasks(const struct flow *flow)
{
	return flow->n_steps;
}

void flow_task_info(const struct flow *flow, size_t task, struct flow_task_info *ret_info)
{
	const struct step *outer = &flow->steps[task];
	const struct step *step = outer->detached ? &outer->group->steps[0] : outer;

	check(task < flow->n_steps);
	*ret_info = (struct flow_task_info){
		.name = step->name,
		.verb = step->verb_name,
		.summary = step->summary,
		.wave = outer->wave,
		.guard = outer->verb->is_guard,
		.detached = outer->detached,
		.optional = step->optional,
		.has_default = step->fallback != NULL,
		.timeout_ms = step->timeout_ms,
		.group = step->group,
		.n_before = outer->n_before,
		.before = outer->before,
	};
}
