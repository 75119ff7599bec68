/* server/verbs/gpu_args.c: the arguments of a kernel, from the values of a request. */
#include "server/expr/number.h"
#include "server/gpu/gpu_call.h"
#include "server/verbs/gpu.h"
#include <errno.h>
#include <stdio.h>

static int args_refuse(struct step_run *step, const struct gpu_param *param, const char *what,
		       struct value value)
{
	snprintf(step_env(step)->message, sizeof(step_env(step)->message), "%.*s wants %s, not %s",
		 STR_ARG(str_first(param->name, 60)), what, value_kind_name(value));
	return -EBADMSG;
}

int gpu_make_scalar(const struct gpu_param *param, struct value value, char *out, char message[160])
{
	const struct gpu_type *type = &param->type;
	const struct value *components = type->width > 1 ? value.items : &value;
	int r = 0;

	if (type->width > 1 && (value.kind != VALUE_LIST || value.len != type->width)) {
		snprintf(message, 160, "%.*s takes a list of %u numbers for %.*s",
			 STR_ARG(str_first(param->name, 60)), type->width,
			 STR_ARG(str_first(param->type_name, 20)));
		return -EBADMSG;
	}
	for (unsigned i = 0; i < type->width && r == 0; i++)
		r = gpu_store(type->scalar, components[i], out + (size_t)i * type->size);
	if (r == 0)
		return 0;
	snprintf(message, 160,
		 r == -ERANGE ? "%.*s is a number that does not fit in %.*s"
			      : "%.*s takes a number for %.*s",
		 STR_ARG(str_first(param->name, 60)), STR_ARG(str_first(param->type_name, 20)));
	return -EBADMSG;
}

/* How many of something: a whole number that is not negative. */
static int args_count(struct step_run *step, struct value value, const char *what,
		      uint64_t *ret_count)
{
	struct number number;

	if (!number_is(value) || number_of(value, &number) < 0 || number.integer < 0 ||
	    number.is_real) {
		snprintf(step_env(step)->message, sizeof(step_env(step)->message),
			 "%s is a whole number, 0 or more", what);
		return -EBADMSG;
	}
	*ret_count = (uint64_t)number.integer;
	return 0;
}

/* The text of a list is copied as it came, if it did; reading it is the pool's. */
static int args_take_list(struct gpu_call *call, struct gpu_arg *arg, struct value list)
{
	struct buf text;

	arg->form = GPU_ARG_NUMBERS;
	if (list.kind == VALUE_JSON) {
		arg->text = arena_str(&call->arena, list.json->text);
		return arg->text.ptr ? 0 : -ENOMEM;
	}
	buf_init_arena(&text, &call->arena);
	value_write_json(list, &text);
	arg->text = buf_str(&text);
	return text.error ? -ENOMEM : 0;
}

static int args_take_array(struct step_run *step, struct gpu_call *call, struct gpu_arg *arg,
			   struct value value)
{
	if (value.kind == VALUE_TEXT) {
		arg->form = GPU_ARG_BYTES;
		arg->text = arena_str(&call->arena, value_str(value));
		return arg->text.ptr ? 0 : -ENOMEM;
	}
	if (strcmp(value_kind_name(value), "list") == 0)
		return args_take_list(call, arg, value);
	return args_refuse(step, arg->param, "a list of numbers, or bytes", value);
}

static int args_take(struct step_run *step, struct gpu_call *call, struct gpu_arg *arg,
		     const struct gpu_arg_config *config)
{
	struct expr_env *env = step_env(step);
	struct value value;
	int r = template_tree_eval(config->tree, env, &value);

	arg->is_returned = config->is_returned;
	if (r < 0)
		return r;
	if (config->elements) {
		arg->form = GPU_ARG_ELEMENTS;
		return args_count(step, value, "elements", &arg->n_elements);
	}
	if (arg->param->kind == GPU_PARAM_ARRAY)
		return args_take_array(step, call, arg, value);
	arg->form = GPU_ARG_SCALAR;
	r = value_open(&value, env->arena);
	return r < 0 ? r : gpu_make_scalar(arg->param, value, arg->scalar, env->message);
}

static int args_take_sizes(struct step_run *step, struct gpu_call *call,
			   const struct gpu_config *config)
{
	struct expr_env *env = step_env(step);
	const struct value *items;
	struct value size;
	int r = template_tree_eval(config->size, env, &size);

	if (r == 0)
		r = value_open(&size, env->arena);
	if (r < 0)
		return r;
	items = size.kind == VALUE_LIST ? size.items : &size;
	call->n_dims = size.kind == VALUE_LIST ? size.len : 1;
	if (call->n_dims < 1 || call->n_dims > 3 ||
	    (config->n_local && config->n_local != call->n_dims)) {
		snprintf(env->message, sizeof(env->message),
			 config->n_local ? "size has as many numbers as local"
					 : "size is one to three numbers");
		return -EBADMSG;
	}
	for (unsigned i = 0; i < call->n_dims && r == 0; i++)
		r = args_count(step, items[i], "size", &call->sizes[i]);
	return r;
}

int gpu_make_args(struct step_run *step, struct gpu_call *call)
{
	const struct gpu_config *config = step->config;
	int r = 0;

	call->is_bounded = config->bounds == GPU_BOUNDS_ARRAYS;
	call->gives_bytes = config->output == GPU_OUTPUT_BYTES;
	memcpy(call->local, config->local, sizeof(call->local));
	for (size_t i = 0; i < call->n_args && r == 0; i++)
		r = args_take(step, call, &call->args[i], &config->args[i]);
	return r == 0 && config->size ? args_take_sizes(step, call, config) : r;
}
