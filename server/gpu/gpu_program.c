/* server/gpu/gpu_program.c
 *
 * Locking: programs_lock guards the list of all programs and their counts; nothing is built under
 * it. Two loads at once might build the same text twice, which does no harm. */
#include "server/gpu/gpu_program.h"
#include "core/base/memory.h"
#include "server/gpu/gpu_guard.h"
#include "server/gpu/gpu_log.h"
#include <errno.h>
#include <stdlib.h>

enum { BUILD_LOG_MAX = 1 << 20, NAMES_MAX = 1 << 16 };

static struct lock programs_lock = LOCK_INIT;
static struct list programs = LIST_INIT(programs); /* guarded by programs_lock */

static void program_destroy(struct gpu_program *program)
{
	if (program->program)
		clReleaseProgram(program->program);
	gpu_device_unref(program->device);
	arena_fini(&program->arena);
	free(program);
}

void gpu_program_ref(struct gpu_program *program)
{
	lock_acquire(&programs_lock);
	program->n_refs++;
	lock_release(&programs_lock);
}

void gpu_program_unref(struct gpu_program *program)
{
	bool last;

	if (!program)
		return;
	lock_acquire(&programs_lock);
	last = --program->n_refs == 0;
	if (last)
		list_remove(&program->link);
	lock_release(&programs_lock);
	if (last)
		program_destroy(program);
}

static struct gpu_program *programs_find(struct gpu_device *device, struct str text)
{
	struct gpu_program *program, *found = NULL;

	lock_acquire(&programs_lock);
	list_each(program, &programs, struct gpu_program, link)
		if (program->device == device && str_eq(program->text, text))
			found = program;
	if (found)
		found->n_refs++;
	lock_release(&programs_lock);
	return found;
}

/* ------------------------------------------------------------ what a kernel wants */

/* What OpenCL tells of a text, in the arena; empty when it does not. */
static struct str param_text(struct gpu_program *program, cl_kernel kernel, cl_uint index,
			     cl_kernel_arg_info what)
{
	char text[512] = "";

	if (clGetKernelArgInfo(kernel, index, what, sizeof(text) - 1, text, NULL) != CL_SUCCESS)
		return STR("");
	return arena_str(&program->arena, str_of(text));
}

static bool param_is_pointer(struct str type_name, struct str *ret_element)
{
	*ret_element = type_name;
	if (!str_ends_with(type_name, STR("*")))
		return false;
	*ret_element = str_trim(str_first(type_name, type_name.len - 1));
	return true;
}

static cl_int param_ask(struct gpu_program *program, cl_kernel kernel, cl_uint index,
			struct gpu_param *param)
{
	cl_kernel_arg_address_qualifier space = 0;
	cl_kernel_arg_type_qualifier qualifiers = 0;
	cl_int error = clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ADDRESS_QUALIFIER,
					  sizeof(space), &space, NULL);
	struct str element;
	bool is_pointer;

	if (!error)
		error = clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_TYPE_QUALIFIER,
					   sizeof(qualifiers), &qualifiers, NULL);
	if (error)
		return error;
	param->name = param_text(program, kernel, index, CL_KERNEL_ARG_NAME);
	param->type_name = param_text(program, kernel, index, CL_KERNEL_ARG_TYPE_NAME);
	is_pointer = param_is_pointer(param->type_name, &element);
	param->kind = !gpu_type_find(element, &param->type)  ? GPU_PARAM_OTHER
		      : !is_pointer                          ? GPU_PARAM_SCALAR
		      : space == CL_KERNEL_ARG_ADDRESS_LOCAL ? GPU_PARAM_LOCAL
							     : GPU_PARAM_ARRAY;
	param->is_constant = space == CL_KERNEL_ARG_ADDRESS_CONSTANT;
	param->is_written = param->kind == GPU_PARAM_ARRAY && !param->is_constant &&
			    !(qualifiers & CL_KERNEL_ARG_TYPE_CONST);
	return CL_SUCCESS;
}

static cl_int kernel_ask(struct gpu_program *program, cl_kernel kernel, struct gpu_kernel *ret)
{
	cl_device_id id = program->device->id;
	cl_uint n_params = 0;
	cl_int error =
		clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof(n_params), &n_params, NULL);

	if (!error)
		error = clGetKernelWorkGroupInfo(kernel, id, CL_KERNEL_COMPILE_WORK_GROUP_SIZE,
						 sizeof(ret->group), ret->group, NULL);
	if (!error)
		error = clGetKernelWorkGroupInfo(kernel, id, CL_KERNEL_WORK_GROUP_SIZE,
						 sizeof(ret->group_max), &ret->group_max, NULL);
	if (error)
		return error;
	ret->n_params = n_params;
	ret->params = arena_zalloc(&program->arena, (n_params + 1) * sizeof(*ret->params));
	for (cl_uint i = 0; i < n_params && !error; i++)
		error = param_ask(program, kernel, i, &ret->params[i]);
	return error;
}

