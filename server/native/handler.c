/* server/native/handler.c */
#include "server/native/handler.h"
#include "server/flow/queues.h"
#include "server/native/tasks.h"
#include <errno.h>

void handler_end(struct leat_call *call)
{
	if (call->module.base.task.state == TASK_STARTED)
		composite_end(&call->module.base, OUTCOME_FAILED);
}

void handler_cancel(struct leat_call *call)
{
	task_cancel(&call->module.base.task);
}

static void handler_begin(struct module *module)
{
	struct leat_call *call = container_of(module, struct leat_call, module);

	call->state = CALL_RUNS;
	if (call_prepare(call))
		call->target.fn(call);
	else
		handler_end(call);
}

void handler_fini(struct leat_call *call)
{
	struct list *link;

	while ((link = list_pop(&call->tasks)))
		native_task_fini(container_of(link, struct leat_task, link));
	call_destroy(call);
}

static void handler_on_end(struct task *task)
{
	struct module *module = container_of(task, struct module, base.task);
	struct leat_call *call = container_of(module, struct leat_call, module);
	struct step_run *run = call->run;
	struct native_state *state = run->state;

	state->call = NULL;
	run->sent = call->state == CALL_RUNS;
	if (task->outcome == OUTCOME_CANCELLED && call->failure.code == ERROR_NONE) {
		handler_fini(call);
		step_done(run, ERROR_CANCELLED, STR_NONE);
		return;
	}
	call_check_result(call);
	call->state = CALL_ENDED;
	native_finish(run, call);
	handler_fini(call);
}

bool handler_launch(struct leat_call *call, task_fn *on_end)
{
	list_init(&call->tasks);
	call->spare_task = arena_zalloc(&call->arena, sizeof(*call->spare_task));
	if (!call->spare_task) {
		call_fail(call, ERROR_MEMORY_LIMIT, "limits.memory is reached");
		return false;
	}
	call->spare_task->call = call;
	module_init(&call->module, handler_begin, on_end);
	return true;
}

void handler_start(struct step_run *run, struct leat_call *call)
{
	const struct native_config *config = run->config;
	struct native_state *state = run->state;

	state->call = call;
	call->run = run;
	call->loop = run->run->context->loop;
	call->client = run->run->context->client;
	call->homes = run->run->context->homes;
	call->queue = config->queue->open;
	call->natives = config->natives;
	call->actors = run->run->context->actors;
	call->id = run->run->context->id;
	if (!handler_launch(call, handler_on_end)) {
		state->call = NULL;
		handler_fini(call);
		step_done_errno(run, -ENOMEM);
		return;
	}
	task_start(&call->module.base.task, &run->run->scope);
}
