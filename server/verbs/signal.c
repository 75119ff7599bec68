/* server/verbs/signal.c: `signal: NAME`: a message to those who `await:` that name. */
#include "core/base/blob.h"
#include "core/task/condition.h"
#include "server/verbs/message.h"

struct signal_config {
	struct template *name;
	const struct node *message_node;
	struct template_tree *message;
	struct str wake;
	uint64_t wake_n, keep_ms;
};

struct signal_state {
	struct wait_task wait;
	struct step_run *step;
	struct value n_woken;
};

#define AT(field) offsetof(struct signal_config, field)
static const struct setting signal_keys[] = {
	{ "message", SETTING_VALUE, AT(message_node), .help = "What those who wait are given." },
	{ "wake", SETTING_TEXT, AT(wake), "all", "Who gets it: all, or how many of them." },
	{ "keep", SETTING_DURATION, AT(keep_ms), "0s",
	  "How long it is kept when nobody waits for it; without it, it is lost.", .min = 0,
	  .max = MESSAGE_WAIT_MAX_MS },
	SETTINGS_END
};
#undef AT

static const char *const signal_fields[] = { "result", NULL };

static bool signal_read_wake(struct verb_compiler *compiler, struct signal_config *config)
{
	const struct node *node = node_find(compiler->step->node, "wake");

	config->wake_n = WAKE_ALL;
	if (str_eq(config->wake, STR("all")) || (str_to_u64(config->wake, &config->wake_n) == 0 &&
						 config->wake_n >= 1 && config->wake_n <= 1000000))
		return true;
	diag_error(compiler->flow->diag, node ? node->place : compiler->step->place,
		   "`wake` is all, or a number from 1 to 1000000");
	return false;
}

static bool signal_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct signal_config *own = config;
	bool ok = signal_read_wake(compiler, own);

	own->name = verb_public_name(compiler, value, "signal");
	ok &= message_compile(compiler, own->message_node, &own->message);
	return ok && own->name;
}

static void signal_on_end(struct task *task)
{
	struct signal_state *state = container_of(task, struct signal_state, wait.task);

	if (task->outcome == OUTCOME_OK)
		state->n_woken = value_int((int64_t)signal_n_woken(&state->wait));
	step_fail_reason(state->step, wait_reason(&state->wait), ERROR_QUEUE_FULL);
}

static void signal_start(struct step_run *run)
{
	const struct signal_config *config = run->config;
	struct signal_state *state = run->state;
	struct signal signal = { .wake_n = config->wake_n, .keep_ms = config->keep_ms };
	struct str name;
	int r;

	if (!message_has_homes(run))
		return;
	r = step_eval_name(run, config->name, &name);
	if (r == 0)
		r = message_make(run, config->message, &signal.value);
	if (r < 0) {
		step_done_errno(run, r);
		return;
	}
	state->step = run;
	signal_init(&state->wait, run->run->context->homes, name, &signal, signal_on_end);
	blob_unref(signal.value);
	task_start(&state->wait.task, &run->run->scope);
}

static void signal_cancel(struct step_run *run)
{
	struct signal_state *state = run->state;

	task_cancel(&state->wait.task);
}

static int signal_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct signal_state *state = run->state;

	(void)name;
	*ret = state->n_woken;
	return 0;
}

const struct verb verb_signal = {
	.name = "signal",
	.help = "Wakes those who `await:` the name, and gives them a message; the result is how "
		"many "
		"it reached.",
	.keys = signal_keys,
	.config_size = sizeof(struct signal_config),
	.state_size = sizeof(struct signal_state),
	.fields = signal_fields,
	.main_field = "result",
	.compile = signal_compile,
	.start = signal_start,
	.cancel = signal_cancel,
	.field = signal_field,
};
