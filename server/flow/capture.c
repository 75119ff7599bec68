/* server/flow/capture.c: what a detached task reads of the flow that started it, copied.
 *
 * The copies stand where the originals did: one empty run for each flow around the task, linked
 * as those were, so that the numbers in its expressions mean the same. */
#include "server/flow/step.h"
#include <errno.h>

struct captured {
	uint32_t index;
	struct str field;
	struct value value;
};

struct capture {
	size_t n_values;
	struct captured *values;
	struct flow_run run; /* stands for the one that was copied */
};

struct capture_set {
	uint64_t roots; /* that were copied */
	struct value values[N_ROOTS];
	struct value with;
	struct capture *innermost;
};

static const char *const common_fields[] = { "", "ok", "failed", "skipped", "error", "ms", NULL };

const struct value *capture_find(const struct capture *capture, uint32_t index, struct str field)
{
	for (size_t i = 0; i < capture->n_values; i++)
		if (capture->values[i].index == index && str_eq(capture->values[i].field, field))
			return &capture->values[i].value;
	return NULL;
}

/* Only running out of memory is a reason to give up: what cannot be read is null, as it would be
 * for nobody else. */
static int capture_value(struct arena *arena, struct value value, struct value *ret)
{
	int r = value_copy(ret, value, arena);

	if (r < 0 && r != -ENOMEM)
		*ret = value_null();
	return r == -ENOMEM ? r : 0;
}

static int capture_fields(struct capture *capture, struct arena *arena, struct flow_run *from,
			  uint32_t number, uint32_t index, const char *const fields[])
{
	for (; fields && *fields; fields++) {
		struct captured *captured = &capture->values[capture->n_values];
		struct value value;
		int r = flow_env_task(&from->env, number, str_of(*fields), &value);

		if (r == -ENOMEM)
			return r;
		*captured = (struct captured){ .index = index, .field = str_of(*fields) };
		r = capture_value(arena, r < 0 ? value_null() : value, &captured->value);
		if (r < 0)
			return r;
		capture->n_values++;
	}
	return 0;
}

static size_t fields_count(const char *const fields[])
{
	size_t n_fields = 0;

	while (fields && fields[n_fields])
		n_fields++;
	return n_fields;
}

/* How many values the tasks on one level have. */
static size_t capture_count(struct flow_run *from, const struct step *step, unsigned level)
{
	size_t n_values = 0;
	uint32_t index;

	for (size_t i = 0; i < step->refs.n_refs; i++) {
		uint32_t number = step->refs.refs[i].number;
		const struct flow_run *run;

		if (step_number_level(number) != level)
			continue;
		run = flow_run_climb(from, number, &index);
		n_values += fields_count(common_fields) +
			    fields_count(run->flow->steps[index].verb->fields);
	}
	return n_values;
}

static int capture_level(struct capture *capture, struct arena *arena, struct flow_run *from,
			 const struct step *step, unsigned level)
{
	int r = 0;

	capture->values = arena_alloc_array(arena, capture_count(from, step, level) + 1,
					    sizeof(*capture->values));
	if (!capture->values)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < step->refs.n_refs; i++) {
		uint32_t number = step->refs.refs[i].number, index;
		const struct flow_run *run;

		if (step_number_level(number) != level)
			continue;
		run = flow_run_climb(from, number, &index);
		r = capture_fields(capture, arena, from, number, index, common_fields);
		if (r == 0)
			r = capture_fields(capture, arena, from, number, index,
					   run->flow->steps[index].verb->fields);
	}
	return r;
}

/* The flows that a task calls may read roots that its own expressions do not name. */
static uint64_t capture_roots(const struct flow *flow)
{
	uint64_t roots = flow->roots_used;

	for (size_t i = 0; i < flow->n_steps; i++) {
		const struct step *step = &flow->steps[i];

		if (step->group)
			roots |= step->calls ? step->group->roots : capture_roots(step->group);
	}
	return roots & ~flow->own_roots;
}

static int capture_all_roots(struct capture_set *set, struct arena *arena, struct flow_run *run,
			     const struct step *step)
{
	uint64_t roots = step->uses.roots | capture_roots(step->group);
	int r = 0;

	for (unsigned root = 0; r == 0 && root < N_ROOTS; root++) {
		struct value value = value_null();

		if (!(roots & ROOT_BIT(root)) || root == ROOT_WITH || root == ROOT_ENV ||
		    root == ROOT_SECRET)
			continue;
		r = flow_env_root(&run->env, (enum expr_root)root, STR_NONE, &value);
		if (r == -ENOMEM)
			return r;
		r = capture_value(arena, r < 0 ? value_null() : value, &set->values[root]);
	}
	set->roots = roots;
	if (r == 0 && run->with)
		r = capture_value(arena, *run->with, &set->with);
	return r;
}

int capture_step(struct capture **ret_capture, struct arena *arena, struct flow_run *from,
		 uint32_t index)
{
	const char *const *fields = from->flow->steps[index].verb->fields;
	struct capture *capture = arena_zalloc(arena, sizeof(*capture));

	*ret_capture = capture;
	if (!capture)
		return -ENOMEM;
	capture->values =
		arena_alloc_array(arena, fields_count(fields) + 1, sizeof(*capture->values));
	return capture->values ? capture_fields(capture, arena, from, index, index, fields)
			       : -ENOMEM;
}

int capture_create(struct capture_set **ret_set, struct arena *arena, struct flow_run *run,
		   const struct step *step)
{
	struct capture_set *set = arena_zalloc(arena, sizeof(*set));
	struct capture *capture, *inner = NULL;
	unsigned level = 0;
	int r;

	if (!set)
		return -ENOMEM;
	r = capture_all_roots(set, arena, run, step);
	for (struct flow_run *at = run; r == 0 && at; at = at->parent, level++) {
		capture = arena_zalloc(arena, sizeof(*capture));
		if (!capture)
			return -ENOMEM;
		capture->run.flow = at->flow;
		capture->run.capture = capture;
		if (inner)
			inner->run.parent = &capture->run;
		else
			set->innermost = capture;
		inner = capture;
		r = capture_level(capture, arena, run, step, level);
	}
	if (r == 0)
		*ret_set = set;
	return r;
}

int capture_root(const struct capture_set *set, struct arena *arena, enum expr_root root,
		 struct str key, struct value *ret)
{
	struct value whole = set->values[root], member;
	int r;

	*ret = whole;
	if (!key.ptr)
		return 0;
	r = value_open(&whole, arena);
	if (r < 0)
		return r;
	*ret = value_member(whole, key, &member) ? member : value_null();
	return 0;
}

struct flow_run *capture_run(struct capture_set *set)
{
	return &set->innermost->run;
}

const struct value *capture_with(const struct capture_set *set)
{
	return &set->with;
}
