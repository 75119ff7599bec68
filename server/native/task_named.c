/* server/native/task_named.c: signals by name, and those who await them: the same names that YAML's
 * `signal:` and `await:` use (core/task/condition.h). */
#include "core/base/blob.h"
#include "core/task/condition.h"
#include "server/native/api_parts.h"
#include "server/native/tasks.h"
#include <errno.h>

enum { AWAITING_MAX = 10000, AWAITED_MAX = 10000 }; /* of one name; values of one await */

static void named_fail(struct leat_task *task, enum reason reason)
{
	static const enum error_code codes[] = {
		[REASON_NONE] = ERROR_NONE,           [REASON_FULL] = ERROR_QUEUE_FULL,
		[REASON_TOO_LARGE] = ERROR_TOO_LARGE, [REASON_UNAVAILABLE] = ERROR_UNAVAILABLE,
		[REASON_EXPIRED] = ERROR_TIMEOUT,     [REASON_CANCELLED] = ERROR_NONE,
	};

	task->failure = (struct failure){ .code = codes[reason] };
}

/* A task of that kind, with a copy of the name; NULL: it is what *ret_task says, as it is. */
static struct str named_make(struct leat_task *task, const char *name)
{
	struct str copy = arena_str(&task->call->arena, str_of(name));

	if (!task->call->homes)
		native_task_break(task, ERROR_UNAVAILABLE, "nothing is shared here");
	else if (!copy.ptr)
		native_task_break(task, ERROR_MEMORY_LIMIT, "limits.memory is reached");
	else
		return copy;
	return STR_NONE;
}

/* ------------------------------------------------------------ await */

/* The list of what has come. 0 or -ENOMEM. */
static int await_take(struct leat_task *task)
{
	struct arena *arena = &task->call->arena;
	size_t n_values = 0;
	struct value *values =
		arena_alloc_array(arena, task->wait.ask.n_parcels + 1u, sizeof(*values));
	struct parcel *parcel;
	int r = values ? 0 : -ENOMEM;

	list_each(parcel, await_values(&task->wait), struct parcel, link) {
		struct str text = arena_str(arena, blob_str(parcel->blob));

		if (r < 0)
			break;
		values[n_values] = value_null();
		if (text.len)
			r = text.ptr ? json_read(text, arena, &values[n_values], NULL) : -ENOMEM;
		n_values++;
	}
	if (r < 0)
		return r;
	task->value = value_list(values, n_values);
	task->has_value = true;
	return 0;
}

static void await_on_end(struct task *core)
{
	struct leat_task *task = container_of(core, struct leat_task, wait.task);

	named_fail(task, wait_reason(&task->wait));
	if (core->outcome == OUTCOME_OK && await_take(task) < 0)
		task->call->out_of_memory = true; /* and so the call fails when it ends */
	await_fini(&task->wait);
	native_task_end(task);
}

struct leat_task *native_await(struct leat_call *call, const char *name, unsigned count,
			       uint64_t wait_ms, leat_task_fn *on_end)
{
	struct leat_task *task = native_task_make(call, "await", NATIVE_NAMED, on_end);
	const struct await await = { .count = count,
				     .n_wait_max = AWAITING_MAX,
				     .wait_ms = wait_ms };
	struct str copy;

	call_check(call, name && name[0] && count <= AWAITED_MAX, "await",
		   "a name is awaited, at most 10,000 times");
	if (task->kind == NATIVE_SPARE)
		return task;
	copy = named_make(task, name);
	if (task->is_broken)
		return task;
	await_init(&task->wait, call->homes, copy, &await, await_on_end);
	task->task = &task->wait.task;
	return task;
}

/* ------------------------------------------------------------ signal */

static void signal_on_end(struct task *core)
{
	struct leat_task *task = container_of(core, struct leat_task, wait.task);

	named_fail(task, wait_reason(&task->wait));
	if (core->outcome == OUTCOME_OK) {
		task->value = value_int((int64_t)signal_n_woken(&task->wait));
		task->has_value = true;
	}
	native_task_end(task);
}

struct leat_task *native_signal(struct leat_call *call, const struct leat_signal *signal,
				leat_task_fn *on_end)
{
	struct leat_task *task = native_task_make(call, "signal", NATIVE_NAMED, on_end);
	struct signal own = { .value = NULL };
	struct json_error error;
	struct str copy, json;

	call_check(call, signal && signal->name && signal->name[0], "signal",
		   "a signal has a name");
	if (task->kind == NATIVE_SPARE)
		return task;
	json = (struct str){ signal->json, signal->json_len };
	copy = named_make(task, signal->name);
	if (!task->is_broken && json.len && !json_check(json, &error))
		native_task_break(task, ERROR_INVALID_INPUT, "its value is no JSON");
	if (task->is_broken)
		return task;
	own.wake_n = signal->wake ? signal->wake : WAKE_ALL;
	own.keep_ms = signal->keep_ms;
	if (json.len)
		own.value = blob_create(json);
	signal_init(&task->wait, call->homes, copy, &own, signal_on_end);
	blob_unref(own.value);
	task->task = &task->wait.task;
	return task;
}

/* What it brings goes with it, when it was not started. */
void native_named_fini(struct leat_task *task)
{
	if (!task->is_broken)
		wait_fini(&task->wait);
}
