/* server/expr/expr_ops.c: the operators. Messages name the kinds of the operands, never their
 * values: those may be secret or personal. */
#include "server/expr/expr_node.h"
#include "server/expr/number.h"
#include <errno.h>
#include <math.h>

const char *expr_op_name(enum expr_op op)
{
	static const char *const names[] = {
		[OP_NONE] = "",      [OP_COALESCE] = "??",
		[OP_OR] = "||",      [OP_AND] = "&&",
		[OP_EQUAL] = "==",   [OP_DIFFER] = "!=",
		[OP_LESS] = "<",     [OP_LESS_EQUAL] = "<=",
		[OP_GREATER] = ">",  [OP_GREATER_EQUAL] = ">=",
		[OP_IN] = "in",      [OP_ADD] = "+",
		[OP_SUBTRACT] = "-", [OP_MULTIPLY] = "*",
		[OP_DIVIDE] = "/",   [OP_REMAINDER] = "%",
		[OP_NOT] = "!",      [OP_NEGATE] = "-",
	};

	return names[op];
}

static int fail_kinds(struct expr_env *env, const char *name, const char *takes, struct value a,
		      struct value b)
{
	return expr_fail(env, "\"%s\" takes %s, got %s and %s", name, takes,
			 expr_kind_with_article(a), expr_kind_with_article(b));
}

static int fail_overflow(struct expr_env *env, enum expr_op op)
{
	return expr_fail(env, "the result of \"%s\" does not fit 64 bits", expr_op_name(op));
}

static int concatenate(struct expr_env *env, struct value a, struct value b, struct value *ret)
{
	size_t len = (size_t)a.len + b.len;
	char *text;

	if (len > UINT32_MAX)
		return -ENOMEM;
	text = arena_alloc(env->arena, len + 1);
	if (!text)
		return -ENOMEM;
	if (a.len)
		memcpy(text, a.ptr, a.len);
	if (b.len)
		memcpy(text + a.len, b.ptr, b.len);
	*ret = value_text((struct str){ text, len });
	return 0;
}

static int compute_integers(enum expr_op op, struct expr_env *env, int64_t a, int64_t b,
			    struct value *ret)
{
	int64_t result = 0;
	bool overflow = false;

	if ((op == OP_DIVIDE || op == OP_REMAINDER) && b == 0)
		return expr_fail(env, "\"%s\" divides by zero", expr_op_name(op));
	if (op == OP_ADD)
		overflow = __builtin_add_overflow(a, b, &result);
	else if (op == OP_SUBTRACT)
		overflow = __builtin_sub_overflow(a, b, &result);
	else if (op == OP_MULTIPLY)
		overflow = __builtin_mul_overflow(a, b, &result);
	else if (b == -1) /* the least integer has no positive one, and the CPU traps */
		overflow = op == OP_DIVIDE && __builtin_sub_overflow(0, a, &result);
	else
		result = op == OP_DIVIDE ? a / b : a % b;
	if (overflow)
		return fail_overflow(env, op);
	*ret = value_int(result);
	return 0;
}

static int compute_reals(enum expr_op op, struct expr_env *env, double a, double b,
			 struct value *ret)
{
	double result;

	if ((op == OP_DIVIDE || op == OP_REMAINDER) && b == 0)
		return expr_fail(env, "\"%s\" divides by zero", expr_op_name(op));
	if (op == OP_ADD)
		result = a + b;
	else if (op == OP_SUBTRACT)
		result = a - b;
	else if (op == OP_MULTIPLY)
		result = a * b;
	else
		result = op == OP_DIVIDE ? a / b : fmod(a, b);
	if (!isfinite(result))
		return fail_overflow(env, op);
	*ret = value_real(result);
	return 0;
}

static int compute(enum expr_op op, struct expr_env *env, struct value a, struct value b,
		   struct value *ret)
{
	struct number x, y;

	if (!number_is(a) || !number_is(b))
		return fail_kinds(env, expr_op_name(op),
				  op == OP_ADD ? "two numbers or two texts" : "two numbers", a, b);
	if (number_of(a, &x) < 0 || number_of(b, &y) < 0)
		return expr_fail(env,
				 "\"%s\" computes with 64 bits, and a number does not fit 64 bits",
				 expr_op_name(op));
	if (x.is_real || y.is_real)
		return compute_reals(op, env, x.real, y.real, ret);
	return compute_integers(op, env, x.integer, y.integer, ret);
}

