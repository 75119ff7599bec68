/* server/verbs/wait.c: `wait: 100ms`: time, constant or computed. */
#include "server/flow/step.h"
#include "server/verbs/all.h"
#include <errno.h>
#include <stdio.h>

enum { WAIT_MAX_MS = 86400000 };

struct wait_config {
	uint64_t delay_ms;
	struct template *template; /* NULL: constant */
};

struct wait_state {
	struct timer timer;
	struct step_run *run;
};

static const struct setting wait_setting = { .key = "wait",
					     .type = SETTING_DURATION,
					     .offset = offsetof(struct wait_config, delay_ms),
					     .max = WAIT_MAX_MS };

static bool wait_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct wait_config *own = config;

	if (!node_is_scalar(value) || str_find(value->text, STR("${")) < 0)
		return setting_read_value(&wait_setting, value, config, compiler->flow->arena,
					  compiler->flow->diag);
	own->template = template_compile(compiler->expr, value, TEMPLATE_PLAIN);
	return own->template != NULL;
}

static int wait_refuse(struct expr_env *env, struct value value)
{
	snprintf(env->message, sizeof(env->message),
		 "wait takes milliseconds from 0 to %d or a text such as 100ms, and this is a %s "
		 "that is neither",
		 WAIT_MAX_MS, value_kind_name(value));
	return -EINVAL;
}

static int wait_delay(const struct wait_config *config, struct expr_env *env, uint64_t *ret_ms)
{
	struct value value;
	uint64_t ms;
	int r;

	if (!config->template) {
		*ret_ms = config->delay_ms;
		return 0;
	}
	r = template_eval_value(config->template, env, &value);
	if (r < 0)
		return r;
	if (value.kind == VALUE_INT)
		ms = value.integer < 0 ? UINT64_MAX : (uint64_t)value.integer;
	else if (value.kind == VALUE_NUMBER)
		r = str_to_u64(value_str(value), &ms);
	else if (value.kind == VALUE_TEXT)
		r = units_duration_ms(value_str(value), &ms);
	else
		return wait_refuse(env, value);
	if (r < 0 || ms > WAIT_MAX_MS)
		return wait_refuse(env, value);
	*ret_ms = ms;
	return 0;
}

static void wait_on_timer(struct timer *timer)
{
	struct wait_state *state = container_of(timer, struct wait_state, timer);

	step_done(state->run, ERROR_NONE, STR_NONE);
}

static void wait_start(struct step_run *run)
{
	struct wait_state *state = run->state;
	uint64_t delay_ms;
	int r = wait_delay(run->config, step_env(run), &delay_ms);

	if (r < 0) {
		step_done_errno(run, r);
		return;
	}
	state->run = run;
	timer_init(&state->timer, run->run->scope.loop, wait_on_timer);
	timer_start(&state->timer, delay_ms);
}

static void wait_cancel(struct step_run *run)
{
	struct wait_state *state = run->state;

	timer_stop(&state->timer);
	step_done(run, ERROR_CANCELLED, STR("cancelled while it waited"));
}

const struct verb verb_wait = {
	.name = "wait",
	.help = "Waits for a time: 100ms, or ${…} that gives a duration or milliseconds.",
	.config_size = sizeof(struct wait_config),
	.state_size = sizeof(struct wait_state),
	.is_idempotent = true,
	.compile = wait_compile,
	.start = wait_start,
	.cancel = wait_cancel,
	.field = step_field_none,
};
