/* server/expr/expr_eval.c: the value of a compiled expression.
 *
 * It recurses over the tree, whose height is bounded by EXPR_HEIGHT_MAX. The kinds that need room
 * for arguments have functions of their own, to keep the frames of the recursion small. */
#include "server/expr/expr_node.h"
#include "server/expr/number.h"
#include <errno.h>

int expr_fail(struct expr_env *env, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(env->message, sizeof(env->message), format, args);
	va_end(args);
	return -EINVAL;
}

const char *expr_kind_with_article(struct value value)
{
	switch (value_kind_name(value)[0]) {
	case 'n':
		return value.kind == VALUE_NULL ? "null" : "a number";
	case 'b':
		return "a boolean";
	case 't':
		return "a text";
	case 'l':
		return "a list";
	default:
		return "an object";
	}
}

/* A member by name, of what should be an object. */
static int member_of(struct expr_env *env, struct value of, struct str key, struct value *ret)
{
	uint8_t secret = of.secret;
	int r = value_open(&of, env->arena);

	if (r < 0)
		return r;
	if (of.kind != VALUE_OBJECT && of.kind != VALUE_NULL)
		return expr_fail(env, "a member is asked of %s; only an object has members",
				 expr_kind_with_article(of));
	if (!value_member(of, key, ret))
		*ret = value_null();
	ret->secret |= secret;
	return 0;
}

static int element_of(struct expr_env *env, struct value list, struct value index,
		      struct value *ret)
{
	struct number number;

	if (!number_is(index) || (number_of(index, &number) == 0 && number.is_real))
		return expr_fail(env, "the index of a list is an integer, got %s",
				 expr_kind_with_article(index));
	*ret = value_null();
	if (number_of(index, &number) == 0 && number.integer >= 0 && number.integer < list.len)
		*ret = list.items[number.integer];
	return 0;
}

/* The text of a key that is only known now. Headers are asked for in lower case. */
static int key_text(struct expr_env *env, const struct expr *expr, struct value key,
		    struct str *ret)
{
	char *copy;

	if (key.kind != VALUE_TEXT)
		return expr_fail(env, "the name in brackets must be a text, got %s",
				 expr_kind_with_article(key));
	*ret = value_str(key);
	if (!expr->header_keys)
		return 0;
	copy = arena_alloc(env->arena, key.len + (size_t)1);
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < key.len; i++)
		copy[i] = char_lower(key.ptr[i]);
	ret->ptr = copy;
	return 0;
}

static int eval_root(const struct expr *expr, struct expr_env *env, struct value *ret)
{
	struct str key = expr->key;
	struct value name = value_null();
	int r = expr->n_args ? expr_eval(expr->args[0], env, &name) : 0;

	if (r == 0 && expr->n_args)
		r = key_text(env, expr, name, &key);
	if (r == 0)
		r = env->root(env, expr->root, key, ret);
	if (r == 0)
		ret->secret |= name.secret;
	return r;
}

static int eval_member(const struct expr *expr, struct expr_env *env, struct value *ret)
{
	struct value of;
	int r = expr_eval(expr->args[0], env, &of);

	return r < 0 ? r : member_of(env, of, expr->key, ret);
}

static int eval_index(const struct expr *expr, struct expr_env *env, struct value *ret)
{
	struct value of, index;
	struct str key;
	int r = expr_eval(expr->args[0], env, &of);

	if (r == 0)
		r = expr_eval(expr->args[1], env, &index);
	if (r == 0)
		r = value_open(&of, env->arena);
	if (r < 0)
		return r;
	if (of.kind == VALUE_NULL) {
		*ret = value_null();
	} else if (of.kind == VALUE_LIST) {
		r = element_of(env, of, index, ret);
	} else if (of.kind == VALUE_OBJECT) {
		r = key_text(env, expr, index, &key);
		if (r == 0)
			r = member_of(env, of, key, ret);
	} else {
		r = expr_fail(env, "%s has no elements; [] takes a list or an object",
			      expr_kind_with_article(of));
	}
	if (r == 0)
		ret->secret |= of.secret | index.secret;
	return r;
}

static int need_bool(struct expr_env *env, enum expr_op op, struct value value)
{
	if (value.kind == VALUE_BOOL)
		return 0;
	return expr_fail(env, "\"%s\" takes booleans, got %s", expr_op_name(op),
			 expr_kind_with_article(value));
}

static int eval_unary(const struct expr *expr, struct expr_env *env, struct value *ret)
{
	struct value value;
	int r = expr_eval(expr->args[0], env, &value);

	if (r < 0)
		return r;
	if (expr->op == OP_NEGATE) {
		r = expr_negate(env, value, ret);
	} else {
		r = need_bool(env, OP_NOT, value);
		if (r == 0)
			*ret = value_bool(!value.boolean);
	}
	if (r == 0)
		ret->secret = value.secret;
	return r;
}

