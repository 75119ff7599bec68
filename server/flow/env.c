/* server/flow/env.c: what the expressions of a run read: roots, and the results of its tasks and
 * of those around it. */
#include "core/base/clock.h"
#include "server/flow/step.h"
#include <errno.h>
#include <stdio.h>

/* ------------------------------------------------------------ roots */

static int env_member(struct expr_env *env, enum expr_root root, struct value whole, struct str key,
		      struct value *ret)
{
	struct value member;
	int r;

	if (!key.ptr) {
		*ret = whole;
		return 0;
	}
	r = value_open(&whole, env->arena);
	if (r < 0)
		return r;
	if (whole.kind != VALUE_OBJECT && whole.kind != VALUE_NULL) {
		snprintf(env->message, sizeof(env->message), "%s is a %s, which has no members",
			 expr_root_name(root), value_kind_name(whole));
		return -EINVAL;
	}
	*ret = value_member(whole, key, &member) ? member : value_null();
	return 0;
}

static int env_context_root(struct flow_run *run, enum expr_root root, struct str key,
			    struct value *ret)
{
	struct expr_env *env = &run->env;
	int r;

	env->message[0] = '\0';
	r = run->context->ops->root(run->context, root, key, ret);
	if (r < 0 && !env->message[0])
		snprintf(env->message, sizeof(env->message), "%s cannot be read",
			 expr_root_name(root));
	return r;
}

enum { LOCAL_ROOTS = ROOT_BIT(ROOT_ITEM) | ROOT_BIT(ROOT_INDEX) | ROOT_BIT(ROOT_REPEAT) };

static int env_local(struct flow_run *run, const struct flow_locals *locals, enum expr_root root,
		     struct str key, struct value *ret)
{
	struct member *member;

	if (root == ROOT_ITEM) {
		*ret = locals->item;
		return 0;
	}
	*ret = value_int(locals->index);
	if (root == ROOT_INDEX || (key.ptr && str_eq(key, STR("index"))))
		return 0;
	*ret = value_null();
	if (key.ptr)
		return 0;
	member = arena_alloc(run->context->arena, sizeof(*member));
	if (!member)
		return -ENOMEM;
	*member = (struct member){ value_text(STR("index")), value_int(locals->index) };
	*ret = value_object(member, 1);
	return 0;
}

/* The innermost run that has this root of its own; NULL: the context may have it. */
static const struct flow_locals *env_find_locals(const struct flow_run *run, enum expr_root root)
{
	for (; run; run = run->parent)
		if (run->locals && run->locals->roots & ROOT_BIT(root))
			return run->locals;
	return NULL;
}

int flow_env_root(struct expr_env *env, enum expr_root root, struct str key, struct value *ret)
{
	struct flow_run *run = container_of(env, struct flow_run, env);
	const struct flow_locals *locals = ROOT_BIT(root) & LOCAL_ROOTS ? env_find_locals(run, root)
									: NULL;
	struct value whole = value_null();
	int r;

	if (locals)
		return env_local(run, locals, root, key, ret);
	if (root == ROOT_WITH)
		return env_member(env, root, run->with ? *run->with : whole, key, ret);
	if (root != ROOT_ERROR)
		return env_context_root(run, root, key, ret);
	r = failure_value(&run->failure, env->arena, &whole);
	return r < 0 ? r : env_member(env, root, whole, key, ret);
}

/* ------------------------------------------------------------ results */

int failure_value(const struct failure *failure, struct arena *arena, struct value *ret)
{
	struct member *members;
	size_t n_members = 4;
	int status = failure->upstream_status ? failure->upstream_status : failure_status(failure);

	if (failure->code == ERROR_NONE) {
		*ret = value_null();
		return 0;
	}
	members = arena_alloc_array(arena, 8, sizeof(*members));
	if (!members)
		return -ENOMEM;
	members[0] = (struct member){ value_text(STR("code")), value_text(failure_code(failure)) };
	members[1] = (struct member){ value_text(STR("detail")), value_text(failure->detail) };
	members[2] = (struct member){ value_text(STR("status")), value_int(status) };
	members[3] = (struct member){ value_text(STR("task")), value_text(failure->task) };
	if (failure->faults)
		members[n_members++] =
			(struct member){ value_text(STR("errors")), *failure->faults };
	if (failure->sqlstate.len)
		members[n_members++] = (struct member){ value_text(STR("sqlstate")),
							value_text(failure->sqlstate) };
	if (failure->kafka.len)
		members[n_members++] =
			(struct member){ value_text(STR("kafka")), value_text(failure->kafka) };
	if (failure->errno_name)
		members[n_members++] = (struct member){ value_text(STR("errno")),
							value_text(str_of(failure->errno_name)) };
	*ret = value_object(members, n_members);
	return 0;
}

