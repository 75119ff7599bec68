/* server/expr/fn_list.c: functions on lists and objects. */
#include "server/expr/functions.h"
#include "server/expr/number.h"
#include <errno.h>

static int list_members(struct expr_env *env, struct value object, bool keys, struct value *ret)
{
	struct value *items;
	int r = fn_take_object(env, &object);

	if (r < 0)
		return r;
	items = arena_alloc_array(env->arena, (size_t)object.len + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < object.len; i++)
		items[i] = keys ? object.members[i].key : object.members[i].value;
	*ret = value_list(items, object.len);
	return 0;
}

int fn_keys(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	(void)n_args;
	return list_members(env, args[0], true, ret);
}

int fn_values(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	(void)n_args;
	return list_members(env, args[0], false, ret);
}

int fn_first(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct value list = args[0];
	int r = fn_take_list(env, &list);

	(void)n_args;
	if (r == 0)
		*ret = list.len ? list.items[0] : value_null();
	return r;
}

int fn_last(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct value list = args[0];
	int r = fn_take_list(env, &list);

	(void)n_args;
	if (r == 0)
		*ret = list.len ? list.items[list.len - 1] : value_null();
	return r;
}

int fn_default(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	(void)env;
	(void)n_args;
	*ret = value_is_null(args[0]) ? args[1] : args[0];
	return 0;
}

/* The one that is before all others: by `sign` 1 the least, by -1 the greatest. */
static int find_extreme(struct expr_env *env, const struct value *items, size_t n_items, int sign,
			struct value *ret)
{
	*ret = n_items ? items[0] : value_null();
	for (size_t i = 0; i < n_items; i++) {
		bool numbers = number_is(items[i]) && number_is(*ret);
		int order;

		if (!numbers && (items[i].kind != VALUE_TEXT || ret->kind != VALUE_TEXT))
			return expr_fail(env, "takes only numbers or only texts, got %s and %s",
					 expr_kind_with_article(*ret),
					 expr_kind_with_article(items[i]));
		order = numbers ? number_compare(items[i], *ret)
				: str_cmp(value_str(items[i]), value_str(*ret));
		if (order * sign < 0)
			*ret = items[i];
	}
	return 0;
}

static int pick_extreme(struct expr_env *env, const struct value *args, size_t n_args, int sign,
			struct value *ret)
{
	struct value list = args[0];
	int r;

	if (n_args > 1)
		return find_extreme(env, args, n_args, sign, ret);
	r = fn_take_list(env, &list);
	return r < 0 ? r : find_extreme(env, list.items, list.len, sign, ret);
}

int fn_min(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	return pick_extreme(env, args, n_args, 1, ret);
}

int fn_max(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	return pick_extreme(env, args, n_args, -1, ret);
}

int fn_sum(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct value list = args[0], sum = value_int(0);
	uint8_t secret = 0;
	int r = fn_take_list(env, &list);

	(void)n_args;
	for (size_t i = 0; r == 0 && i < list.len; i++) {
		if (!number_is(list.items[i]))
			return expr_fail(env, "takes a list of numbers, got one with %s",
					 expr_kind_with_article(list.items[i]));
		secret |= list.items[i].secret;
		if (expr_add(env, sum, list.items[i], &sum) < 0)
			return expr_fail(env, "gives a number that does not fit 64 bits");
	}
	if (r == 0) {
		*ret = sum;
		ret->secret = secret;
	}
	return r;
}