/* && and || look at their right side only when the left one leaves it open. */
static int eval_logic(const struct expr *expr, struct expr_env *env, struct value *ret)
{
	struct value value = value_null();
	int r = expr_eval(expr->args[0], env, &value);
	uint8_t secret = value.secret;

	if (r == 0)
		r = need_bool(env, expr->op, value);
	if (r == 0 && value.boolean == (expr->op == OP_AND)) {
		r = expr_eval(expr->args[1], env, &value);
		if (r == 0)
			r = need_bool(env, expr->op, value);
	}
	if (r < 0)
		return r;
	*ret = value;
	ret->secret |= secret;
	return 0;
}

static int eval_binary(const struct expr *expr, struct expr_env *env, struct value *ret)
{
	struct value a, b;
	int r;

	if (expr->op == OP_AND || expr->op == OP_OR)
		return eval_logic(expr, env, ret);
	r = expr_eval(expr->args[0], env, &a);
	if (expr->op == OP_COALESCE && r == 0) {
		if (a.kind == VALUE_NULL)
			return expr_eval(expr->args[1], env, ret);
		*ret = a;
		return 0;
	}
	if (r == 0)
		r = expr_eval(expr->args[1], env, &b);
	if (r == 0)
		r = expr_binary(expr->op, env, a, b, ret);
	if (r == 0)
		ret->secret = a.secret | b.secret;
	return r;
}

static int eval_cond(const struct expr *expr, struct expr_env *env, struct value *ret)
{
	struct value cond;
	int r = expr_eval(expr->args[0], env, &cond);

	if (r < 0)
		return r;
	if (cond.kind != VALUE_BOOL)
		return expr_fail(env, "\"?:\" takes a boolean before \"?\", got %s",
				 expr_kind_with_article(cond));
	return expr_eval(expr->args[cond.boolean ? 1 : 2], env, ret);
}

static int eval_list(const struct expr *expr, struct expr_env *env, struct value *ret)
{
	struct value *items = arena_alloc_array(env->arena, expr->n_args + 1, sizeof(*items));
	uint8_t secret = 0;
	int r;

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < expr->n_args; i++) {
		r = expr_eval(expr->args[i], env, &items[i]);
		if (r < 0)
			return r;
		secret |= items[i].secret;
	}
	*ret = value_list(items, expr->n_args);
	ret->secret = secret;
	return 0;
}

static int eval_object(const struct expr *expr, struct expr_env *env, struct value *ret)
{
	struct member *members = arena_alloc_array(env->arena, expr->n_args + 1, sizeof(*members));
	uint8_t secret = 0;
	int r;

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < expr->n_args; i++) {
		members[i].key = expr->keys[i];
		r = expr_eval(expr->args[i], env, &members[i].value);
		if (r < 0)
			return r;
		secret |= members[i].value.secret;
	}
	*ret = value_object(members, expr->n_args);
	ret->secret = secret;
	return 0;
}

static int __attribute__((noinline)) call_failed(const struct expr *expr, struct expr_env *env)
{
	char why[sizeof(env->message)];

	memcpy(why, env->message, sizeof(why));
	return expr_fail(env, "%s() %s", expr->function->name, why);
}

static int __attribute__((noinline))
eval_call(const struct expr *expr, struct expr_env *env, struct value *ret)
{
	struct value args[EXPR_ARGS_MAX];
	uint8_t secret = 0;
	int r;

	for (size_t i = 0; i < expr->n_args; i++) {
		r = expr_eval(expr->args[i], env, &args[i]);
		if (r < 0)
			return r;
		secret |= args[i].secret;
	}
	r = expr->function->run(env, args, expr->n_args, ret);
	if (r == 0)
		ret->secret = expr->function->hides ? 0 : ret->secret | secret;
	return r == -EINVAL ? call_failed(expr, env) : r;
}

int expr_eval(const struct expr *expr, struct expr_env *env, struct value *ret)
{
	switch (expr->kind) {
	case EXPR_CONSTANT:
		*ret = expr->constant;
		return 0;
	case EXPR_ROOT:
		return eval_root(expr, env, ret);
	case EXPR_TASK:
		return env->task(env, expr->task, expr->key, ret);
	case EXPR_MEMBER:
		return eval_member(expr, env, ret);
	case EXPR_INDEX:
		return eval_index(expr, env, ret);
	case EXPR_UNARY:
		return eval_unary(expr, env, ret);
	case EXPR_BINARY:
		return eval_binary(expr, env, ret);
	case EXPR_COND:
		return eval_cond(expr, env, ret);
	case EXPR_LIST:
		return eval_list(expr, env, ret);
	case EXPR_OBJECT:
		return eval_object(expr, env, ret);
	case EXPR_CALL:
		return eval_call(expr, env, ret);
	}
	unreachable();
}

int expr_eval_bool(const struct expr *expr, struct expr_env *env, bool *ret)
{
	struct value value;
	int r = expr_eval(expr, env, &value);

	if (r < 0)
		return r;
	if (value.kind != VALUE_BOOL && value.kind != VALUE_NULL)
		return expr_fail(env, "a condition is true, false or null, got %s",
				 expr_kind_with_article(value));
	*ret = value.kind == VALUE_BOOL && value.boolean;
	return 0;
}

bool expr_is_constant(const struct expr *expr, struct value *ret)
{
	if (expr->kind != EXPR_CONSTANT)
		return false;
	*ret = expr->constant;
	return true;
}