static cl_int program_ask_kernel(struct gpu_program *program, struct str name)
{
	struct gpu_kernel *ret = &program->kernels[program->n_kernels++];
	cl_kernel kernel;
	cl_int error;

	ret->name = name;
	kernel = clCreateKernel(program->program, name.ptr, &error);
	if (error)
		return error;
	error = kernel_ask(program, kernel, ret);
	clReleaseKernel(kernel);
	return error;
}

static cl_int program_ask(struct gpu_program *program)
{
	char *names = arena_zalloc(&program->arena, NAMES_MAX);
	size_t n_kernels = 0;
	struct str rest, name;
	cl_int error = clGetProgramInfo(program->program, CL_PROGRAM_NUM_KERNELS, sizeof(n_kernels),
					&n_kernels, NULL);

	if (!error)
		error = clGetProgramInfo(program->program, CL_PROGRAM_KERNEL_NAMES, NAMES_MAX - 1,
					 names, NULL);
	if (error)
		return error;
	program->kernels =
		arena_zalloc(&program->arena, (n_kernels + 1) * sizeof(*program->kernels));
	rest = str_of(names);
	while (!error && program->n_kernels < n_kernels && str_next_part(&rest, ';', &name))
		if (name.len)
			error = program_ask_kernel(program, arena_str(&program->arena, name));
	return error;
}

/* ------------------------------------------------------------ the build */

static void program_tell_log(struct gpu_program *program, const struct source *source,
			     struct place named_at, cl_int error, struct diag *diag)
{
	char *log = mem_zalloc(BUILD_LOG_MAX), name[48];
	size_t n_errors;
	struct str text;

	if (clGetProgramBuildInfo(program->program, program->device->id, CL_PROGRAM_BUILD_LOG,
				  BUILD_LOG_MAX - 1, log, NULL) != CL_SUCCESS)
		log[0] = '\0';
	text = str_trim_space(str_of(log));
	n_errors = gpu_log_read(text, source, diag);
	if (error && n_errors == 0)
		diag_error(diag, named_at, "\"%s\" cannot be built for %s (%s)%s%.*s", source->name,
			   program->device->name, gpu_error_name(error, name), text.len ? ": " : "",
			   STR_ARG(str_first(text, 500)));
	free(log);
}

static cl_int program_build(struct gpu_program *program, const struct source *source,
			    struct place named_at, struct diag *diag)
{
	const char *text = program->text.ptr;
	size_t len = program->text.len;
	struct gpu_guard guard;
	cl_int error;

	program->program =
		clCreateProgramWithSource(program->device->context, 1, &text, &len, &error);
	if (!error) {
		gpu_guard_enter(&guard, false);
		error = clBuildProgram(program->program, 1, &program->device->id,
				       "-cl-kernel-arg-info", NULL, NULL);
		gpu_guard_leave(&guard);
		program_tell_log(program, source, named_at, error, diag);
		if (error)
			return error;
		error = program_ask(program);
	}
	if (error) {
		char name[48];

		diag_error(diag, named_at, "%s does not tell what the kernels of \"%s\" want: %s",
			   program->device->name, source->name, gpu_error_name(error, name));
	}
	return error;
}

struct gpu_program *gpu_program_open(struct gpu_device *device, const struct source *source,
				     struct place named_at, struct diag *diag)
{
	struct gpu_program *program = programs_find(device, source->text);

	if (program)
		return program;
	program = mem_zalloc(sizeof(*program));
	program->n_refs = 1;
	program->device = device;
	gpu_device_ref(device);
	arena_init_required(&program->arena);
	program->text = arena_str(&program->arena, source->text);
	if (program_build(program, source, named_at, diag) != CL_SUCCESS) {
		program_destroy(program);
		return NULL;
	}
	lock_acquire(&programs_lock);
	list_add(&programs, &program->link);
	lock_release(&programs_lock);
	return program;
}

const struct gpu_kernel *gpu_program_find(const struct gpu_program *program, struct str name)
{
	for (size_t i = 0; i < program->n_kernels; i++)
		if (str_eq(program->kernels[i].name, name))
			return &program->kernels[i];
	return NULL;
}
