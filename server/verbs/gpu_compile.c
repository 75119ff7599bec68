/* server/verbs/gpu_compile.c: the keys of `gpu:`; the arguments against what the kernel wants. */
#include "server/expr/template_node.h"
#include "server/verbs/gpu.h"
#if WITH_GPU
#include "server/gpu/gpu_program.h"
#endif

#define AT(field) offsetof(struct gpu_config, field)
const struct setting gpu_keys[] = {
	{ "function", SETTING_TEXT, AT(function),
	  .help = "The kernel in the file; need not be said where there is one." },
	{ "args", SETTING_LIST, AT(args_node),
	  .help = "The kernel's arguments in order: numbers, lists of numbers or bytes, or "
		  "{elements: n} for an array that begins as zeros, or that is a work group's." },
	{ "size", SETTING_NODE, AT(size_node),
	  .help = "How many work items: a number, or a list of up to three; as many as the first "
		  "array has elements when not said." },
	{ "local", SETTING_NODE, AT(local_node),
	  .help = "How many of them make a work group: a number, or as many as `size` has." },
	{ "device", SETTING_TEXT, AT(device),
	  .help = "Part of the name of a device, or of its platform's; that of the section `gpu` "
		  "when "
		  "not said." },
	{ "returns", SETTING_TEXTS, AT(returns),
	  .help = "The parameters that are the result; every array that is not const when not "
		  "said." },
	{ "output", SETTING_CHOICE, AT(output), "numbers",
	  "Whether the result is a list of numbers, or the bytes of one array as a text.",
	  .choices = (const char *const[]){ "numbers", "bytes", NULL } },
	{ "bounds", SETTING_CHOICE, AT(bounds), "arrays",
	  "Who sees to it that no array is left: arrays (each has an element for each work item, "
	  "or "
	  "the task fails), or the kernel itself.",
	  .choices = (const char *const[]){ "arrays", "kernel", NULL } },
	{ "queue", SETTING_NODE, AT(queue_node), .help = "A queue of the section `compute`." },
	SETTINGS_END
};
#undef AT

#if WITH_GPU

/* ------------------------------------------------------------ the file and the kernel */

/* DECISIONS 28: relative to the file that names it. */
static struct str gpu_path(struct verb_compiler *compiler, const struct node *value)
{
	struct str folder = str_of(value->place.source ? value->place.source->name : NULL);

	while (folder.len > 0 && folder.ptr[folder.len - 1] != '/')
		folder.len--;
	if (value->text.ptr[0] == '/')
		return value->text;
	return arena_printf(compiler->flow->arena, "%.*s%.*s", STR_ARG(folder),
			    STR_ARG(value->text));
}

static struct place gpu_place(const struct verb_compiler *compiler, const char *key)
{
	const struct node *node = node_find(compiler->step->node, key);

	return node ? node->place : compiler->step->place;
}

static bool gpu_open(struct verb_compiler *compiler, const struct node *value,
		     struct gpu_config *config)
{
	const struct gpu_wanted wanted = { .path = gpu_path(compiler, value),
					   .device = config->device,
					   .path_place = value->place,
					   .device_place = gpu_place(compiler, "device") };

	if (!compiler->flow->gpu) {
		diag_error(compiler->flow->diag, value->place, "no kernel can be run here");
		return false;
	}
	config->limits = &compiler->flow->gpu->limits;
	config->program = gpu_set_open(compiler->flow->gpu, &wanted, compiler->flow->arena,
				       compiler->flow->diag);
	return config->program != NULL;
}

static bool gpu_refuse_function(struct verb_compiler *compiler, const struct node *value,
				const struct gpu_config *config)
{
	const struct gpu_program *program = config->program;
	const char **names =
		arena_alloc_array(compiler->flow->arena, program->n_kernels + 1, sizeof(*names));
	const char *nearest;
	struct str all = STR("");

	for (size_t i = 0; i < program->n_kernels; i++) {
		names[i] = program->kernels[i].name.ptr;
		all = arena_printf(compiler->flow->arena, "%.*s%s%s", STR_ARG(all), i ? ", " : "",
				   names[i]);
	}
	names[program->n_kernels] = NULL;
	nearest = diag_nearest(config->function, names);
	if (nearest)
		diag_error(compiler->flow->diag, gpu_place(compiler, "function"),
			   "there is no kernel \"%.*s\" in %.*s; did you mean \"%s\"?",
			   STR_ARG(str_first(config->function, 80)), STR_ARG(value->text), nearest);
	else if (config->function.len)
		diag_error(compiler->flow->diag, gpu_place(compiler, "function"),
			   "there is no kernel \"%.*s\" in %.*s; it has: %.*s",
			   STR_ARG(str_first(config->function, 80)), STR_ARG(value->text),
			   STR_ARG(str_first(all, 300)));
	else if (program->n_kernels)
		diag_error(compiler->flow->diag, value->place,
			   "%.*s has several kernels; say which one by `function`: %.*s",
			   STR_ARG(value->text), STR_ARG(str_first(all, 300)));
	else
		diag_error(compiler->flow->diag, value->place,
			   "%.*s has no kernel; write one, as in __kernel void name(…)",
			   STR_ARG(value->text));
	return false;
}

