/* server/native/task_compute.c: computations that a verb on the loop starts: each is a call of its
 * own on the pool.
 *
 * The core's task for that is OK when the work was done; whether the work has failed is known
 * afterwards. So it is alone in a module of the core, whose outcome is the one that counts. */
#include "server/native/api_parts.h"
#include "server/native/tasks.h"
#include <errno.h>

static void compute_fail(struct leat_task *task, const struct failure *failure)
{
	task->failure = *failure;
	composite_end(&task->compute.module.base, OUTCOME_FAILED);
}

/* What came of it. The call stays until that of the task has ended: its data is there. */
static void compute_take(struct leat_task *task, struct leat_call *work)
{
	const struct failure no_memory = { .code = ERROR_MEMORY_LIMIT };
	struct value result;

	if (work->failure.code != ERROR_NONE) {
		compute_fail(task, &work->failure);
		return;
	}
	if (call_take_result(work, &task->call->arena, &result) < 0 ||
	    value_open(&result, &task->call->arena) < 0) {
		compute_fail(task, &no_memory);
		return;
	}
	task->value = result;
	task->has_value = work->result.begun || work->bytes.ptr;
	task->data = work->data;
}

static void compute_on_work_end(struct task *work)
{
	struct native_compute *own = container_of(work, struct native_compute, compute.task);
	struct leat_task *task = container_of(own, struct leat_task, compute);
	struct failure failure = { .code = ERROR_NONE };

	if (work->outcome == OUTCOME_OK) {
		own->offload = take(&own->compute.offload);
		compute_take(task, call_of_offload(own->offload));
	} else if (own->compute.reason == REASON_FULL) {
		failure.code = ERROR_QUEUE_FULL;
		failure.detail = STR("too many works wait in the queue already");
		compute_fail(task, &failure);
	} else if (own->compute.reason == REASON_UNAVAILABLE) {
		failure.code = ERROR_UNAVAILABLE;
		failure.detail = STR("half of the threads run what nobody waits for any more");
		compute_fail(task, &failure);
	}
	compute_fini(&own->compute);
}

static void compute_begin(struct module *module)
{
	struct native_compute *own = container_of(module, struct native_compute, module);

	own->is_begun = true;
	task_start(&own->compute.task, module_scope(module));
}

static void compute_on_end(struct task *task)
{
	struct module *module = module_from(task);
	struct native_compute *own = container_of(module, struct native_compute, module);

	native_task_end(container_of(own, struct leat_task, compute));
}

void native_compute_fini(struct leat_task *task)
{
	struct native_compute *own = &task->compute;

	if (task->is_broken)
		return;
	if (!own->is_begun)
		compute_fini(&own->compute);
	offload_drop(take(&own->offload));
	task->data = NULL; /* which was the work's */
}

/* 0 or -ENOMEM. */
static int work_fill(struct leat_call *call, const struct leat_work *work)
{
	if (work->size) {
		call->data = arena_alloc(&call->arena, work->size);
		if (!call->data)
			return -ENOMEM;
		memcpy(call->data, work->data, work->size);
	}
	return value_copy(&call->input, native_value(work->input), &call->arena);
}

struct leat_task *native_compute(struct leat_call *call, const struct leat_work *work,
				 leat_task_fn *on_end)
{
	struct leat_task *task = native_task_make(call, "compute", NATIVE_COMPUTE, on_end);
	struct native_target target = call->target;
	struct leat_call *own;

	call_check(call, work && work->run && (work->data || !work->size), "compute",
		   "the work has a run(), and data when it has a size");
	if (task->kind == NATIVE_SPARE)
		return task;
	if (!call->queue) {
		native_task_break(task, ERROR_UNAVAILABLE, "nothing computes here");
		return task;
	}
	target.fn = work->run;
	target.on_loop = false;
	target.state_size = 0;
	target.release = work->release;
	own = call_create(&target, call->arena.max, call->arena.budget);
	if (work_fill(own, work) < 0) {
		call_destroy(own);
		native_task_break(task, ERROR_MEMORY_LIMIT, "limits.memory is reached");
		return task;
	}
	compute_init(&task->compute.compute, call->queue, call_offload(own), &(struct compute){ 0 },
		     compute_on_work_end);
	module_init(&task->compute.module, compute_begin, compute_on_end);
	task->task = &task->compute.module.base.task;
	return task;
}