/* The fields that every task has; false: it is none of them. */
static bool step_common_field(struct step_run *run, struct str field, struct value *ret, int *ret_r)
{
	bool failed = run->status == STEP_FAILED || run->status == STEP_CANCELLED;

	*ret_r = 0;
	if (str_eq(field, STR("ok")))
		*ret = value_bool(run->status == STEP_OK);
	else if (str_eq(field, STR("failed")))
		*ret = value_bool(failed);
	else if (str_eq(field, STR("skipped")))
		*ret = value_bool(run->status == STEP_SKIPPED || run->status == STEP_WAITING);
	else if (str_eq(field, STR("error")))
		*ret_r = failure_value(&run->failure, step_arena(run), ret);
	else if (str_eq(field, STR("ms")))
		*ret = run->ended_ns
			       ? value_int((int64_t)((run->ended_ns - run->started_ns) / NS_PER_MS))
			       : value_null();
	else
		return false;
	return true;
}

static bool verb_has_field(const struct verb *verb, struct str field)
{
	for (size_t i = 0; verb->fields && verb->fields[i]; i++)
		if (str_eq(field, str_of(verb->fields[i])))
			return true;
	return false;
}

static int step_refuse_field(struct step_run *run, struct str field)
{
	struct expr_env *env = step_env(run);

	snprintf(env->message, sizeof(env->message), "the task %s, which is `%s`, has no .%.*s",
		 run->step->name.ptr, run->step->verb->name, STR_ARG(str_first(field, 40)));
	return -EINVAL;
}

/* Whose fields they are. */
static const struct verb *step_result_verb(const struct step *step)
{
	return step->verb == &verb_finish || step->verb == &verb_cached ? step->known_verb
									: step->verb;
}

int step_field(struct step_run *run, struct str field, struct value *ret)
{
	const struct verb *verb = step_result_verb(run->step);
	bool whole = field.len == 0;
	int r;

	*ret = value_null();
	if (!whole && step_common_field(run, field, ret, &r))
		return r;
	if (!whole && !verb_has_field(verb, field))
		return step_refuse_field(run, field);
	if (whole)
		field = str_of(verb->main_field);
	if (run->status == STEP_FAILED && run->step->fallback &&
	    str_eq(field, str_of(verb->main_field))) {
		*ret = run->fallback;
		return 0;
	}
	if (run->status != STEP_OK && (whole || run->status != STEP_FAILED))
		return 0;
	return field.len && run->n_tries > 0 ? run->step->verb->field(run, field, ret) : 0;
}

int step_field_none(struct step_run *run, struct str name, struct value *ret)
{
	(void)run;
	(void)name;
	*ret = value_null();
	return 0;
}

const struct flow_run *flow_run_climb(const struct flow_run *run, uint32_t number,
				      uint32_t *ret_index)
{
	for (unsigned level = step_number_level(number); level > 0; level--)
		run = run->parent;
	*ret_index = step_number_index(number);
	return run;
}

/* A detached task reads copies; what its own failure would say about the message is in `env`. */
int flow_env_task(struct expr_env *env, unsigned number, struct str field, struct value *ret)
{
	const struct flow_run *own = container_of(env, struct flow_run, env);
	uint32_t index;
	const struct flow_run *run = flow_run_climb(own, number, &index);
	const struct value *copy;
	int r;

	*ret = value_null();
	if (run->capture) {
		copy = capture_find(run->capture, index, field);
		if (copy)
			*ret = *copy;
		return 0;
	}
	if (run->flow->repeats && !run->ended)
		run = run->round;
	if (run && run->race && run->race->sole && run->race->sole != &run->steps[index])
		run = NULL;
	if (!run || !run->steps) { /* no round before, another racer, no memory: it has not run */
		if (str_eq(field, STR("ok")) || str_eq(field, STR("failed")))
			*ret = value_bool(false);
		else if (str_eq(field, STR("skipped")))
			*ret = value_bool(true);
		return 0;
	}
	r = step_field(&run->steps[index], field, ret);
	if (r < 0 && run != own)
		memcpy(env->message, run->env.message, sizeof(env->message));
	return r;
}

struct body_source *flow_env_source(struct expr_env *env, unsigned number)
{
	const struct flow_run *own = container_of(env, struct flow_run, env);
	uint32_t index;
	const struct flow_run *run = flow_run_climb(own, number, &index);
	struct step_run *step = run->steps ? &run->steps[index] : NULL;
	struct body_source *source;

	if (!step || step->status != STEP_OK || !step->step->streams)
		return NULL;
	source = step->step->verb->source(step);
	if (source)
		context_take(run->context, source);
	return source;
}
