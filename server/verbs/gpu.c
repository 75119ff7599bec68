/* server/verbs/gpu.c: `gpu: FILE.cl`: a kernel of OpenCL as a task (server/gpu/). */
#include "server/verbs/gpu.h"
#include "server/gpu/gpu_call.h"
#include <errno.h>

static void gpu_succeed(struct step_run *step, const struct gpu_call *call)
{
	const struct gpu_config *config = step->config;
	struct gpu_state *state = step->state;
	struct str out = arena_str(step_arena(step), call->out);
	int r = 0;

	if (!out.ptr && call->out.len)
		r = -ENOMEM;
	else if (config->output == GPU_OUTPUT_BYTES)
		state->result = value_text(out);
	else
		r = value_json(&state->result, step_arena(step), out);
	step_done_errno(step, r);
}

static void gpu_on_end(struct gpu_call *call)
{
	struct step_run *step = call->owner;
	struct gpu_state *state = step->state;

	state->call = NULL;
	if (call->code)
		step_done(step, call->code, arena_str(step_arena(step), call->message));
	else
		gpu_succeed(step, call);
}

static void gpu_verb_start(struct step_run *step)
{
	const struct gpu_config *config = step->config;
	struct context *context = step->run->context;
	struct gpu_state *state = step->state;
	struct gpu_call *call;
	int r;

	if (!context->homes || !context->processes || !config->queue->open) {
		step_done(step, ERROR_UNAVAILABLE, STR("nothing computes here"));
		return;
	}
	call = gpu_call_create(context, config->program, config->kernel, config->limits);
	r = call ? gpu_make_args(step, call) : -ENOMEM;
	if (r < 0) {
		if (call)
			gpu_call_destroy(call);
		step_done_errno(step, r);
		return;
	}
	state->call = call;
	gpu_call_start(call, context, &step->run->scope, config->queue->open, gpu_on_end, step);
}

/* While it waits for its permit it ends by itself, and gpu_on_end() is not called any more. */
static void gpu_verb_cancel(struct step_run *step)
{
	struct gpu_state *state = step->state;

	gpu_call_leave(take(&state->call));
	step_done(step, ERROR_CANCELLED, STR("cancelled while it ran"));
}

static int gpu_field(struct step_run *step, struct str name, struct value *ret)
{
	const struct gpu_state *state = step->state;

	(void)name;
	*ret = state->result;
	return 0;
}

static const char *const gpu_fields[] = { "result", NULL };

const struct verb verb_gpu = {
	.name = "gpu",
	.help = "Runs a kernel of an OpenCL file: .result is the array that it writes, or those, "
		"by "
		"name.",
	.keys = gpu_keys,
	.config_size = sizeof(struct gpu_config),
	.state_size = sizeof(struct gpu_state),
	.is_idempotent = true,
	.fields = gpu_fields,
	.main_field = "result",
	.compile = gpu_compile,
	.start = gpu_verb_start,
	.cancel = gpu_verb_cancel,
	.field = gpu_field,
};
