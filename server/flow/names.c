/* server/flow/names.c: which task a name means: those of the flow, then those of the groups
 * around it.
 *
 * struct expr_names is copied by those who add roots to it, so its task() finds the scope by
 * `task_names`, in front of which the scope's address stands. */
#include "server/flow/step.h"

struct scope_list {
	const struct flow_scope *scope;
	bool outer; /* for what reads the ended flow */
	const char *names[];
};

struct flow_scope {
	struct flow *flow;
	struct flow_scope *parent;
	unsigned depth;
	uint32_t *sorted; /* indices of steps, by name */
	struct expr_names inner, outer;
};

bool name_is_valid(struct str name)
{
	if (name.len == 0 || name.len > 64 || char_is_digit(name.ptr[0]))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !char_is_digit(c) && c != '_')
			return false;
	}
	return true;
}

static bool scope_find_own(const struct flow_scope *scope, struct str name, uint32_t *ret_index)
{
	const struct flow *flow = scope->flow;
	size_t low = 0, high = flow->n_steps;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_cmp(name, flow->steps[scope->sorted[middle]].name);

		if (order == 0) {
			*ret_index = scope->sorted[middle];
			return true;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

bool scope_find(const struct flow_scope *scope, struct str name, uint32_t *ret_number)
{
	uint32_t index;

	for (unsigned level = 0; scope; scope = scope->parent, level++) {
		if (scope_find_own(scope, name, &index)) {
			*ret_number = step_number(level, index);
			return true;
		}
	}
	return false;
}

struct step *scope_step(const struct flow_scope *scope, uint32_t number)
{
	for (unsigned level = step_number_level(number); level > 0; level--)
		scope = scope->parent;
	return &scope->flow->steps[step_number_index(number)];
}

static int scope_task(const struct expr_names *names, struct str name)
{
	const struct scope_list *list =
		container_of(names->task_names, const struct scope_list, names);
	uint32_t number;

	if (!scope_find(list->scope, name, &number))
		return -1;
	if (list->outer && scope_step(list->scope, number)->detached)
		return -1;
	return (int)number;
}

/* Of a task whose verb is not known there has been told an error already. */
static const char *const *scope_task_fields(const struct expr_names *names, unsigned task)
{
	static const char *const none[] = { NULL };
	const struct scope_list *list =
		container_of(names->task_names, const struct scope_list, names);
	const struct verb *verb = scope_step(list->scope, task)->known_verb;

	if (!verb)
		return NULL;
	return verb->fields ? verb->fields : none;
}

static const char *scope_task_streams(const struct expr_names *names, unsigned task)
{
	const struct scope_list *list =
		container_of(names->task_names, const struct scope_list, names);
	const struct step *step = scope_step(list->scope, task);

	return step->streams ? step->known_verb->main_field : NULL;
}

bool scope_may_stream(const struct flow_scope *scope)
{
	return scope->flow->may_stream;
}

static struct expr_names scope_names(const struct flow_scope *scope, struct arena *arena,
				     const struct flow_compiler *compiler, bool outer)
{
	struct scope_list *list;
	size_t n_names = 0;

	for (const struct flow_scope *at = scope; at; at = at->parent)
		n_names += at->flow->n_steps;
	list = arena_alloc(arena, sizeof(*list) + (n_names + 1) * sizeof(list->names[0]));
	list->scope = scope;
	list->outer = outer;
	n_names = 0;
	for (const struct flow_scope *at = scope; at; at = at->parent)
		for (size_t i = 0; i < at->flow->n_steps; i++)
			if (!outer || !at->flow->steps[i].detached)
				list->names[n_names++] = at->flow->steps[i].name.ptr;
	list->names[n_names] = NULL;
	return (struct expr_names){
		.roots = scope->flow->roots,
		.task = scope_task,
		.task_names = list->names,
		.task_fields = scope_task_fields,
		.task_streams = scope_task_streams,
		.path_names = compiler->path_names,
		.constant = compiler->constant,
	};
}

/* Shell sort: no recursion, and a thousand names at most. */
static void scope_sort(struct flow_scope *scope)
{
	const struct step *steps = scope->flow->steps;
	size_t n = scope->flow->n_steps;

	for (size_t gap = n / 2; gap > 0; gap /= 2) {
		for (size_t i = gap; i < n; i++) {
			uint32_t moved = scope->sorted[i];
			size_t at = i;

			for (; at >= gap &&
			       str_cmp(steps[scope->sorted[at - gap]].name, steps[moved].name) > 0;
			     at -= gap)
				scope->sorted[at] = scope->sorted[at - gap];
			scope->sorted[at] = moved;
		}
	}
}

struct flow_scope *scope_create(struct arena *arena, struct flow *flow, struct flow_scope *parent,
				const struct flow_compiler *compiler)
{
	struct flow_scope *scope = arena_zalloc(arena, sizeof(*scope));

	scope->flow = flow;
	scope->parent = parent;
	scope->depth = parent ? parent->depth + 1 : 0;
	scope->sorted = arena_alloc_array(arena, flow->n_steps + 1, sizeof(*scope->sorted));
	for (size_t i = 0; i < flow->n_steps; i++)
		scope->sorted[i] = (uint32_t)i;
	scope_sort(scope);
	scope->inner = scope_names(scope, arena, compiler, false);
	scope->outer = scope_names(scope, arena, compiler, true);
	return scope;
}

const struct expr_names *scope_inner_names(const struct flow_scope *scope)
{
	return &scope->inner;
}

const struct expr_names *scope_outer_names(const struct flow_scope *scope)
{
	return &scope->outer;
}

const char *scope_nearest(const struct flow_scope *scope, struct str name)
{
	return diag_nearest(name, scope->inner.task_names);
}

unsigned scope_depth(const struct flow_scope *scope)
{
	return scope->depth;
}

/* A unit separator cannot stand in any of the names. */
struct str scope_path(const struct flow_scope *scope, struct str task, struct arena *arena)
{
	struct str path = task;

	for (; scope; scope = scope->parent)
		path = arena_printf(
			arena, "%s%.*s\x1f%.*s",
			!scope->parent && scope->flow->roots & ROOT_BIT(ROOT_RUN) ? "job " : "",
			STR_ARG(scope->flow->name), STR_ARG(path));
	return path;
}