int expr_add(struct expr_env *env, struct value a, struct value b, struct value *ret)
{
	if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT)
		return concatenate(env, a, b, ret);
	return compute(OP_ADD, env, a, b, ret);
}

int expr_negate(struct expr_env *env, struct value value, struct value *ret)
{
	struct number number;

	*ret = value_null();
	if (!number_is(value))
		return expr_fail(env, "\"-\" takes a number, got %s",
				 expr_kind_with_article(value));
	if (number_of(value, &number) < 0)
		return expr_fail(
			env, "\"-\" computes with 64 bits, and the number does not fit 64 bits");
	if (number.is_real)
		return compute_reals(OP_SUBTRACT, env, 0, number.real, ret);
	return compute_integers(OP_SUBTRACT, env, 0, number.integer, ret);
}

int expr_compare(struct expr_env *env, const char *name, struct value a, struct value b, int *ret)
{
	if (number_is(a) && number_is(b))
		*ret = number_compare(a, b);
	else if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT)
		*ret = str_cmp(value_str(a), value_str(b));
	else
		return fail_kinds(env, name, "two numbers or two texts", a, b);
	return 0;
}

static int is_equal(struct expr_env *env, struct value a, struct value b, bool *ret)
{
	int r = value_equal(a, b, env->arena, ret);

	return r == -EMSGSIZE ? expr_fail(env, "what is compared nests too deep") : r;
}

static int list_contains(struct expr_env *env, struct value list, struct value item, bool *ret)
{
	*ret = false;
	for (size_t i = 0; i < list.len && !*ret; i++) {
		int r = is_equal(env, list.items[i], item, ret);

		if (r < 0)
			return r;
	}
	return 0;
}

int expr_contains(struct expr_env *env, const char *name, struct value whole, struct value part,
		  bool *ret)
{
	struct value found;
	int r = value_open(&whole, env->arena);

	if (r < 0)
		return r;
	if (whole.kind == VALUE_LIST)
		return list_contains(env, whole, part, ret);
	if (whole.kind == VALUE_OBJECT && part.kind == VALUE_TEXT)
		*ret = value_member(whole, value_str(part), &found);
	else if (whole.kind == VALUE_TEXT && part.kind == VALUE_TEXT)
		*ret = str_find(value_str(whole), value_str(part)) >= 0;
	else
		return expr_fail(env,
				 "%slooks in a list, or for a text in a text or an object; "
				 "got %s in %s",
				 name, expr_kind_with_article(part), expr_kind_with_article(whole));
	return 0;
}

static int order(enum expr_op op, struct expr_env *env, struct value a, struct value b,
		 struct value *ret)
{
	int by;
	int r = expr_compare(env, expr_op_name(op), a, b, &by);

	if (r < 0)
		return r;
	*ret = value_bool(op == OP_LESS         ? by < 0
			  : op == OP_LESS_EQUAL ? by <= 0
			  : op == OP_GREATER    ? by > 0
						: by >= 0);
	return 0;
}

int expr_binary(enum expr_op op, struct expr_env *env, struct value a, struct value b,
		struct value *ret)
{
	bool found = false;
	int r;

	switch (op) {
	case OP_EQUAL:
	case OP_DIFFER:
		r = is_equal(env, a, b, &found);
		*ret = value_bool(found == (op == OP_EQUAL));
		return r;
	case OP_LESS:
	case OP_LESS_EQUAL:
	case OP_GREATER:
	case OP_GREATER_EQUAL:
		return order(op, env, a, b, ret);
	case OP_IN:
		r = expr_contains(env, "\"in\" ", b, a, &found);
		*ret = value_bool(found);
		return r;
	case OP_ADD:
		return expr_add(env, a, b, ret);
	case OP_SUBTRACT:
	case OP_MULTIPLY:
	case OP_DIVIDE:
	case OP_REMAINDER:
		return compute(op, env, a, b, ret);
	case OP_NONE:
	case OP_COALESCE:
	case OP_OR:
	case OP_AND:
	case OP_NOT:
	case OP_NEGATE:
		break;
	}
	unreachable();
}
