/* server/verbs/value.c: `value: ${…}`: a value made of others. */
#include "server/flow/step.h"
#include "server/verbs/all.h"

struct value_config {
	struct template_tree *tree;
};

struct value_state {
	struct value value;
};

static const char *const value_fields[] = { "result", NULL };

static bool value_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct value_config *own = config;

	own->tree = verb_public_tree(compiler, value, "value");
	return own->tree != NULL;
}

static void value_start(struct step_run *run)
{
	const struct value_config *config = run->config;
	struct value_state *state = run->state;

	step_done_errno(run, template_tree_eval(config->tree, step_env(run), &state->value));
}

static int value_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct value_state *state = run->state;

	(void)name;
	*ret = state->value;
	return 0;
}

const struct verb verb_value = {
	.name = "value",
	.help = "A value made of the results of others: ${…}, a list or a map.",
	.config_size = sizeof(struct value_config),
	.state_size = sizeof(struct value_state),
	.is_idempotent = true,
	.fields = value_fields,
	.main_field = "result",
	.compile = value_compile,
	.start = value_start,
	.field = value_field,
};
