/* server/verbs/jq.c: `jq: PROGRAM`: reshapes a value, in a worker process (server/jq/). */
#include "server/verbs/jq.h"
#include "core/base/clock.h"
#include "server/expr/json.h"
#include "server/jq/jq_call.h"
#include <errno.h>
#include <stdio.h>

struct jq_state {
	struct jq_call *call; /* NULL: not started, or over */
	struct value result, results;
};

/* ------------------------------------------------------------ the result */

/* The first value is what stands between "[" and the next comma; that the worker has counted well
 * is proved, not believed. */
static int jq_take_result(struct step_run *step, const struct jq_call *call)
{
	struct jq_state *state = step->state;
	struct json_error error;
	int r;

	state->result = value_null();
	if (!json_check(call->text, &error) ||
	    (call->first.len && !json_check(call->first, &error)))
		return -EPROTO;
	r = value_json(&state->results, step_arena(step), call->text);
	if (r == 0 && call->first.len)
		r = value_json(&state->result, step_arena(step), call->first);
	return r;
}

static void jq_succeed(struct step_run *step, const struct jq_call *call)
{
	int r = jq_take_result(step, call);

	if (r == -EPROTO)
		step_done(step, ERROR_JQ_FAILED,
			  STR("its result is not JSON, or is nested too deeply"));
	else
		step_done_errno(step, r);
}

static void jq_on_end(struct jq_call *call)
{
	struct step_run *step = call->owner;
	struct jq_state *state = step->state;

	state->call = NULL;
	switch (call->end) {
	case JQ_END_OK:
		jq_succeed(step, call);
		return;
	case JQ_END_FAILED:
		step_done(step, ERROR_JQ_FAILED, call->text);
		return;
	case JQ_END_TOO_LARGE:
		step_done(step, ERROR_TOO_LARGE, STR("jq gives more than max_output"));
		return;
	case JQ_END_DIED:
		step_done(step, ERROR_JQ_FAILED,
			  STR("jq has ended: this input crashes it, or needs too much memory"));
		return;
	case JQ_END_MEMORY:
		step_done_errno(step, -ENOMEM);
		return;
	case JQ_END_UNAVAILABLE:
		step_done(step, ERROR_UNAVAILABLE,
			  arena_printf(step_arena(step), "jq cannot be started: %s",
				       strerrorname_np(-call->error)));
		return;
	case JQ_END_FULL:
		step_done(step, ERROR_QUEUE_FULL, STR("too many wait for jq already"));
		return;
	case JQ_END_CANCELLED:
		step_done(step, ERROR_CANCELLED, STR("cancelled while it waited"));
		return;
	}
	unreachable();
}

/* ------------------------------------------------------------ the input */

static int jq_eval(struct step_run *step, struct template_tree *tree, struct value *ret)
{
	*ret = value_null();
	return tree ? template_tree_eval(tree, step_env(step), ret) : 0;
}

static int jq_join_input(struct step_run *step, struct value from, struct value with,
			 struct str *ret_input)
{
	struct buf json;

	buf_init_arena(&json, step_arena(step));
	if (from.kind == VALUE_JSON) /* where it goes without growing */
		buf_reserve(&json, from.json->text.len + 256);
	buf_add_char(&json, '[');
	value_write_json(from, &json);
	buf_add_char(&json, ',');
	value_write_json(with, &json);
	buf_add_char(&json, ']');
	*ret_input = buf_str(&json);
	return json.error;
}

/* 0, or as evaluations give it; -EFBIG: it is too large for jq. */
static int jq_make_input(struct step_run *step, struct str *ret_input)
{
	const struct jq_config *config = step->config;
	struct value from, with;
	struct buf json;
	int r = jq_eval(step, config->from, &from);

	if (r < 0)
		return r;
	if (config->with) {
		r = jq_eval(step, config->with, &with);
		if (r == 0)
			r = jq_join_input(step, from, with, ret_input);
	} else if (from.kind == VALUE_JSON) {
		*ret_input = from.json->text;
	} else {
		buf_init_arena(&json, step_arena(step));
		value_write_json(from, &json);
		*ret_input = buf_str(&json);
		r = json.error;
	}
	return r == 0 && ret_input->len > JQ_INPUT_MAX ? -EFBIG : r;
}

/* ------------------------------------------------------------ the run */

/* What is left until the deadline: a net below it, should this process not be there to kill. */
static uint32_t jq_cpu_seconds(const struct step_run *step)
{
	uint64_t deadline_ns = MIN(step->timeout_ns, step->run->scope.deadline_ns);
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t left_s = deadline_ns > now_ns ? (deadline_ns - now_ns) / NS_PER_S + 1 : 1;

	return (uint32_t)MIN(left_s, (uint64_t)86400);
}

static void jq_start_call(struct step_run *step, struct str input)
{
	const struct jq_config *config = step->config;
	struct jq_state *state = step->state;
	const struct jq_spec spec = { .program = config->program,
				      .input = input,
				      .output_max = (uint32_t)config->max_output,
				      .cpu_s = jq_cpu_seconds(step) };

	state->call = jq_call_start(step->run->context, &step->run->scope, &spec, jq_on_end, step);
	if (!state->call)
		step_done_errno(step, -ENOMEM);
}

static void jq_verb_start(struct step_run *step)
{
	const struct context *context = step->run->context;
	struct str input = STR_NONE;
	int r;

	if (!context->homes || !context->processes || !context->jq) {
		step_done(step, ERROR_UNAVAILABLE, STR("no jq program can be run here"));
		return;
	}
	r = jq_make_input(step, &input);
	if (r == -EFBIG)
		step_done(step, ERROR_TOO_LARGE, STR("the input is too large for jq"));
	else if (r < 0)
		step_done_errno(step, r);
	else
		jq_start_call(step, input);
}

static void jq_verb_cancel(struct step_run *step)
{
	struct jq_state *state = step->state;
	struct jq_call *call = take(&state->call);

	jq_call_leave(call);
	step_done(step, ERROR_CANCELLED, STR("cancelled while jq ran"));
}

static int jq_verb_field(struct step_run *step, struct str name, struct value *ret)
{
	const struct jq_state *state = step->state;

	*ret = str_eq(name, STR("results")) ? state->results : state->result;
	return 0;
}

static const char *const jq_fields[] = { "result", "results", NULL };

const struct verb verb_jq = {
	.name = "jq",
	.help = "Reshapes a value by a jq program: .result is the first value that it gives, "
		".results "
		"are all.",
	.keys = jq_keys,
	.config_size = sizeof(struct jq_config),
	.state_size = sizeof(struct jq_state),
	.is_idempotent = true,
	.fields = jq_fields,
	.main_field = "result",
	.compile = jq_verb_compile,
	.start = jq_verb_start,
	.cancel = jq_verb_cancel,
	.field = jq_verb_field,
};
