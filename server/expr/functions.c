/* server/expr/functions.c: the table of functions. The parser, the manual and the schema read it.
 *
 * To add one: write it in the fn_*.c that suits, declare it in functions.h, list it here. */
#include "server/expr/functions.h"
#include <errno.h>

const struct expr_function expr_functions[] = {
	{ "len", 1, 1, false, fn_len, "len(x)",
	  "How many characters a text has (bytes where it is not UTF-8), elements a list, members "
	  "an object.",
	  false },
	{ "lower", 1, 1, false, fn_lower, "lower(text)", "The text with A to Z in lower case.",
	  false },
	{ "upper", 1, 1, false, fn_upper, "upper(text)", "The text with a to z in upper case.",
	  false },
	{ "trim", 1, 1, false, fn_trim, "trim(text)",
	  "The text without spaces, tabs and line breaks at both ends.", false },
	{ "split", 2, 2, false, fn_split, "split(text, separator)",
	  "The list of the parts between separators; an empty text is one empty part.", false },
	{ "join", 2, 2, false, fn_join, "join(list, separator)",
	  "The texts, numbers and booleans of the list as one text; null is empty.", false },
	{ "replace", 3, 3, false, fn_replace, "replace(text, what, by)",
	  "The text with `by` wherever `what` stood, from left to right.", false },
	{ "contains", 2, 2, false, fn_contains, "contains(whole, part)",
	  "Whether a text has that part, a list that element, an object that key.", false },
	{ "starts_with", 2, 2, false, fn_starts_with, "starts_with(text, start)",
	  "Whether the text starts so.", false },
	{ "ends_with", 2, 2, false, fn_ends_with, "ends_with(text, end)",
	  "Whether the text ends so.", false },
	{ "number", 1, 1, false, fn_number, "number(text)",
	  "The number that the text is, written as in JSON; of a number, itself.", false },
	{ "string", 1, 1, false, fn_string, "string(x)",
	  "The value as it stands in a text: null is empty, lists and objects are JSON.", false },
	{ "parse_json", 1, 1, false, fn_parse_json, "parse_json(text)",
	  "The value that the JSON text says.", false },
	{ "to_json", 1, 1, false, fn_to_json, "to_json(x)", "The value as a JSON text.", false },
	{ "base64", 1, 1, false, fn_base64, "base64(text)",
	  "The bytes in base64 (RFC 4648), padded.", false },
	{ "base64_decode", 1, 1, false, fn_base64_decode, "base64_decode(text)",
	  "What base64 or base64url says; padding may be missing.", false },
	{ "hex", 1, 1, false, fn_hex, "hex(text)",
	  "The bytes as hexadecimal digits, in lower case.", false },
	{ "sha256", 1, 1, false, fn_sha256, "sha256(text)",
	  "The SHA-256 as hexadecimal digits. Not a secret, even of one.", true },
	{ "hmac_sha256", 2, 2, false, fn_hmac_sha256, "hmac_sha256(key, text)",
	  "The HMAC-SHA-256 as hexadecimal digits. Not a secret, even with a key that is one.",
	  true },
	{ "uuid4", 0, 0, true, fn_uuid4, "uuid4()", "A new random UUID.", false },
	{ "uuid7", 0, 0, true, fn_uuid7, "uuid7()",
	  "A new UUID that begins with the time (RFC 9562); those of one thread ascend.", false },
	{ "now", 0, 0, true, fn_now, "now()",
	  "The time in milliseconds since 1970 (UTC), an integer.", false },
	{ "format_time", 1, 2, false, fn_format_time, "format_time(ms) or format_time(ms, format)",
	  "The time in UTC as RFC 3339 with milliseconds, or by a format of %Y %m %d %H %M %S %L "
	  "(milliseconds) %y %j %e %I %p %a %A %b %B %u %s %F %T %Z %z %%.",
	  false },
	{ "parse_time", 1, 1, false, fn_parse_time, "parse_time(text)",
	  "The milliseconds since 1970 of a time in RFC 3339.", false },
	{ "url_encode", 1, 1, false, fn_url_encode, "url_encode(text)",
	  "The text with all but A-Z a-z 0-9 - . _ ~ percent-encoded. URLs in a configuration do "
	  "this by "
	  "themselves.",
	  false },
	{ "min", 1, EXPR_ARGS_MAX, false, fn_min, "min(list) or min(a, b, ...)",
	  "The least of numbers or of texts; null of an empty list.", false },
	{ "max", 1, EXPR_ARGS_MAX, false, fn_max, "max(list) or max(a, b, ...)",
	  "The greatest of numbers or of texts; null of an empty list.", false },
	{ "keys", 1, 1, false, fn_keys, "keys(object)", "The list of its names, in their order.",
	  false },
	{ "values", 1, 1, false, fn_values, "values(object)",
	  "The list of its values, in their order.", false },
	{ "first", 1, 1, false, fn_first, "first(list)",
	  "The first element; null of an empty list.", false },
	{ "last", 1, 1, false, fn_last, "last(list)", "The last element; null of an empty list.",
	  false },
	{ "sum", 1, 1, false, fn_sum, "sum(list)", "The sum of the numbers; 0 of an empty list.",
	  false },
	{ "round", 1, 1, false, fn_round, "round(number)",
	  "The nearest integer; halves go away from zero.", false },
	{ "floor", 1, 1, false, fn_floor, "floor(number)",
	  "The greatest integer that is not greater.", false },
	{ "ceil", 1, 1, false, fn_ceil, "ceil(number)", "The least integer that is not less.",
	  false },
	{ "abs", 1, 1, false, fn_abs, "abs(number)", "The number without its sign.", false },
	{ "default", 2, 2, false, fn_default, "default(x, y)",
	  "y when x is null, else x: the same as x ?? y.", false },
	{ "raw", 1, 1, false, fn_raw, "raw(text)",
	  "As the whole of a ${} in `html`: what it says is HTML already, and is not escaped.",
	  false },
};

const size_t n_expr_functions = ARRAY_LEN(expr_functions);

int fn_take_text(struct expr_env *env, struct value arg, struct str *ret)
{
	if (arg.kind != VALUE_TEXT)
		return expr_fail(env, "takes a text, got %s", expr_kind_with_article(arg));
	*ret = value_str(arg);
	return 0;
}

int fn_take_list(struct expr_env *env, struct value *arg)
{
	int r = value_open(arg, env->arena);

	if (r == 0 && arg->kind != VALUE_LIST)
		r = expr_fail(env, "takes a list, got %s", expr_kind_with_article(*arg));
	return r;
}

int fn_take_object(struct expr_env *env, struct value *arg)
{
	int r = value_open(arg, env->arena);

	if (r == 0 && arg->kind != VALUE_OBJECT)
		r = expr_fail(env, "takes an object, got %s", expr_kind_with_article(*arg));
	return r;
}

int fn_give_text(struct expr_env *env, size_t len, char **ret_text, struct value *ret)
{
	char *text = len <= UINT32_MAX ? arena_alloc(env->arena, len + 1) : NULL;

	if (!text)
		return -ENOMEM;
	*ret_text = text;
	*ret = value_text((struct str){ text, len });
	return 0;
}

int fn_give_buf(const struct buf *buf, struct value *ret)
{
	if (buf->error || buf->len > UINT32_MAX)
		return -ENOMEM;
	*ret = value_text(buf_str(buf));
	return 0;
}