static bool gpu_find_kernel(struct verb_compiler *compiler, const struct node *value,
			    struct gpu_config *config)
{
	const struct gpu_program *program = config->program;

	check(program && program->kernels);
	if (config->function.len)
		config->kernel = gpu_program_find(program, config->function);
	else if (program->n_kernels == 1)
		config->kernel = &program->kernels[0];
	if (config->kernel)
		return true;
	return gpu_refuse_function(compiler, value, config);
}

/* ------------------------------------------------------------ arguments */

/* "saxpy(float a, float* x, float* y)" */
static struct str gpu_signature(struct arena *arena, const struct gpu_kernel *kernel)
{
	struct str text = arena_printf(arena, "%.*s(", STR_ARG(kernel->name));

	for (size_t i = 0; i < kernel->n_params; i++)
		text = arena_printf(arena, "%.*s%s%.*s %.*s", STR_ARG(text), i ? ", " : "",
				    STR_ARG(kernel->params[i].type_name),
				    STR_ARG(kernel->params[i].name));
	return arena_printf(arena, "%.*s)", STR_ARG(text));
}

static bool gpu_refuse_arg(struct verb_compiler *compiler, const struct node *node,
			   const struct gpu_param *param, const char *what)
{
	diag_error(compiler->flow->diag, node->place, "%.*s is %.*s: %s", STR_ARG(param->name),
		   STR_ARG(param->type_name), what);
	return false;
}

/* {elements: n} */
static const struct node *gpu_elements(const struct node *node)
{
	return node->kind == NODE_MAP && node->n_entries == 1 ? node_find(node, "elements") : NULL;
}

static bool gpu_check_numbers(struct value list, const struct gpu_param *param)
{
	char out[GPU_VALUE_MAX];

	for (size_t i = 0; i < list.len; i++)
		if (list.items[i].kind == VALUE_LIST
			    ? !gpu_check_numbers(list.items[i], param)
			    : gpu_store(param->type.scalar, list.items[i], out) < 0)
			return false;
	return true;
}

/* What is constant is seen at load. */
static bool gpu_check_constant(struct verb_compiler *compiler, const struct node *node,
			       const struct gpu_param *param, struct value value)
{
	char out[GPU_VALUE_MAX], message[160];

	if (param->kind == GPU_PARAM_SCALAR && gpu_make_scalar(param, value, out, message) < 0) {
		diag_error(compiler->flow->diag, node->place, "%s", message);
		return false;
	}
	if (param->kind == GPU_PARAM_ARRAY && value.kind != VALUE_TEXT &&
	    (value.kind != VALUE_LIST || !gpu_check_numbers(value, param)))
		return gpu_refuse_arg(compiler, node, param,
				      "write a list of numbers that fit, or {elements: n}");
	return true;
}

static bool gpu_compile_arg(struct verb_compiler *compiler, const struct node *node,
			    const struct gpu_param *param, struct gpu_arg_config *arg)
{
	const struct node *elements = gpu_elements(node);
	struct value value;

	if (param->kind == GPU_PARAM_OTHER)
		return gpu_refuse_arg(compiler, node, param,
				      "no task can give that; use char to long, float, double, "
				      "vectors of 2, 4, 8, 16 of them, and pointers to these");
	if (param->kind == GPU_PARAM_LOCAL && !elements)
		return gpu_refuse_arg(compiler, node, param,
				      "memory of a work group; write {elements: n}");
	if (param->kind == GPU_PARAM_SCALAR && node->kind == NODE_MAP)
		return gpu_refuse_arg(compiler, node, param, "write a number");
	if (node->kind == NODE_MAP && !elements)
		return gpu_refuse_arg(compiler, node, param,
				      "write a list of numbers, or {elements: n}");
	arg->elements = elements != NULL;
	arg->tree = verb_public_tree(compiler, elements ? elements : node, "args");
	if (!arg->tree)
		return false;
	if (!template_tree_is_constant(arg->tree, &value))
		return true;
	if (!elements)
		return gpu_check_constant(compiler, node, param, value);
	return (value.kind == VALUE_INT && value.integer >= 0) ||
	       gpu_refuse_arg(compiler, node, param, "`elements` is a number, 0 or more");
}

