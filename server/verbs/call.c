/* server/verbs/call.c: `call: FLOW`: runs a flow of `flows:` with values of its own. */
#include "server/flow/step.h"
#include "server/verbs/all.h"

struct call_config {
	struct flow *flow;
	const struct node *with_node;
	struct template_tree *with;
};

struct call_state {
	struct step_run *step;
	struct value with, result;
	struct flow_run run;
};

static const struct setting call_keys[] = { { "with", SETTING_MAP,
					      offsetof(struct call_config, with_node),
					      .help = "What the flow reads as ${with.…}." },
					    SETTINGS_END };

static const char *const call_fields[] = { "result", NULL };

static bool call_find(struct flow_compiler *compiler, const struct node *value,
		      struct flow **ret_flow)
{
	const char *nearest;

	if (!node_is_scalar(value) || value->kind == NODE_NULL) {
		diag_error(compiler->diag, value->place,
			   "`call` takes the name of a flow of `flows:`, not %s",
			   node_kind_name(value));
		return false;
	}
	*ret_flow = compiler->flow ? compiler->flow(compiler, value->text) : NULL;
	if (*ret_flow)
		return true;
	nearest = compiler->flow_names ? diag_nearest(value->text, compiler->flow_names) : NULL;
	if (nearest)
		diag_error(compiler->diag, value->place,
			   "there is no flow \"%.*s\"; did you mean \"%s\"?",
			   STR_ARG(str_first(value->text, 80)), nearest);
	else
		diag_error(compiler->diag, value->place,
			   "there is no flow \"%.*s\"; write it under `flows:`",
			   STR_ARG(str_first(value->text, 80)));
	return false;
}

static bool call_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct call_config *own = config;
	bool ok = call_find(compiler->flow, value, &own->flow);

	if (own->with_node && own->with_node->kind != NODE_NULL) {
		own->with = template_tree_compile(compiler->expr, own->with_node);
		ok &= own->with != NULL;
	}
	compiler->step->group = own->flow;
	compiler->step->calls = true;
	return ok;
}

static void call_on_end(struct flow_run *run)
{
	struct call_state *state = container_of(run, struct call_state, run);
	struct step_run *step = state->step;
	int r;

	step->sent = true;
	if (run->failure.code != ERROR_NONE) {
		step_fail(step, &run->failure);
		return;
	}
	r = flow_run_result(run, &state->result);
	if (r < 0)
		memcpy(step_env(step)->message, run->env.message, sizeof(run->env.message));
	step_done_errno(step, r);
}

static void call_start(struct step_run *run)
{
	const struct call_config *config = run->config;
	struct call_state *state = run->state;
	int r = 0;

	if (run->run->depth + 1 > FLOW_CALLS_MAX) {
		step_done(run, ERROR_FLOW_DEPTH, STR("flows call each other too deep"));
		return;
	}
	if (config->with)
		r = template_tree_eval(config->with, step_env(run), &state->with);
	if (r < 0) {
		step_done_errno(run, r);
		return;
	}
	state->step = run;
	flow_run_init_again(&state->run, config->flow, run->run->context, call_on_end, &run->inner);
	state->run.with = &state->with;
	state->run.depth = run->run->depth + 1;
	state->run.span = run->span;
	flow_run_start(&state->run);
}

static void call_cancel(struct step_run *run)
{
	struct call_state *state = run->state;

	flow_run_cancel(&state->run);
}

static int call_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct call_state *state = run->state;

	(void)name;
	*ret = state->result;
	return 0;
}

const struct verb verb_call = {
	.name = "call",
	.help = "Runs a flow of `flows:`; its result is what the flow's `result:` says.",
	.keys = call_keys,
	.config_size = sizeof(struct call_config),
	.state_size = sizeof(struct call_state),
	.fields = call_fields,
	.main_field = "result",
	.compile = call_compile,
	.start = call_start,
	.cancel = call_cancel,
	.field = call_field,
};
