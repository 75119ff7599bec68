/* server/expr/fn_number.c: functions on numbers. */
#include "server/expr/functions.h"
#include "server/expr/number.h"
#include <math.h>

int fn_number(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	int64_t integer;
	struct str text;
	int r;

	(void)n_args;
	if (number_is(args[0])) {
		*ret = args[0];
		return 0;
	}
	r = fn_take_text(env, args[0], &text);
	if (r < 0)
		return r;
	if (!number_is_json(text))
		return expr_fail(env, "takes a text that is a number as JSON writes it");
	if (str_to_i64(text, &integer) == 0) {
		*ret = value_int(integer);
		return 0;
	}
	*ret = value_text(text);
	ret->kind = VALUE_NUMBER;
	return 0;
}

static int take_number(struct expr_env *env, struct value arg, struct number *ret)
{
	if (!number_is(arg))
		return expr_fail(env, "takes a number, got %s", expr_kind_with_article(arg));
	if (number_of(arg, ret) < 0)
		return expr_fail(env, "takes a number that fits 64 bits");
	return 0;
}

static int to_integer(struct expr_env *env, struct value arg, double (*how)(double),
		      struct value *ret)
{
	struct number number;
	double real;
	int r = take_number(env, arg, &number);

	if (r < 0)
		return r;
	if (!number.is_real) {
		*ret = value_int(number.integer);
		return 0;
	}
	real = how(number.real);
	if (real < -0x1p63 || real >= 0x1p63)
		return expr_fail(env, "gives a number that does not fit 64 bits");
	*ret = value_int((int64_t)real);
	return 0;
}

int fn_round(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	(void)n_args;
	return to_integer(env, args[0], round, ret);
}

int fn_floor(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	(void)n_args;
	return to_integer(env, args[0], floor, ret);
}

int fn_ceil(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	(void)n_args;
	return to_integer(env, args[0], ceil, ret);
}

int fn_abs(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct number number;
	int r = take_number(env, args[0], &number);

	(void)n_args;
	if (r < 0)
		return r;
	if (number.is_real) {
		*ret = value_real(fabs(number.real));
		return 0;
	}
	if (number.integer == INT64_MIN)
		return expr_fail(env, "gives a number that does not fit 64 bits");
	*ret = value_int(number.integer < 0 ? -number.integer : number.integer);
	return 0;
}
