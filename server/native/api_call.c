/* server/native/api_call.c: what a module asks of its call. */
#include "core/base/log.h"
#include "core/task/compute.h"
#include "server/flow/step.h"
#include "server/native/actors.h"
#include "server/native/api_parts.h"
#include "server/native/handler.h"
#include <stdio.h>

enum { DETAIL_MAX = 1000 };

const struct leat_value *native_input(struct leat_call *call)
{
	call_enter(call, "input");
	return native_handle(&call->input);
}

const struct leat_value *native_key(struct leat_call *call, const char *name)
{
	call_enter(call, "key");
	for (size_t i = 0; i < call->n_keys; i++)
		if (strcmp(call->keys[i].name, name) == 0)
			return native_handle(&call->keys[i].value);
	call_check(call, false, "key", "the name is in the verb's table of keys");
	return NULL;
}

struct leat_json *native_result(struct leat_call *call)
{
	call_enter(call, "result");
	return &call->result;
}

void native_result_bytes(struct leat_call *call, const void *ptr, size_t size)
{
	call_enter(call, "result_bytes");
	call_check(call, !call->result.begun && !call->bytes.ptr, "result_bytes",
		   "a result is set once");
	if (size > UINT32_MAX) {
		call_fail(call, ERROR_TOO_LARGE, "the result is larger than 4 GiB");
		size = 0;
	}
	call->bytes = arena_str(&call->arena, (struct str){ ptr, size });
	call->out_of_memory |= !call->bytes.ptr;
}

/* In the call's memory; when that is full, what fits is not told. */
static struct str fail_detail(struct leat_call *call, const char *format, va_list args)
{
	char text[DETAIL_MAX];

	vsnprintf(text, sizeof(text), format, args);
	return arena_str(&call->arena, str_of(text));
}

void native_fail(struct leat_call *call, const char *code, int status, const char *format, ...)
{
	struct failure failure = { .code = ERROR_CUSTOM, .status = status };
	va_list args;

	call_enter(call, "fail");
	call_check(call, name_is_valid(str_of(code)), "fail",
		   "a code has lower-case letters, digits and _");
	call_check(call, status == 0 || (status >= 400 && status <= 599), "fail",
		   "the status of a failure is from 400 to 599, or 0");
	if (call->failure.code != ERROR_NONE)
		return;
	if (!error_code_find(str_of(code), &failure.code))
		failure.custom_code = arena_str(&call->arena, str_of(code));
	va_start(args, format);
	failure.detail = fail_detail(call, format, args);
	va_end(args);
	if (failure.code == ERROR_CUSTOM && !failure.custom_code.ptr)
		call->out_of_memory = true;
	call->failure = failure;
	if (call->target.on_loop)
		handler_end(call);
}

void *native_alloc(struct leat_call *call, size_t size)
{
	void *memory;

	call_enter(call, "alloc");
	memory = arena_zalloc(&call->arena, size);
	call->out_of_memory |= !memory;
	return memory;
}

void *native_state(struct leat_call *call)
{
	call_enter(call, "state");
	return call->data;
}

bool native_is_cancelled(const struct leat_call *call)
{
	call_check(call, call && call->state == CALL_RUNS, "is_cancelled",
		   "the call has not ended");
	if (!call->target.on_loop && call->self)
		return native_message_is_unwanted(call);
	if (!call->target.on_loop)
		return offload_is_disowned(call->offload);
	call_enter(call, "is_cancelled");
	return call->module.base.scope.cancelled;
}

void native_log(const struct leat_module *module, enum leat_level level, const char *format, ...)
{
	static const enum log_level levels[] = {
		[LEAT_ERROR] = LOG_ERROR,
		[LEAT_WARNING] = LOG_WARNING,
		[LEAT_INFO] = LOG_INFO,
		[LEAT_DEBUG] = LOG_DEBUG,
	};
	char text[DETAIL_MAX];
	va_list args;

	call_check(NULL, module && (unsigned)level <= LEAT_DEBUG, "log",
		   "the module is there, and the level is one of enum leat_level");
	if (!log_is_on(levels[level]))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_write(levels[level], "module says module=%s text=%s", module->name,
		  LOG_QUOTE(str_of(text)));
}
