/* server/native/run.c: a module's code on the compute pool, as the work of a task.
 *
 * The call is the block that goes there (core/task/compute.h): it has copies of all that it reads,
 * and a reference to the library, so that neither the request nor its configuration has to wait for
 * it. */
#include "server/flow/queues.h"
#include "server/native/verb.h"
#include <errno.h>

const char *const native_fields[] = { "result", NULL };

/* ------------------------------------------------------------ input */

static int native_copy(struct leat_call *call, const struct native_key *key, struct step_run *run,
		       struct value *ret)
{
	struct value value;
	int r = native_key_eval(key, run, &value);

	return r < 0 ? r : value_copy(ret, value, &call->arena);
}

static int native_fill(struct leat_call *call, const struct native_config *config,
		       struct step_run *run)
{
	int r = native_copy(call, &config->input, run, &call->input);

	call->keys = arena_alloc_array(&call->arena, config->n_keys + 1, sizeof(*call->keys));
	if (r == 0 && !call->keys)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < config->n_keys; i++) {
		call->keys[i].name = config->keys[i].name;
		r = native_copy(call, &config->keys[i], run, &call->keys[i].value);
	}
	call->n_keys = config->n_keys;
	return r;
}

/* ------------------------------------------------------------ what came of it */

static void native_finish(struct step_run *run, struct leat_call *call)
{
	struct native_state *state = run->state;
	struct failure failure = call->failure;

	run->sent = true;
	if (failure.code == ERROR_NONE) {
		step_done_errno(run, call_take_result(call, step_arena(run), &state->result));
		return;
	}
	failure.custom_code = arena_str(step_arena(run), failure.custom_code);
	failure.detail = arena_str(step_arena(run), failure.detail);
	if (!failure.custom_code.ptr && failure.code == ERROR_CUSTOM)
		step_done_errno(run, -ENOMEM);
	else
		step_fail(run, &failure);
}

/* ------------------------------------------------------------ on the pool */

static void native_run(void *data)
{
	call_run(data);
}

static void native_release(void *data)
{
	call_fini(data);
}

static void native_on_end(struct task *task)
{
	struct native_state *state = container_of(task, struct native_state, compute.task);
	struct offload *offload = take(&state->compute.offload);

	compute_fini(&state->compute);
	if (task->outcome == OUTCOME_OK)
		native_finish(state->step, offload_data(offload));
	else
		step_fail_reason(state->step, state->compute.reason, ERROR_QUEUE_FULL);
	offload_drop(offload);
}

void native_start(struct step_run *run)
{
	const struct native_config *config = run->config;
	struct native_state *state = run->state;
	struct offload *offload;
	int r;

	if (!config->queue->open) {
		step_done(run, ERROR_UNAVAILABLE, STR("nothing computes here"));
		return;
	}
	offload = offload_create(sizeof(struct leat_call), native_run, native_release);
	call_init(offload_data(offload), &config->target, step_arena(run));
	r = native_fill(offload_data(offload), config, run);
	if (r < 0) {
		offload_drop(offload);
		step_done_errno(run, r);
		return;
	}
	state->step = run;
	compute_init(&state->compute, config->queue->open, offload, &(struct compute){ 0 },
		     native_on_end);
	task_start(&state->compute.task, &run->run->scope);
}

void native_cancel(struct step_run *run)
{
	struct native_state *state = run->state;

	task_cancel(&state->compute.task);
}

int native_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct native_state *state = run->state;

	(void)name;
	*ret = state->result;
	return 0;
}
