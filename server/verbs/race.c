/* server/verbs/race.c: `race:`: tasks that start together; the first that succeeds wins. */
#include "server/flow/step.h"
#include "server/verbs/all.h"

enum { LOSERS_CANCEL, LOSERS_FINISH };

struct race_config {
	struct flow *flow;
	const struct node *accept_node;
	struct expr *accept;
	int losers;
};

struct race_state {
	struct step_run *step;
	struct flow_race race;
	struct value result, winner;
	struct flow_run run;
};

static const char *const losers_choices[] = { "cancel", "finish", NULL };

static const struct setting race_keys[] = {
	{ "accept", SETTING_CONDITION, offsetof(struct race_config, accept_node),
	  .help = "Asked when a racer has succeeded, which has its name, while the others are "
		  "null; "
		  "false: it does not win." },
	{ "losers", SETTING_CHOICE, offsetof(struct race_config, losers), "cancel",
	  "What becomes of the others when one has won: cancel, or finish by themselves.",
	  .choices = losers_choices },
	SETTINGS_END
};

static const char *const race_fields[] = { "result", "winner", NULL };

static bool race_check_racer(struct flow_compiler *compiler, const struct step *racer)
{
	static const char *const refused[] = { "default", "optional", "detach" };
	bool loops = node_find(racer->node, "each") || node_find(racer->node, "repeat");
	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const struct node_entry *entry = node_entry_find(racer->node, refused[i]);

		if (!entry || (loops && i < 2))
			continue;
		diag_error(compiler->diag, entry->key_place,
			   "a racer has no `%s`: one that fails has lost; write it beside `race`",
			   refused[i]);
		ok = false;
	}
	if (racer->n_before == 0)
		return ok;
	diag_error(compiler->diag, racer->place,
		   "racers start together, and \"%s\" waits for another; put both into one racer, "
		   "with `tasks:`",
		   racer->name.ptr);
	return false;
}

static bool race_compile_accept(struct verb_compiler *compiler, struct race_config *config)
{
	struct expr_uses uses = { 0 };
	struct expr_compiler expr = *compiler->expr;

	expr.names = scope_inner_names(config->flow->scope);
	expr.uses = &uses;
	config->accept = template_compile_condition(&expr, config->accept_node);
	flow_pass_uses(compiler->flow, config->flow, compiler->step, &uses);
	step_note(compiler->step, compiler->flow->arena,
		  arena_printf(compiler->flow->arena, "accept %.*s",
			       STR_ARG(str_first(config->accept_node->text, 100))));
	return config->accept != NULL;
}

static bool race_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct race_config *own = config;
	struct flow_scope *scope = compiler->names;
	struct flow *flow;
	bool ok;

	if (value->kind != NODE_MAP || value->n_entries == 0) {
		diag_error(compiler->flow->diag, value->place,
			   "the race \"%s\" has no racers; write tasks, each with its name, below "
			   "`race:`",
			   compiler->task_name.ptr);
		return false;
	}
	flow = own->flow = flow_declare(compiler->flow, compiler->task_name);
	flow->roots = scope_inner_names(scope)->roots;
	flow->finishes = own->losers == LOSERS_FINISH;
	compiler->step->group = flow;
	ok = flow_compile_inner(compiler->flow, flow, value, NULL, scope, compiler->step);
	for (size_t i = 0; ok && i < flow->n_steps; i++)
		ok &= race_check_racer(compiler->flow, &flow->steps[i]);
	compiler->step->idempotent = flow->idempotent;
	if (flow->finishes)
		step_note(compiler->step, compiler->flow->arena,
			  arena_printf(compiler->flow->arena, "losers finish"));
	return ok && (!own->accept_node || race_compile_accept(compiler, own));
}

static void race_on_end(struct flow_run *run)
{
	struct race_state *state = container_of(run, struct race_state, run);
	struct step_run *step = state->step, *winner = state->race.winner;
	const struct failure none = { .code = ERROR_UNAVAILABLE,
				      .detail = STR("every racer was skipped") };

	step->sent = true;
	if (run->failure.code != ERROR_NONE) {
		step_fail(step, &run->failure);
	} else if (winner) {
		state->winner = value_text(winner->step->name);
		step_done_errno(step, step_field(winner, STR_NONE, &state->result));
	} else {
		step_fail(step, state->race.failure.code ? &state->race.failure : &none);
	}
}

static void race_start(struct step_run *run)
{
	const struct race_config *config = run->config;
	struct race_state *state = run->state;

	state->step = run;
	state->race.accept = config->accept;
	flow_run_init_again(&state->run, config->flow, run->run->context, race_on_end, &run->inner);
	state->run.parent = run->run;
	state->run.with = run->run->with;
	state->run.depth = run->run->depth;
	state->run.span = run->span;
	state->run.race = &state->race;
	flow_run_start(&state->run);
}

static void race_cancel(struct step_run *run)
{
	struct race_state *state = run->state;

	flow_run_cancel(&state->run);
}

static int race_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct race_state *state = run->state;

	*ret = str_eq(name, STR("winner")) ? state->winner : state->result;
	return 0;
}

const struct verb verb_race = {
	.name = "race",
	.help = "Tasks that start together; the first that succeeds gives the result, and its name "
		"is .winner.",
	.keys = race_keys,
	.config_size = sizeof(struct race_config),
	.state_size = sizeof(struct race_state),
	.fields = race_fields,
	.main_field = "result",
	.compile = race_compile,
	.start = race_start,
	.cancel = race_cancel,
	.field = race_field,
};
