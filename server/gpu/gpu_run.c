/* server/gpu/gpu_run.c: a call on the device: what goes there, and what comes back.
 *
 * The lane is a queue in order and the call's alone, so that no command needs to name those before
 * it. Nothing waits for the device here, except where sending has failed half-way: what was sent
 * still reads the call's memory. */
#include "server/expr/json.h"
#include "server/gpu/gpu_call.h"
#include "server/gpu/gpu_guard.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { LOCAL_CPU = 64 };

static void run_fail(struct gpu_call *call, enum error_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void run_fail(struct gpu_call *call, enum error_code code, const char *format, ...)
{
	char message[240];
	va_list args;
	int len;

	if (call->code)
		return;
	va_start(args, format);
	len = vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	call->code = code;
	call->message = arena_str(&call->arena,
				  (struct str){ message, MIN((size_t)len, sizeof(message) - 1) });
}

static bool run_fail_memory(struct gpu_call *call)
{
	call->code = ERROR_MEMORY_LIMIT;
	call->message = STR("no memory for its arrays");
	return false;
}

static bool run_fail_cl(struct gpu_call *call, cl_int error, const char *what)
{
	char name[48];

	run_fail(call, ERROR_GPU_FAILED, "%.*s: %s: %s", STR_ARG(call->kernel->name), what,
		 gpu_error_name(error, name));
	return false;
}

/* ------------------------------------------------------------ numbers in */

struct reader {
	struct gpu_call *call;
	struct gpu_arg *arg;
	char *at;
	size_t n, n_max; /* components, written and counted */
};

/* Lists in lists are taken one after the other; JSON nests at most JSON_DEPTH_MAX deep. */
static size_t run_count(struct value list)
{
	size_t n = 0;

	for (size_t i = 0; i < list.len; i++)
		n += list.items[i].kind == VALUE_LIST ? run_count(list.items[i]) : 1;
	return n;
}

static bool run_store(struct reader *reader, struct value value)
{
	const struct gpu_type *type = &reader->arg->param->type;
	int r = gpu_store(type->scalar, value, reader->at);

	if (r < 0) {
		run_fail(reader->call, ERROR_INVALID_INPUT,
			 r == -ERANGE ? "number %zu of %.*s does not fit in %.*s"
				      : "element %zu of %.*s is not a number for %.*s",
			 reader->n, STR_ARG(reader->arg->param->name),
			 STR_ARG(reader->arg->param->type_name));
		return false;
	}
	reader->at += type->size;
	reader->n++;
	return true;
}

static bool run_store_list(struct reader *reader, struct value list)
{
	for (size_t i = 0; i < list.len; i++)
		if (list.items[i].kind == VALUE_LIST ? !run_store_list(reader, list.items[i])
						     : !run_store(reader, list.items[i]))
			return false;
	return true;
}

static bool run_read_numbers(struct gpu_call *call, struct gpu_arg *arg)
{
	const struct gpu_type *type = &arg->param->type;
	struct value list;
	struct reader reader;
	int r = json_read(arg->text, &call->arena, &list, NULL);

	if (r == -ENOMEM)
		return run_fail_memory(call);
	if (r < 0 || list.kind != VALUE_LIST) {
		run_fail(call, ERROR_INVALID_INPUT, "%.*s wants a list of numbers",
			 STR_ARG(arg->param->name));
		return false;
	}
	reader = (struct reader){ .call = call, .arg = arg, .n_max = run_count(list) };
	arg->size = reader.n_max * type->size;
	arg->host = reader.at = arena_alloc(&call->arena, arg->size + 1);
	if (!arg->host)
		return run_fail_memory(call);
	return run_store_list(&reader, list);
}

/* The text may be used as it is: the driver reads it before the block goes; but what comes back is
 * written to it, and an arena's texts are the call's own. */
static void run_read_bytes(struct gpu_arg *arg)
{
	arg->host = (void *)(uintptr_t)arg->text.ptr;
	arg->size = arg->text.len;
}

static bool run_read(struct gpu_call *call, struct gpu_arg *arg)
{
	const struct gpu_type *type = &arg->param->type;
	size_t element = (size_t)type->size * type->width;

	if (arg->form == GPU_ARG_NUMBERS && !run_read_numbers(call, arg))
		return false;
	if (arg->form == GPU_ARG_BYTES)
		run_read_bytes(arg);
	if (arg->form == GPU_ARG_ELEMENTS) {
		if (arg->n_elements > SIZE_MAX / 2 / element)
			return run_fail_memory(call);
		arg->size = arg->n_elements * element;
		return true;
	}
	if (arg->size % element) {
		run_fail(call, ERROR_INVALID_INPUT, "%.*s is no whole number of %.*s: %zu bytes",
			 STR_ARG(arg->param->name),
			 STR_ARG(str_first(arg->param->type_name, arg->param->type_name.len - 1)),
			 arg->size);
		return false;
	}
	arg->n_elements = arg->size / element;
	return true;
}

static bool run_read_all(struct gpu_call *call)
{
	for (size_t i = 0; i < call->n_args; i++)
		if (call->args[i].form != GPU_ARG_SCALAR && !run_read(call, &call->args[i]))
			return false;
	return true;
}

/* ------------------------------------------------------------ sizes */

static void run_default_size(struct gpu_call *call)
{
	call->n_dims = 1;
	call->sizes[0] = 0;
	for (size_t i = 0; i < call->n_args; i++) {
		const struct gpu_param *param = call->args[i].param;

		if (param->kind != GPU_PARAM_ARRAY || param->is_constant)
			continue;
		call->sizes[0] = call->args[i].n_elements;
		return;
	}
}

/* The kernel of a request indexes its arrays by its work items: without this a size that a client
 * has chosen would reach memory that is not the call's. */
static bool run_check_arrays(struct gpu_call *call, uint64_t n_items)
{
	for (size_t i = 0; i < call->n_args; i++) {
		const struct gpu_arg *arg = &call->args[i];

		if (arg->param->kind != GPU_PARAM_ARRAY || arg->param->is_constant ||
		    arg->n_elements >= n_items)
			continue;
		run_fail(call, ERROR_INVALID_INPUT, "%.*s has %llu elements for %llu work items",
			 STR_ARG(arg->param->name), (unsigned long long)arg->n_elements,
			 (unsigned long long)n_items);
		return false;
	}
	return true;
}

/* PoCL compiles a kernel for each size of a work group, and left to itself it chooses one for each
 * size of a call: a client that tries sizes would make it compile for ever. So these are few. */
static void run_choose_local(struct gpu_call *call)
{
	if (call->local[0] || !call->program->device->compiles_sizes)
		return;
	for (unsigned i = 0; i < call->n_dims; i++)
		call->local[i] = 1;
	while (call->local[0] < LOCAL_CPU && call->local[0] * 2 <= call->kernel->group_max &&
	       call->sizes[0] % (call->local[0] * 2) == 0)
		call->local[0] *= 2;
}

static bool run_check_sizes(struct gpu_call *call, uint64_t *ret_n_items)
{
	uint64_t n_items = 1;

	if (call->n_dims == 0)
		run_default_size(call);
	for (unsigned i = 0; i < call->n_dims; i++) {
		uint64_t max = (uint64_t)call->limits.max_size;

		if (call->sizes[i] > max || (n_items && call->sizes[i] > max / n_items)) {
			run_fail(call, ERROR_INVALID_INPUT, "more than %llu work items",
				 (unsigned long long)max);
			return false;
		}
		if (call->local[0] && call->sizes[i] % call->local[i]) {
			run_fail(call, ERROR_INVALID_INPUT,
				 "size %llu is no multiple of the %zu of its work groups",
				 (unsigned long long)call->sizes[i], call->local[i]);
			return false;
		}
		n_items *= call->sizes[i];
	}
	*ret_n_items = n_items;
	run_choose_local(call);
	return !call->is_bounded || run_check_arrays(call, n_items);
}

/* ------------------------------------------------------------ memory of the device */

static bool run_take_one(struct gpu_call *call, struct gpu_arg *arg)
{
	int r;

	if (!arena_budget_take(call->arena.budget, arg->size))
		return run_fail_memory(call);
	call->n_budget += arg->size;
	r = gpu_device_take_memory(call->program->device, &call->limits, arg->size, &arg->memory);
	if (r == -EFBIG)
		run_fail(call, ERROR_MEMORY_LIMIT, "%.*s is larger than the memory of the device",
			 STR_ARG(arg->param->name));
	else if (r < 0)
		run_fail(call, ERROR_UNAVAILABLE, "the memory of the device is in use");
	return r == 0;
}

static bool run_take_memory(struct gpu_call *call)
{
	for (size_t i = 0; i < call->n_args; i++) {
		struct gpu_arg *arg = &call->args[i];

		if (arg->param->kind == GPU_PARAM_LOCAL &&
		    arg->size > call->program->device->local_max) {
			run_fail(call, ERROR_INVALID_INPUT,
				 "%.*s is larger than the memory of a work group",
				 STR_ARG(arg->param->name));
			return false;
		}
		if (arg->param->kind == GPU_PARAM_ARRAY && !run_take_one(call, arg))
			return false;
		if (arg->is_returned && !arg->host) {
			arg->host = arena_zalloc(&call->arena, arg->size + 1);
			if (!arg->host)
				return run_fail_memory(call);
		}
	}
	return true;
}

static void run_release(struct gpu_call *call)
{
	struct gpu_device *device = call->program->device;

	for (size_t i = 0; i < call->n_args; i++)
		if (call->args[i].memory)
			gpu_device_give_memory(device, &call->limits, take(&call->args[i].memory));
	if (call->ran)
		clReleaseEvent(take(&call->ran));
	if (call->done)
		clReleaseEvent(take(&call->done));
	if (call->cl_kernel)
		clReleaseKernel(take(&call->cl_kernel));
	if (call->lane)
		gpu_device_give_lane(device, take(&call->lane), call->code != ERROR_GPU_FAILED);
	arena_budget_give_back(call->arena.budget, call->n_budget);
	call->n_budget = 0;
}

/* ------------------------------------------------------------ sending */

static cl_int run_set_arg(struct gpu_call *call, cl_uint index, const struct gpu_arg *arg)
{
	const struct gpu_type *type = &arg->param->type;

	if (arg->memory)
		return clSetKernelArg(call->cl_kernel, index, sizeof(arg->memory->mem),
				      &arg->memory->mem);
	if (arg->param->kind == GPU_PARAM_LOCAL)
		return clSetKernelArg(call->cl_kernel, index, MAX(arg->size, (size_t)1), NULL);
	return clSetKernelArg(call->cl_kernel, index, (size_t)type->size * type->width,
			      arg->scalar);
}

static cl_int run_write_arg(struct gpu_call *call, const struct gpu_arg *arg)
{
	static const char zero[1] = { 0 };

	if (!arg->memory || arg->size == 0)
		return CL_SUCCESS;
	if (arg->form == GPU_ARG_ELEMENTS)
		return clEnqueueFillBuffer(call->lane, arg->memory->mem, zero, sizeof(zero), 0,
					   arg->size, 0, NULL, NULL);
	return clEnqueueWriteBuffer(call->lane, arg->memory->mem, CL_FALSE, 0, arg->size, arg->host,
				    0, NULL, NULL);
}

static bool run_send_input(struct gpu_call *call)
{
	cl_int error;

	call->cl_kernel = clCreateKernel(call->program->program, call->kernel->name.ptr, &error);
	if (error)
		return run_fail_cl(call, error, "no kernel");
	for (cl_uint i = 0; i < call->n_args; i++) {
		error = run_set_arg(call, i, &call->args[i]);
		if (!error)
			error = run_write_arg(call, &call->args[i]);
		if (error)
			return run_fail_cl(call, error, "an argument is refused");
	}
	return true;
}

static bool run_send_kernel(struct gpu_call *call)
{
	size_t sizes[3];
	cl_int error;

	for (unsigned i = 0; i < call->n_dims; i++)
		sizes[i] = (size_t)call->sizes[i];
	error = clEnqueueNDRangeKernel(call->lane, call->cl_kernel, call->n_dims, NULL, sizes,
				       call->local[0] ? call->local : NULL, 0, NULL, &call->ran);
	return error == CL_SUCCESS || run_fail_cl(call, error, "it cannot be started");
}

/* The last command's event is that of the whole. */
static bool run_send_output(struct gpu_call *call)
{
	for (size_t i = 0; i < call->n_args; i++) {
		struct gpu_arg *arg = &call->args[i];
		cl_int error;

		if (!arg->is_returned || arg->size == 0)
			continue;
		error = clEnqueueReadBuffer(call->lane, arg->memory->mem, CL_FALSE, 0, arg->size,
					    arg->host, 0, NULL, NULL);
		if (error)
			return run_fail_cl(call, error, "its result cannot be read");
	}
	return true;
}

static void CL_CALLBACK run_on_event(cl_event event, cl_int status, void *data)
{
	struct gpu_call *call = data;

	(void)event;
	check(atomic_load(&call->sent));
	call->status = status;
	call->on_device(call);
}

/* Nothing may touch the call when this was true: it may be over. Nor may the event go with it while the
 * driver still is in clSetEventCallback(). */
static bool run_send_all(struct gpu_call *call)
{
	cl_event done;
	cl_int error;

	if (!run_send_input(call) || !run_send_kernel(call) || !run_send_output(call))
		return false;
	error = clEnqueueMarkerWithWaitList(call->lane, 0, NULL, &call->done);
	if (!error)
		error = clFlush(call->lane);
	if (error)
		return run_fail_cl(call, error, "it cannot be sent");
	atomic_store(&call->sent, true);
	done = call->done;
	clRetainEvent(done);
	error = clSetEventCallback(done, CL_COMPLETE, run_on_event, call);
	clReleaseEvent(done);
	return error == CL_SUCCESS || run_fail_cl(call, error, "its end is not told");
}

bool gpu_run_send(struct gpu_call *call, void (*done)(struct gpu_call *call))
{
	uint64_t n_items = 0;
	struct gpu_guard guard;
	bool sent;
	cl_int error;

	if (!run_read_all(call) || !run_check_sizes(call, &n_items) || !run_take_memory(call))
		return false;
	if (n_items == 0)
		return false; /* nothing to do: the arrays stay as they are */
	error = gpu_device_take_lane(call->program->device, &call->lane);
	if (error)
		return run_fail_cl(call, error, "no queue of commands");
	call->on_device = done;
	gpu_guard_enter(&guard, false);
	sent = run_send_all(call);
	if (!sent)
		clFinish(call->lane);
	gpu_guard_leave(&guard);
	return sent;
}

/* ------------------------------------------------------------ what came back */

static void run_check_status(struct gpu_call *call)
{
	cl_int status = call->status;

	if (call->code || !call->ran)
		return;
	if (status >= 0 && clGetEventInfo(call->ran, CL_EVENT_COMMAND_EXECUTION_STATUS,
					  sizeof(status), &status, NULL) != CL_SUCCESS)
		status = call->status;
	if (status < 0)
		run_fail_cl(call, status, "the device could not run it");
}

static void run_write_arg_result(struct gpu_call *call, const struct gpu_arg *arg, struct buf *out)
{
	const struct gpu_type *type = &arg->param->type;

	gpu_write_json(type->scalar, arg->host, arg->size / type->size, out);
	if (out->error)
		run_fail_memory(call);
}

/* One array is the result itself, several are members of an object. */
static void run_write_json(struct gpu_call *call, size_t n_returned)
{
	const char *between = "{";
	struct buf out;

	buf_init_arena(&out, &call->arena);
	for (size_t i = 0; i < call->n_args && !out.error; i++) {
		const struct gpu_arg *arg = &call->args[i];

		if (!arg->is_returned)
			continue;
		if (n_returned > 1) {
			buf_add(&out, str_of(between));
			json_write_text(arg->param->name, &out);
			buf_add_char(&out, ':');
			between = ",";
		}
		run_write_arg_result(call, arg, &out);
	}
	if (n_returned != 1)
		buf_add(&out, n_returned ? STR("}") : STR("null"));
	call->out = buf_str(&out);
	if (out.error)
		run_fail_memory(call);
}

static void run_write_result(struct gpu_call *call)
{
	size_t n_returned = 0;

	for (size_t i = 0; i < call->n_args; i++) {
		const struct gpu_arg *arg = &call->args[i];

		if (!arg->is_returned)
			continue;
		n_returned++;
		if (call->gives_bytes)
			call->out = (struct str){ arg->host, arg->size };
	}
	if (!call->gives_bytes)
		run_write_json(call, n_returned);
}

void gpu_run_finish(struct gpu_call *call)
{
	run_check_status(call);
	if (!call->code && !atomic_load(&call->abandoned))
		run_write_result(call);
	run_release(call);
}
