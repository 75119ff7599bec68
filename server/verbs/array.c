/* server/verbs/array.c */
#include "server/verbs/array.h"
#include "core/base/memory.h"
#include "server/expr/json.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PATH_NAMES_MAX = 16, ARRAY_MEMORY = 4 }; /* times what the request may use */

const char *const array_fields[] = { "result", NULL };

/* ------------------------------------------------------------ compiling */

static bool array_path_refuse(struct verb_compiler *compiler, const struct node *node,
			      const char *what)
{
	diag_error(compiler->flow->diag, node->place,
		   "`%s` says where to look in an element: a name, as in price, or names joined by "
		   "dots, as in customer.name; no ${…}",
		   what);
	return false;
}

bool array_compile_path(struct verb_compiler *compiler, const struct node *node, const char *what,
			struct array_path *ret_path)
{
	struct arena *arena = compiler->flow->arena;
	struct array_path path = { .names = arena_alloc_array(arena, PATH_NAMES_MAX,
							      sizeof(struct str)) };
	struct str rest = node ? node->text : STR_NONE, name;

	*ret_path = path;
	if (!node)
		return true;
	if (!node_is_scalar(node) || node->kind == NODE_NULL || rest.len == 0 ||
	    str_find(rest, STR("${")) >= 0)
		return array_path_refuse(compiler, node, what);
	if (str_starts_with(rest, STR("-"))) {
		path.descending = true;
		rest = str_skip(rest, 1);
	}
	while (str_next_part(&rest, '.', &name)) {
		if (name.len == 0 || path.n_names == PATH_NAMES_MAX)
			return array_path_refuse(compiler, node, what);
		path.names[path.n_names++] = name;
	}
	*ret_path = path;
	return path.n_names > 0 || array_path_refuse(compiler, node, what);
}

bool array_compile_keys(struct verb_compiler *compiler, const struct node *node, const char *what,
			struct array_path *paths, size_t *ret_n_paths)
{
	bool ok = true;

	*ret_n_paths = 0;
	if (!node)
		return true;
	if (node->kind != NODE_LIST) {
		*ret_n_paths = 1;
		return array_compile_path(compiler, node, what, paths);
	}
	if (node->n_entries == 0 || node->n_entries > ARRAY_KEYS_MAX) {
		diag_error(compiler->flow->diag, node->place, "`%s` takes one to %d names", what,
			   ARRAY_KEYS_MAX);
		return false;
	}
	for (size_t i = 0; i < node->n_entries; i++)
		ok &= array_compile_path(compiler, node->entries[i].value, what, &paths[i]);
	*ret_n_paths = node->n_entries;
	return ok;
}

/* ------------------------------------------------------------ on the pool */

void array_fail(struct array_work *work, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(work->message, sizeof(work->message), format, args);
	va_end(args);
	work->error = -EINVAL;
}

bool array_read(struct array_work *work, struct value *ret_list)
{
	work->error = json_read(work->text, &work->arena, ret_list, NULL);
	if (work->error == 0 && ret_list->kind != VALUE_LIST)
		array_fail(work, "it wants a list, not %s", value_kind_name(*ret_list));
	return work->error == 0;
}

struct value array_at(struct value element, const struct array_path *path)
{
	for (size_t i = 0; i < path->n_names; i++)
		if (!value_member(element, path->names[i], &element))
			return value_null();
	return element;
}

static void array_run(void *data)
{
	struct array_work *work = data;

	work->run(work);
}

static void array_release(void *data)
{
	struct array_work *work = data;

	arena_fini(&work->arena);
}

/* ------------------------------------------------------------ on the loop */

static bool array_copy_path(struct arena *arena, struct array_path *path)
{
	struct str *names = arena_alloc_array(arena, path->n_names + 1, sizeof(*names));

	for (size_t i = 0; names && i < path->n_names; i++) {
		names[i] = arena_str(arena, path->names[i]);
		if (!names[i].ptr)
			return false;
	}
	path->names = names;
	return names != NULL;
}

/* The text of the list, in the block. 0 or -ENOMEM. */
static int array_copy_text(struct array_work *work, struct value list)
{
	struct buf text;

	if (list.kind == VALUE_JSON) {
		work->text = arena_str(&work->arena, list.json->text);
		return work->text.ptr ? 0 : -ENOMEM;
	}
	buf_init_arena(&text, &work->arena);
	value_write_json(list, &text);
	work->text = buf_str(&text);
	return text.error ? -ENOMEM : 0;
}

static int array_fill(struct array_work *work, const struct array_work *spec, struct arena *arena,
		      struct value list)
{
	*work = *spec;
	arena_init(&work->arena,
		   arena->max > SIZE_MAX / ARRAY_MEMORY ? SIZE_MAX : arena->max * ARRAY_MEMORY);
	work->arena.budget = arena->budget;
	for (size_t i = 0; i < work->n_keys; i++)
		if (!array_copy_path(&work->arena, &work->keys[i]))
			return -ENOMEM;
	if (!array_copy_path(&work->arena, &work->of))
		return -ENOMEM;
	return array_copy_text(work, list);
}

struct offload *array_offload(struct step_run *run, struct template_tree *list,
			      const struct array_work *spec)
{
	struct offload *offload;
	struct value value;
	int r = template_tree_eval(list, step_env(run), &value);

	if (r == 0 && strcmp(value_kind_name(value), "list") != 0) {
		snprintf(step_env(run)->message, sizeof(step_env(run)->message),
			 "it wants a list, not %s", value_kind_name(value));
		r = -EINVAL;
	}
	if (r < 0) {
		step_done_errno(run, r);
		return NULL;
	}
	offload = offload_create(sizeof(struct array_work), array_run, array_release);
	if (array_fill(offload_data(offload), spec, step_arena(run), value) == 0)
		return offload;
	offload_drop(offload);
	step_done_errno(run, -ENOMEM);
	return NULL;
}

/* What came back. */
static void array_finish(struct array_state *state, struct array_work *work)
{
	struct step_run *run = state->step;
	struct str text;
	int r = work->error;

	if (r == -EINVAL) {
		step_done(run, ERROR_EXPR_ERROR, arena_str(step_arena(run), str_of(work->message)));
		return;
	}
	text = r < 0 ? STR_NONE : arena_str(step_arena(run), work->out);
	if (r == 0)
		r = text.ptr ? value_json(&state->result, step_arena(run), text) : -ENOMEM;
	step_done_errno(run, r);
}

static void array_on_end(struct task *task)
{
	struct array_state *state = container_of(task, struct array_state, compute.task);
	struct offload *offload = take(&state->compute.offload);

	compute_fini(&state->compute);
	if (task->outcome == OUTCOME_OK)
		array_finish(state, offload_data(offload));
	else
		step_fail_reason(state->step, state->compute.reason, ERROR_QUEUE_FULL);
	offload_drop(offload);
}

void array_start(struct step_run *run, const struct compute_queue *queue, struct offload *offload)
{
	struct array_state *state = run->state;

	if (!queue->open) {
		offload_drop(offload);
		step_done(run, ERROR_UNAVAILABLE, STR("nothing computes here"));
		return;
	}
	((struct array_work *)offload_data(offload))->queue = queue->open;
	state->step = run;
	compute_init(&state->compute, queue->open, offload, &(struct compute){ 0 }, array_on_end);
	task_start(&state->compute.task, &run->run->scope);
}

void array_cancel(struct step_run *run)
{
	struct array_state *state = run->state;

	task_cancel(&state->compute.task);
}

int array_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct array_state *state = run->state;

	(void)name;
	*ret = state->result;
	return 0;
}
