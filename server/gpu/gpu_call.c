/* server/gpu/gpu_call.c
 *
 *   WAITS for its permit --> PREPARES (pool) --> on the DEVICE --> FINISHES (pool) --> back on its loop
 *        \------------------------------------------------------------------------->/  (failed, or left)
 *
 * Only the loop looks at on_end; the others at `abandoned`, to save work. */
#include "server/gpu/gpu_call.h"
#include "core/io/process.h"
#include <stdlib.h>

enum { CALL_MEMORY = 4 }; /* times what the request may use */

/* ------------------------------------------------------------ the end */

void gpu_call_destroy(struct gpu_call *call)
{
	gpu_program_unref(call->program);
	arena_fini(&call->arena);
	free(call);
}

static void call_end(struct gpu_call *call)
{
	struct processes *processes = call->processes;
	gpu_call_fn *on_end = take(&call->on_end);

	permit_release(&call->permit);
	if (on_end)
		on_end(call);
	gpu_call_destroy(call);
	processes_release(processes);
}

static void call_fail(struct gpu_call *call, enum error_code code, struct str message)
{
	call->code = code;
	call->message = message;
}

static void call_on_back(struct post *post)
{
	struct gpu_call *call = container_of(post, struct gpu_call, post);
	struct gpu_device *device = call->program->device;

	atomic_fetch_sub(&device->n_running, 1);
	atomic_fetch_add(&device->n_done, 1);
	if (atomic_load(&call->abandoned))
		atomic_fetch_sub(&device->n_stuck, 1);
	if (call->code)
		atomic_fetch_add(&device->n_failed, 1);
	call_end(call);
}

/* ------------------------------------------------------------ on the pool */

static void call_finish(struct work *work)
{
	struct gpu_call *call = container_of(work, struct gpu_call, work);

	gpu_run_finish(call);
	loop_post(call->processes->loop, &call->post);
}

/* On a thread of the driver, which must not be kept. The queue of the pool has no bound, as the
 * permits are one. */
static void call_on_device_done(struct gpu_call *call)
{
	call->work.run = call_finish;
	pool_submit(call->pool, &call->work);
}

static void call_prepare(struct work *work)
{
	struct gpu_call *call = container_of(work, struct gpu_call, work);

	if (!atomic_load(&call->abandoned) && gpu_run_send(call, call_on_device_done))
		return; /* it is the driver's */
	call_finish(work);
}

/* ------------------------------------------------------------ on the loop */

static bool call_may_run(struct gpu_call *call)
{
	struct gpu_device *device = call->program->device;

	if ((int64_t)atomic_load(&device->n_stuck) * 2 >= call->limits.running) {
		call_fail(call, ERROR_UNAVAILABLE,
			  STR("the device is busy with work that nobody waits for any more"));
		return false;
	}
	if (pool_queue_submit(call->queue, &call->work) < 0) {
		call_fail(call, ERROR_QUEUE_FULL, STR("too many wait for a thread already"));
		return false;
	}
	return true;
}

static void call_on_permit(struct task *task)
{
	struct gpu_call *call = container_of(task, struct gpu_call, permit.task);
	struct gpu_device *device = call->program->device;
	enum reason reason = wait_reason(&call->permit);

	call->waits = false;
	if (reason == REASON_FULL || reason == REASON_EXPIRED)
		call_fail(call, ERROR_QUEUE_FULL, STR("too many wait for the device already"));
	else if (reason != REASON_NONE || !call->on_end)
		call_fail(call, ERROR_CANCELLED, STR("cancelled while it waited"));
	else {
		atomic_fetch_add(&device->n_running, 1);
		if (call_may_run(call))
			return;
		atomic_fetch_sub(&device->n_running, 1);
	}
	call_end(call);
}

struct gpu_call *gpu_call_create(const struct context *context, struct gpu_program *program,
				 const struct gpu_kernel *kernel, const struct gpu_limits *limits)
{
	struct gpu_call *call = calloc(1, sizeof(*call));
	size_t max = context->arena->max;

	if (!call)
		return NULL;
	arena_init(&call->arena, max > SIZE_MAX / CALL_MEMORY ? SIZE_MAX : max * CALL_MEMORY);
	call->arena.budget = context->arena->budget;
	gpu_program_ref(program);
	call->program = program;
	call->kernel = kernel;
	call->limits = *limits;
	call->limits.device = STR_NONE; /* the generation's */
	call->n_args = kernel->n_params;
	call->args = arena_zalloc(&call->arena, (kernel->n_params + 1) * sizeof(*call->args));
	if (!call->args) {
		gpu_call_destroy(call);
		return NULL;
	}
	for (size_t i = 0; i < kernel->n_params; i++)
		call->args[i].param = &kernel->params[i];
	return call;
}

void gpu_call_start(struct gpu_call *call, const struct context *context, struct scope *scope,
		    struct pool_queue *queue, gpu_call_fn *on_end, void *owner)
{
	const struct gpu_limits *limits = &call->limits;
	const struct acquire acquire = { .n_permits = (uint32_t)limits->running,
					 .n_wait_max = (uint32_t)limits->waiting,
					 .wait_ms = limits->waiting ? WAIT_FOREVER : 0 };

	call->owner = owner;
	call->on_end = on_end;
	call->queue = queue;
	call->pool = pool_queue_pool(queue);
	call->processes = context->processes;
	call->waits = true;
	call->work.run = call_prepare;
	call->post.run = call_on_back;
	processes_hold(call->processes);
	acquire_init(&call->permit, context->homes, str_of(call->program->device->permits),
		     &acquire, call_on_permit);
	task_start(&call->permit.task, scope);
}

void gpu_call_leave(struct gpu_call *call)
{
	call->on_end = NULL;
	if (call->waits) {
		task_cancel(&call->permit.task);
		return;
	}
	atomic_fetch_add(&call->program->device->n_stuck, 1);
	atomic_store(&call->abandoned, true);
}
