/* server/expr/fn_text.c: functions on texts. */
#include "server/expr/functions.h"
#include <errno.h>

static size_t count_characters(struct str text)
{
	size_t n = 0;

	if (!str_is_utf8(text))
		return text.len;
	for (size_t i = 0; i < text.len; i++)
		n += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
	return n;
}

int fn_len(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct value arg = args[0];
	int r = value_open(&arg, env->arena);

	(void)n_args;
	if (r < 0)
		return r;
	if (arg.kind == VALUE_TEXT)
		*ret = value_int((int64_t)count_characters(value_str(arg)));
	else if (arg.kind == VALUE_LIST || arg.kind == VALUE_OBJECT)
		*ret = value_int(arg.len);
	else
		return expr_fail(env, "takes a text, a list or an object, got %s",
				 expr_kind_with_article(arg));
	return 0;
}

static char char_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static int change_case(struct expr_env *env, struct value arg, bool upper, struct value *ret)
{
	struct str text;
	char *out = NULL;
	int r = fn_take_text(env, arg, &text);

	if (r == 0)
		r = fn_give_text(env, text.len, &out, ret);
	if (r < 0)
		return r;
	check(out);
	for (size_t i = 0; i < text.len; i++)
		out[i] = upper ? char_upper(text.ptr[i]) : char_lower(text.ptr[i]);
	return 0;
}

int fn_lower(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	(void)n_args;
	return change_case(env, args[0], false, ret);
}

int fn_upper(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	(void)n_args;
	return change_case(env, args[0], true, ret);
}

int fn_trim(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct str text;
	int r = fn_take_text(env, args[0], &text);

	(void)n_args;
	if (r == 0)
		*ret = value_text(str_trim_space(text));
	return r;
}

/* How often `what`, which is not empty, stands in the text. */
static size_t count_parts(struct str text, struct str what)
{
	size_t n = 0;
	ptrdiff_t at;

	for (; (at = str_find(text, what)) >= 0; n++)
		text = str_skip(text, (size_t)at + what.len);
	return n;
}

int fn_split(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct str text, separator;
	struct value *items;
	size_t n_items;
	int r = fn_take_text(env, args[0], &text);

	(void)n_args;
	if (r == 0)
		r = fn_take_text(env, args[1], &separator);
	if (r < 0)
		return r;
	if (separator.len == 0)
		return expr_fail(env, "needs a separator that is not empty");
	n_items = count_parts(text, separator) + 1;
	items = arena_alloc_array(env->arena, n_items, sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i + 1 < n_items; i++) {
		size_t at = (size_t)str_find(text, separator);

		items[i] = value_text(str_first(text, at));
		text = str_skip(text, at + separator.len);
	}
	items[n_items - 1] = value_text(text);
	*ret = value_list(items, n_items);
	return 0;
}

int fn_join(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct value list = args[0];
	struct str separator;
	uint8_t secret = 0;
	struct buf out;
	int r = fn_take_list(env, &list);

	(void)n_args;
	if (r == 0)
		r = fn_take_text(env, args[1], &separator);
	if (r < 0)
		return r;
	buf_init_arena(&out, env->arena);
	for (size_t i = 0; i < list.len; i++) {
		struct value item = list.items[i];

		if (item.kind >= VALUE_LIST)
			return expr_fail(env, "takes a list of texts, got one with %s",
					 expr_kind_with_article(item));
		if (i > 0)
			buf_add(&out, separator);
		value_write_text(item, &out);
		secret |= item.secret;
	}
	r = fn_give_buf(&out, ret);
	if (r == 0)
		ret->secret = secret;
	return r;
}

static int take_three(struct expr_env *env, const struct value *args, struct str *texts)
{
	for (size_t i = 0; i < 3; i++) {
		int r = fn_take_text(env, args[i], &texts[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int fn_replace(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct str texts[3], text, what, by;
	struct buf out;
	ptrdiff_t at;
	int r = take_three(env, args, texts);

	(void)n_args;
	if (r < 0)
		return r;
	text = texts[0];
	what = texts[1];
	by = texts[2];
	if (what.len == 0)
		return expr_fail(env, "needs something to replace that is not empty");
	buf_init_arena(&out, env->arena);
	while (!out.error && (at = str_find(text, what)) >= 0) {
		buf_add(&out, str_first(text, (size_t)at));
		buf_add(&out, by);
		text = str_skip(text, (size_t)at + what.len);
	}
	buf_add(&out, text);
	return fn_give_buf(&out, ret);
}

int fn_contains(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	bool found = false;
	int r = expr_contains(env, "", args[0], args[1], &found);

	(void)n_args;
	*ret = value_bool(found);
	return r;
}

int fn_starts_with(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct str text, start;
	int r = fn_take_text(env, args[0], &text);

	(void)n_args;
	if (r == 0)
		r = fn_take_text(env, args[1], &start);
	if (r == 0)
		*ret = value_bool(str_starts_with(text, start));
	return r;
}

int fn_ends_with(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct str text, end;
	int r = fn_take_text(env, args[0], &text);

	(void)n_args;
	if (r == 0)
		r = fn_take_text(env, args[1], &end);
	if (r == 0)
		*ret = value_bool(str_ends_with(text, end));
	return r;
}

int fn_string(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct buf out;

	(void)n_args;
	if (args[0].kind == VALUE_TEXT) {
		*ret = args[0];
		return 0;
	}
	buf_init_arena(&out, env->arena);
	value_write_text(args[0], &out);
	return fn_give_buf(&out, ret);
}

int fn_raw(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	(void)env;
	(void)n_args;
	*ret = args[0];
	return 0;
}
