/* server/verbs/await.c: `await: NAME`: waits until it was signalled, once or several times. */
#include "core/base/blob.h"
#include "core/task/condition.h"
#include "server/verbs/message.h"
#include <errno.h>

enum {
	AWAIT_COUNT_MAX = 10000,
	AWAIT_WAITING_MAX = 100000, /* who may wait for one name at once */
};

struct await_config {
	struct template *name;
	int64_t count;
	uint64_t wait_ms;
};

struct await_state {
	struct wait_task wait;
	struct step_run *step;
	struct value *values;
	size_t n_values;
};

#define AT(field) offsetof(struct await_config, field)
static const struct setting await_keys[] = {
	{ "count", SETTING_INT, AT(count), "1", "How many signals it waits for.", 1,
	  AWAIT_COUNT_MAX },
	{ "wait", SETTING_DURATION, AT(wait_ms), "20s",
	  "How long it waits; then it fails with timeout.", .min = 0, .max = MESSAGE_WAIT_MAX_MS },
	SETTINGS_END
};
#undef AT

static const char *const await_fields[] = { "value", "values", NULL };

static bool await_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct await_config *own = config;

	own->name = verb_public_name(compiler, value, "await");
	return own->name != NULL;
}

static int await_take(struct await_state *state)
{
	struct parcel *parcel;
	int r = 0;

	state->values = arena_alloc_array(step_arena(state->step), state->wait.ask.n_parcels + 1u,
					  sizeof(*state->values));
	if (!state->values)
		return -ENOMEM;
	list_each(parcel, await_values(&state->wait), struct parcel, link)
		if (r == 0)
			r = message_read(state->step, parcel->blob,
					 &state->values[state->n_values++]);
	return r;
}

static void await_on_end(struct task *task)
{
	struct await_state *state = container_of(task, struct await_state, wait.task);
	enum reason reason = wait_reason(&state->wait);
	int r = 0;

	if (reason == REASON_NONE)
		r = await_take(state);
	await_fini(&state->wait);
	if (r < 0)
		step_done_errno(state->step, r);
	else
		step_fail_reason(state->step, reason, ERROR_QUEUE_FULL);
}

static void await_start(struct step_run *run)
{
	const struct await_config *config = run->config;
	struct await_state *state = run->state;
	const struct await await = { .count = (uint32_t)config->count,
				     .n_wait_max = AWAIT_WAITING_MAX,
				     .wait_ms = config->wait_ms };
	struct str name;
	int r;

	if (!message_has_homes(run))
		return;
	r = step_eval_name(run, config->name, &name);
	if (r < 0) {
		step_done_errno(run, r);
		return;
	}
	state->step = run;
	await_init(&state->wait, run->run->context->homes, name, &await, await_on_end);
	task_start(&state->wait.task, &run->run->scope);
}

static void await_cancel(struct step_run *run)
{
	struct await_state *state = run->state;

	task_cancel(&state->wait.task);
}

static int await_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct await_state *state = run->state;

	if (str_eq(name, STR("values")))
		*ret = value_list(state->values, state->n_values);
	else
		*ret = state->n_values ? state->values[0] : value_null();
	return 0;
}

const struct verb verb_await = {
	.name = "await",
	.help = "Waits for `signal:`s of the name: .values are their messages, .value is the "
		"first.",
	.keys = await_keys,
	.config_size = sizeof(struct await_config),
	.state_size = sizeof(struct await_state),
	.fields = await_fields,
	.main_field = "value",
	.compile = await_compile,
	.start = await_start,
	.cancel = await_cancel,
	.field = await_field,
};
