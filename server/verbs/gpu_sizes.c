/* server/verbs/gpu_sizes.c: `size` and `local` of `gpu:`, at load. */
#include "server/expr/template_node.h"
#include "server/gpu/gpu_program.h"
#include "server/verbs/gpu.h"

static bool gpu_refuse_local(struct verb_compiler *compiler, const struct gpu_config *config,
			     const char *what)
{
	diag_error(compiler->flow->diag,
		   config->local_node ? config->local_node->place : compiler->step->place, "%s",
		   what);
	return false;
}

static bool gpu_read_local(struct verb_compiler *compiler, struct gpu_config *config)
{
	const struct node *node = config->local_node;
	size_t n = !node ? 0 : node->kind == NODE_LIST ? node->n_entries : 1;

	if (node && (n < 1 || n > 3))
		return gpu_refuse_local(compiler, config, "`local` is one to three numbers");
	for (size_t i = 0; i < n; i++) {
		const struct node *one = node->kind == NODE_LIST ? node->entries[i].value : node;
		uint64_t number;

		if (!node_is_scalar(one) || str_to_u64(one->text, &number) < 0 || number == 0 ||
		    number > SIZE_MAX / 2)
			return gpu_refuse_local(compiler, config,
						"`local` is one to three numbers, 1 or more");
		config->local[i] = (size_t)number;
	}
	config->n_local = (unsigned)n;
	return true;
}

bool gpu_compile_local(struct verb_compiler *compiler, struct gpu_config *config)
{
	const struct gpu_kernel *kernel = config->kernel;
	size_t max = MIN(kernel->group_max, config->program->device->group_max), product = 1;

	if (!gpu_read_local(compiler, config))
		return false;
	if (kernel->group[0] && config->n_local == 0) { /* the kernel itself says it */
		config->n_local = kernel->group[2] > 1 ? 3 : kernel->group[1] > 1 ? 2 : 1;
		memcpy(config->local, kernel->group, sizeof(config->local));
	}
	for (unsigned i = 0; i < config->n_local; i++) {
		if (kernel->group[0] && config->local[i] != kernel->group[i])
			return gpu_refuse_local(compiler, config,
						"the kernel asks for another work group by its "
						"attribute; leave `local` out");
		if (config->local[i] > config->program->device->item_max[i] ||
		    config->local[i] > max / product)
			return gpu_refuse_local(compiler, config,
						"a work group of that size is too large for the "
						"device");
		product *= config->local[i];
	}
	return true;
}

static bool gpu_check_size(struct verb_compiler *compiler, const struct gpu_config *config,
			   struct value size)
{
	const struct value *items = size.kind == VALUE_LIST ? size.items : &size;
	size_t n = size.kind == VALUE_LIST ? size.len : 1;
	int64_t max = config->limits->max_size;
	const char *what = NULL;

	if (n < 1 || n > 3)
		what = "`size` is one to three numbers";
	else if (config->n_local && config->n_local != n)
		what = "`size` has as many numbers as the work group";
	for (size_t i = 0; i < n && !what; i++) {
		if (items[i].kind != VALUE_INT || items[i].integer < 1)
			what = "`size` is one to three numbers, 1 or more";
		else if (items[i].integer > max)
			what = "more work items than `max_size` of the section `gpu`";
		else if (config->n_local && items[i].integer % (int64_t)config->local[i])
			what = "`size` is a multiple of the work group";
		else
			max /= items[i].integer;
	}
	if (what)
		diag_error(compiler->flow->diag, config->size_node->place, "%s", what);
	return !what;
}

bool gpu_compile_size(struct verb_compiler *compiler, struct gpu_config *config)
{
	const struct gpu_kernel *kernel = config->kernel;
	bool has_array = false;
	struct value value;

	for (size_t i = 0; i < kernel->n_params; i++)
		has_array |= kernel->params[i].kind == GPU_PARAM_ARRAY &&
			     !kernel->params[i].is_constant;
	if (!config->size_node) {
		if (!has_array || config->n_local > 1)
			diag_error(compiler->flow->diag, compiler->step->place,
				   "say by `size` how many work items there are");
		return has_array && config->n_local <= 1;
	}
	config->size = template_tree_compile(compiler->expr, config->size_node);
	if (!config->size)
		return false;
	return !template_tree_is_constant(config->size, &value) ||
	       gpu_check_size(compiler, config, value);
}
