/* server/native/run.c: a module's code as the work of a task.
 *
 * On the compute pool the call is the block that goes there (core/task/compute.h): it has copies of
 * all that it reads, and a reference to the library, so that neither the request nor its
 * configuration has to wait for it. On the loop it is handler.c's. */
#include "server/flow/queues.h"
#include "server/native/handler.h"
#include "server/native/verb.h"
#include <errno.h>

const char *const native_fields[] = { "result", NULL };

enum { CALL_MEMORY = 4 }; /* times what the request may use: values are larger than their text */

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

void native_finish(struct step_run *run, struct leat_call *call)
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

static void native_on_end(struct task *task)
{
	struct native_state *state = container_of(task, struct native_state, compute.task);
	struct offload *offload = take(&state->compute.offload);

	compute_fini(&state->compute);
	if (task->outcome == OUTCOME_OK)
		native_finish(state->step, call_of_offload(offload));
	else
		step_fail_reason(state->step, state->compute.reason, ERROR_QUEUE_FULL);
	offload_drop(offload);
}

/* NULL: the step has ended. */
static struct leat_call *native_make(struct step_run *run)
{
	const struct native_config *config = run->config;
	const struct arena *arena = step_arena(run);
	size_t max = arena->max > SIZE_MAX / CALL_MEMORY ? SIZE_MAX : arena->max * CALL_MEMORY;
	struct leat_call *call = call_create(&config->target, max, arena->budget);
	int r = native_fill(call, config, run);

	if (r == 0)
		return call;
	call_destroy(call);
	step_done_errno(run, r);
	return NULL;
}

static void native_start_on_pool(struct step_run *run)
{
	const struct native_config *config = run->config;
	struct native_state *state = run->state;
	struct leat_call *call;

	if (!config->queue->open) {
		step_done(run, ERROR_UNAVAILABLE, STR("nothing computes here"));
		return;
	}
	call = native_make(run);
	if (!call)
		return;
	compute_init(&state->compute, config->queue->open, call_offload(call),
		     &(struct compute){ 0 }, native_on_end);
	task_start(&state->compute.task, &run->run->scope);
}

static void native_start_on_loop(struct step_run *run)
{
	struct leat_call *call = native_make(run);

	if (call)
		handler_start(run, call);
}

void native_start(struct step_run *run)
{
	const struct native_config *config = run->config;
	struct native_state *state = run->state;

	state->step = run;
	if (config->target.on_loop)
		native_start_on_loop(run);
	else
		native_start_on_pool(run);
}

void native_cancel(struct step_run *run)
{
	const struct native_config *config = run->config;
	struct native_state *state = run->state;

	if (!config->target.on_loop)
		task_cancel(&state->compute.task);
	else if (state->call)
		handler_cancel(state->call);
}

int native_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct native_state *state = run->state;

	(void)name;
	*ret = state->result;
	return 0;
}
