/* server/verbs/group.c: `tasks:` inside a task: a group, with one deadline, one fate and one
 * result.
 *
 * The tasks in it see those around it; for the order outside, the group refers to whatever a
 * task in it refers to. */
#include "server/flow/step.h"
#include "server/verbs/all.h"
#include <errno.h>

struct group_config {
	struct flow *flow;
	const struct node *result_node;
};

struct group_state {
	struct step_run *step;
	struct value result;
	struct flow_run run;
};

static const struct setting group_keys[] = {
	{ "result", SETTING_VALUE, offsetof(struct group_config, result_node),
	  .help = "The group's result; without it an object of its tasks' main results." },
	SETTINGS_END
};

static const char *const group_fields[] = { "result", NULL };

static bool group_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct group_config *own = config;
	struct flow_scope *scope = compiler->names;
	struct flow_compiler *flow = compiler->flow;

	if (value->kind == NODE_NULL || (value->kind == NODE_MAP && value->n_entries == 0)) {
		diag_error(flow->diag, value->place,
			   "the group \"%s\" has no tasks; write them below `tasks:`",
			   compiler->task_name.ptr);
		return false;
	}
	own->flow = flow_declare(flow, compiler->task_name);
	own->flow->roots = scope_inner_names(scope)->roots;
	compiler->step->group = own->flow;
	if (!flow_compile_inner(flow, own->flow, value, own->result_node, scope, compiler->step))
		return false;
	compiler->step->idempotent = own->flow->idempotent;
	return true;
}

/* {name: main result, …} of all tasks that can be waited for. */
static int group_collect(struct flow_run *run, struct value *ret)
{
	const struct flow *flow = run->flow;
	struct member *members =
		arena_alloc_array(run->context->arena, flow->n_steps, sizeof(*members));
	size_t n_members = 0;
	int r = 0;

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < flow->n_steps; i++) {
		if (flow->steps[i].detached)
			continue;
		members[n_members].key = value_text(flow->steps[i].name);
		r = step_field(&run->steps[i], STR_NONE, &members[n_members++].value);
	}
	*ret = value_object(members, n_members);
	return r;
}

static void group_on_end(struct flow_run *run)
{
	struct group_state *state = container_of(run, struct group_state, run);
	struct step_run *step = state->step;
	int r;

	step->sent = true;
	if (run->failure.code != ERROR_NONE) {
		step_fail(step, &run->failure);
		return;
	}
	if (run->flow->result)
		r = flow_run_result(run, &state->result);
	else
		r = group_collect(run, &state->result);
	if (r < 0)
		memcpy(step_env(step)->message, run->env.message, sizeof(run->env.message));
	step_done_errno(step, r);
}

static void group_start(struct step_run *run)
{
	const struct group_config *config = run->config;
	struct group_state *state = run->state;

	state->step = run;
	flow_run_init_again(&state->run, config->flow, run->run->context, group_on_end,
			    &run->inner);
	state->run.parent = run->run;
	state->run.with = run->run->with;
	state->run.depth = run->run->depth;
	state->run.span = run->span;
	flow_run_start(&state->run);
}

static void group_cancel(struct step_run *run)
{
	struct group_state *state = run->state;

	flow_run_cancel(&state->run);
}

static int group_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct group_state *state = run->state;

	(void)name;
	*ret = state->result;
	return 0;
}

const struct verb verb_tasks = {
	.name = "tasks",
	.help = "A group of tasks, with one deadline and one result.",
	.keys = group_keys,
	.config_size = sizeof(struct group_config),
	.state_size = sizeof(struct group_state),
	.fields = group_fields,
	.main_field = "result",
	.compile = group_compile,
	.start = group_start,
	.cancel = group_cancel,
	.field = group_field,
};
