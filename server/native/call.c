/* server/native/call.c */
#include "server/native/call.h"
#include "core/base/memory.h"
#include "core/io/loop.h"
#include "core/task/compute.h"
#include "server/flow/step.h"
#include <errno.h>
#include <stdio.h>

enum {
	CALL_MEMORY =
		4, /* times what the request may use: a value in memory is larger than its text */
};

/* ------------------------------------------------------------ mistakes */

void call_misused(const struct leat_call *call, const char *function, const char *what,
		  const char *file, int line)
{
	char name[80];

	snprintf(name, sizeof(name), "leat->%s", function);
	if (call)
		check_failed_with(what, file, line, name, "module=%s call=%s",
				  call->target.library->module->name, call->target.name);
	check_failed_with(what, file, line, name, "module=?");
}

void call_enter(const struct leat_call *call, const char *function)
{
	call_check(call, call, function, "the call is there");
	call_check(call, call->state == CALL_RUNS, function, "the call has not ended");
	if (call->target.on_loop)
		call_check(call, loop_is_current(call->loop), function,
			   "a call of the loop is used on that loop's thread");
	else
		call_check(call, pthread_equal(call->thread, pthread_self()), function,
			   "a call of the compute pool is used on the thread that runs it");
}

/* ------------------------------------------------------------ life */

struct leat_call *call_create(const struct native_target *target, size_t memory_max,
			      struct arena_budget *budget)
{
	struct leat_call *call = mem_alloc(sizeof(*call));

	*call = (struct leat_call){ .state = CALL_MADE, .target = *target };
	library_ref(target->library);
	arena_init(&call->arena, memory_max);
	call->arena.budget = budget;
	native_json_init(&call->result, call);
	return call;
}

void call_destroy(struct leat_call *call)
{
	struct library *library = call->target.library;

	if (call->data && call->target.release)
		call->target.release(call->data);
	arena_fini(&call->arena);
	call->state = CALL_ENDED;
	library_spend(library, call);
	library_unref(library);
}

void call_fail(struct leat_call *call, enum error_code code, const char *detail)
{
	if (call->failure.code == ERROR_NONE)
		call->failure = (struct failure){ .code = code, .detail = str_of(detail) };
}

/* JSON that only passed through is read now: from here on nothing needs memory to be looked at. */
static int call_open_all(struct leat_call *call, struct value *root)
{
	struct value *stack[VALUE_DEPTH_MAX], *ends[VALUE_DEPTH_MAX];
	size_t depth = 1;
	int r = 0;

	stack[0] = root;
	ends[0] = root + 1;
	while (depth > 0 && r == 0) {
		struct value *value = stack[depth - 1];

		if (value == ends[depth - 1]) {
			depth--;
			continue;
		}
		stack[depth - 1]++;
		if (value->kind == VALUE_JSON) {
			r = value_open(value, &call->arena);
		} else if (value->kind == VALUE_LIST || value->kind == VALUE_OBJECT) {
			check(depth < VALUE_DEPTH_MAX); /* value_copy() refuses what is deeper */
			stack[depth] = (struct value *)(uintptr_t)(const void *)value->items;
			ends[depth] =
				stack[depth] + value->len * (value->kind == VALUE_OBJECT ? 2U : 1U);
			depth++;
		}
	}
	return r;
}

bool call_prepare(struct leat_call *call)
{
	int r = call_open_all(call, &call->input);

	for (size_t i = 0; r == 0 && i < call->n_keys; i++)
		r = call_open_all(call, &call->keys[i].value);
	if (r == 0 && call->target.state_size) {
		call->data = arena_zalloc(&call->arena, call->target.state_size);
		r = call->data ? 0 : -ENOMEM;
	}
	call->out_of_memory |= r < 0;
	return !call->out_of_memory;
}

/* What it has written is proved to be JSON, so that nobody else has to. */
void call_check_result(struct leat_call *call)
{
	struct leat_json *json = &call->result;
	struct json_error error;

	if (call->out_of_memory || json->out.error) {
		call_fail(call, ERROR_MEMORY_LIMIT, "limits.memory is reached");
		return;
	}
	if (call->failure.code != ERROR_NONE)
		return;
	call_check(call, native_json_is_whole(json) || !json->begun, "result",
		   "the result is whole when the call ends");
	if (json->too_deep || (json->begun && !json_check(buf_str(&json->out), &error)))
		call_fail(call, ERROR_TOO_LARGE, "the result nests too deeply");
}

void call_run(struct leat_call *call)
{
	check(call->state == CALL_MADE && !call->target.on_loop);
	call->thread = pthread_self();
	call->state = CALL_RUNS;
	if (call_prepare(call))
		call->target.fn(call);
	call_check_result(call);
	call->state = CALL_ENDED;
}

/* ------------------------------------------------------------ on the pool */

static void call_offload_run(void *data)
{
	struct leat_call *const *call = data;

	call_run(*call);
}

static void call_offload_release(void *data)
{
	struct leat_call *const *call = data;

	call_destroy(*call);
}

struct offload *call_offload(struct leat_call *call)
{
	struct offload *offload =
		offload_create(sizeof(struct leat_call *), call_offload_run, call_offload_release);
	struct leat_call **data = offload_data(offload);

	*data = call;
	call->offload = data;
	return offload;
}

struct leat_call *call_of_offload(struct offload *offload)
{
	struct leat_call *const *call = offload_data(offload);

	return *call;
}

/* ------------------------------------------------------------ the result */

int call_take_result(struct leat_call *call, struct arena *arena, struct value *ret)
{
	const struct leat_json *json = &call->result;
	struct str text = call->bytes.ptr ? call->bytes : buf_str(&json->out);

	check(call->state == CALL_ENDED);
	*ret = value_null();
	if (!call->bytes.ptr && !json->begun)
		return 0;
	text = arena_str(arena, text);
	if (!text.ptr)
		return -ENOMEM;
	if (!call->bytes.ptr)
		return value_json(ret, arena, text);
	*ret = value_text(text);
	return 0;
}
