/* server/native/task.c: what all tasks of modules have in common. */
#include "core/base/memory.h"
#include "server/native/api_parts.h"
#include "server/native/handler.h"
#include "server/native/tasks.h"

void native_task_enter(const struct leat_task *task, const char *function)
{
	call_check(NULL, task, function, "the task is there");
	call_enter(task->call, function);
}

bool native_task_enter_kind(const struct leat_task *task, enum native_kind kind,
			    const char *function, const char *what)
{
	native_task_enter(task, function);
	call_check(task->call, task->kind == kind || task->kind == NATIVE_SPARE, function, what);
	return task->kind == kind;
}

/* ------------------------------------------------------------ made, given, ended */

struct leat_task *native_task_make(struct leat_call *call, const char *function,
				   enum native_kind kind, leat_task_fn *on_end)
{
	struct leat_task *task;

	call_enter(call, function);
	call_check(call, call->target.on_loop, function,
		   "tasks are for verbs with start(): this call runs on the compute pool");
	task = arena_zalloc(&call->arena, sizeof(*task));
	if (!task) {
		call->out_of_memory = true;
		handler_end(call);
		return call->spare_task;
	}
	task->call = call;
	task->kind = (uint8_t)kind;
	task->on_end = on_end;
	list_add(&call->tasks, &task->link);
	return task;
}

static void broken_start(struct task *task)
{
	task_end(task, OUTCOME_FAILED);
}

static const struct task_ops broken_ops = { "broken", broken_start, NULL };

static void broken_on_end(struct task *task)
{
	native_task_end(container_of(task, struct leat_task, broken));
}

void native_task_break(struct leat_task *task, enum error_code code, const char *detail)
{
	task->failure = (struct failure){ .code = code, .detail = str_of(detail) };
	task->is_broken = true;
	task->task = &task->broken;
	task_init(task->task, &broken_ops, broken_on_end);
}

void native_task_give(struct leat_task *task, struct leat_task *parent, const char *function)
{
	native_task_enter(task, function);
	if (task->kind == NATIVE_SPARE)
		return;
	call_check(task->call, task->state != NATIVE_ENDED, function, "the task has not ended");
	call_check(task->call, task->state == NATIVE_MADE, function,
		   "a task is started, or given away, once");
	call_check(task->call, !parent || parent->call == task->call, function,
		   "a task and its composite are of one call");
	call_check(task->call, parent != task, function, "a composite is not in itself");
	if (task->kind == NATIVE_GRAPH)
		native_graph_finish(task, function);
	task->state = NATIVE_GIVEN;
	task->parent = parent;
}

void native_task_end(struct leat_task *task)
{
	task->state = NATIVE_ENDED;
	if (task->on_end)
		task->on_end(task);
}

void native_task_fini(struct leat_task *task)
{
	switch ((enum native_kind)task->kind) {
	case NATIVE_GRAPH:
		native_graph_fini(task);
		break;
	case NATIVE_HTTP:
		native_http_fini(task);
		break;
	case NATIVE_COMPUTE:
		native_compute_fini(task);
		break;
	case NATIVE_FUTURE:
		native_future_fini(task);
		break;
	case NATIVE_NAMED:
		native_named_fini(task);
		break;
	case NATIVE_POST:
		native_post_fini(task);
		break;
	case NATIVE_SPARE:
	case NATIVE_SERIES:
	case NATIVE_PARALLEL:
	case NATIVE_TIMER:
	case NATIVE_COUNTER:
		break;
	}
	if (task->free_data)
		task->free_data(task->data);
}

/* ------------------------------------------------------------ what a module asks and does */

void native_start_task(struct leat_task *task)
{
	native_task_give(task, NULL, "start");
	if (task->kind != NATIVE_SPARE)
		task_start(task->task, module_scope(&task->call->module));
}

void native_cancel_task(struct leat_task *task)
{
	native_task_enter(task, "cancel");
	if (task->kind != NATIVE_SPARE && task->task->state == TASK_STARTED)
		task_cancel(task->task);
}

void native_timeout(struct leat_task *task, uint64_t timeout_ms)
{
	struct composite *composite = NULL;

	native_task_enter(task, "timeout");
	if (task->kind == NATIVE_SERIES)
		composite = &task->series.base;
	else if (task->kind == NATIVE_PARALLEL)
		composite = &task->parallel.base;
	else if (task->kind == NATIVE_GRAPH)
		composite = container_of(task->task, struct composite, task);
	call_check(task->call, composite || task->kind == NATIVE_SPARE, "timeout",
		   "what has a time is a series, a parallel or a graph");
	if (!composite)
		return;
	call_check(task->call, composite->task.state == TASK_IDLE, "timeout",
		   "a time is set before the start");
	composite->timeout_ms = timeout_ms;
}

enum leat_outcome native_outcome(const struct leat_task *task)
{
	native_task_enter(task, "outcome");
	if (task->kind == NATIVE_SPARE)
		return LEAT_CANCELLED;
	call_check(task->call, task->state == NATIVE_ENDED, "outcome",
		   "a task has an outcome when it has ended");
	switch ((enum outcome)task->task->outcome) {
	case OUTCOME_OK:
		return LEAT_OK;
	case OUTCOME_FAILED:
		return LEAT_FAILED;
	case OUTCOME_TIMED_OUT:
		return LEAT_TIMED_OUT;
	case OUTCOME_CANCELLED:
		return LEAT_CANCELLED;
	case OUTCOME_NONE:
		break;
	}
	unreachable();
}

static bool task_is_ok(const struct leat_task *task)
{
	return task->state == NATIVE_ENDED && task->task->outcome == OUTCOME_OK;
}

/* The texts of a failure have a NUL behind them: they are literals, or of an arena. */
const char *native_error(const struct leat_task *task)
{
	native_task_enter(task, "error");
	return task->failure.code == ERROR_NONE ? "" : failure_code(&task->failure).ptr;
}

const char *native_detail(const struct leat_task *task)
{
	native_task_enter(task, "detail");
	return task->failure.detail.len ? task->failure.detail.ptr : "";
}

static void task_read_body(struct leat_task *task)
{
	struct native_http *http = &task->http;

	http->has_read = true;
	if (json_read(http->call.response.body, &task->call->arena, &task->value, NULL) == 0)
		task->has_value = true;
}

const struct leat_value *native_value_of(struct leat_task *task)
{
	native_task_enter(task, "value");
	if (!task_is_ok(task))
		return NULL;
	if (task->kind == NATIVE_HTTP && !task->http.has_read)
		task_read_body(task);
	return task->has_value ? native_handle(&task->value) : NULL;
}

void *native_data(const struct leat_task *task)
{
	native_task_enter(task, "data");
	return task_is_ok(task) ? task->data : NULL;
}

struct leat_call *native_call_of(const struct leat_task *task)
{
	native_task_enter(task, "call_of");
	return task->call;
}

void native_set_context(struct leat_task *task, void *context)
{
	native_task_enter(task, "set_context");
	task->context = context;
}

void *native_context(const struct leat_task *task)
{
	native_task_enter(task, "context");
	return task->context;
}