static bool gpu_compile_args(struct verb_compiler *compiler, const struct node *value,
			     struct gpu_config *config)
{
	const struct gpu_kernel *kernel = config->kernel;
	const struct node *args = config->args_node;
	size_t n_args = args ? args->n_entries : 0;
	bool ok = true;

	check(kernel); /* gpu_find_kernel() has found it */
	if (n_args != kernel->n_params) {
		diag_error(compiler->flow->diag, args ? args->place : value->place,
			   "%.*s takes %zu arguments, not %zu: %.*s", STR_ARG(kernel->name),
			   kernel->n_params, n_args,
			   STR_ARG(gpu_signature(compiler->flow->arena, kernel)));
		return false;
	}
	config->args = arena_zalloc(compiler->flow->arena, (n_args + 1) * sizeof(*config->args));
	for (size_t i = 0; i < n_args; i++)
		ok &= gpu_compile_arg(compiler, args->entries[i].value, &kernel->params[i],
				      &config->args[i]);
	return ok;
}

/* ------------------------------------------------------------ the result */

static bool gpu_find_returned(struct verb_compiler *compiler, struct gpu_config *config,
			      size_t index)
{
	const struct gpu_kernel *kernel = config->kernel;
	struct str name = config->returns.texts[index];

	for (size_t i = 0; i < kernel->n_params; i++) {
		if (!str_eq(kernel->params[i].name, name) || !kernel->params[i].is_written)
			continue;
		config->args[i].is_returned = true;
		return true;
	}
	diag_error(compiler->flow->diag, config->returns.nodes[index]->place,
		   "\"%.*s\" is no array that the kernel can write: %.*s",
		   STR_ARG(str_first(name, 80)),
		   STR_ARG(gpu_signature(compiler->flow->arena, kernel)));
	return false;
}

static bool gpu_compile_returns(struct verb_compiler *compiler, const struct node *value,
				struct gpu_config *config)
{
	const struct gpu_kernel *kernel = config->kernel;
	size_t n_returned = 0;
	bool ok = true;

	for (size_t i = 0; i < config->returns.n_texts; i++)
		ok &= gpu_find_returned(compiler, config, i);
	for (size_t i = 0; i < kernel->n_params; i++) {
		if (config->returns.n_texts == 0)
			config->args[i].is_returned = kernel->params[i].is_written;
		n_returned += config->args[i].is_returned;
	}
	if (ok && config->output == GPU_OUTPUT_BYTES && n_returned != 1) {
		diag_error(compiler->flow->diag, gpu_place(compiler, "output"),
			   "the bytes of one array can be the result, not of %zu; choose it by "
			   "`returns`",
			   n_returned);
		return false;
	}
	if (ok && n_returned == 0)
		diag_warning(compiler->flow->diag, value->place,
			     "%.*s writes no array: nothing comes of it", STR_ARG(kernel->name));
	return ok;
}

/* ------------------------------------------------------------ all of it */

bool gpu_compile(struct verb_compiler *compiler, const struct node *value, void *config_ptr)
{
	struct gpu_config *config = config_ptr;

	if (!node_is_scalar(value) || value->kind == NODE_NULL || value->text.len == 0 ||
	    str_has(value->text, '\0') || str_find(value->text, STR("${")) >= 0) {
		diag_error(compiler->flow->diag, value->place,
			   "`gpu` takes a file of kernels: gpu: saxpy.cl");
		return false;
	}
	compiler->step->summary = value->text;
	config->queue = queues_find(compiler->flow, config->queue_node);
	if (!gpu_open(compiler, value, config) || !gpu_find_kernel(compiler, value, config) ||
	    !config->queue)
		return false;
	return gpu_compile_args(compiler, value, config) &&
	       gpu_compile_returns(compiler, value, config) &
		       (gpu_compile_local(compiler, config) && gpu_compile_size(compiler, config));
}

#else

bool gpu_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	(void)config;
	diag_error(compiler->flow->diag, value->place,
		   "this leat was built without gpu (WITH_GPU=no); install one that has it");
	return false;
}

/* It is known all the same, so that `leat schema` and the errors are those of its keys. */
const struct verb verb_gpu = {
	.name = "gpu",
	.help = "Runs a kernel of an OpenCL file. Not in this build.",
	.keys = gpu_keys,
	.config_size = sizeof(struct gpu_config),
	.compile = gpu_compile,
};

#endif
