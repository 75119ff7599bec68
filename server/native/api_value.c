/* server/native/api_value.c: values, as a module reads them. */
#include "server/expr/number.h"
#include "server/native/api_parts.h"
#include <math.h>

enum leat_type native_type(const struct leat_value *value)
{
	switch ((enum value_kind)native_value(value).kind) {
	case VALUE_NULL:
		return LEAT_NULL;
	case VALUE_BOOL:
		return LEAT_BOOL;
	case VALUE_INT:
	case VALUE_REAL:
	case VALUE_NUMBER:
		return LEAT_NUMBER;
	case VALUE_TEXT:
		return LEAT_TEXT;
	case VALUE_LIST:
		return LEAT_LIST;
	case VALUE_OBJECT:
		return LEAT_OBJECT;
	case VALUE_JSON: /* which call_open_all() has read */
		break;
	}
	unreachable();
}

bool native_boolean(const struct leat_value *value)
{
	struct value own = native_value(value);

	return own.kind == VALUE_BOOL && own.boolean;
}

bool native_integer(const struct leat_value *value, int64_t *ret)
{
	struct value own = native_value(value);
	struct number number;

	if (!number_is(own) || number_of(own, &number) < 0)
		return false;
	if (!number.is_real) {
		*ret = number.integer;
		return true;
	}
	if (number.real != trunc(number.real) || fabs(number.real) >= 0x1p63)
		return false;
	*ret = (int64_t)number.real;
	return true;
}

/* An integer past 64 bits is a number all the same: the nearest. */
bool native_number(const struct leat_value *value, double *ret)
{
	struct value own = native_value(value);
	double number;

	if (!number_is(own))
		return false;
	number = number_nearest(own);
	if (!isfinite(number))
		return false;
	*ret = number;
	return true;
}

struct leat_text native_text(const struct leat_value *value)
{
	struct value own = native_value(value);

	if (own.kind != VALUE_TEXT)
		return (struct leat_text){ NULL, 0 };
	return (struct leat_text){ own.ptr, own.len };
}

size_t native_len(const struct leat_value *value)
{
	struct value own = native_value(value);

	return own.kind == VALUE_LIST || own.kind == VALUE_OBJECT ? own.len : 0;
}

const struct leat_value *native_at(const struct leat_value *list, size_t index)
{
	struct value own = native_value(list);

	if (own.kind != VALUE_LIST || index >= own.len)
		return NULL;
	return native_handle(&own.items[index]);
}

/* The last of several that have the name, as everywhere in leat. */
const struct leat_value *native_member(const struct leat_value *object, const char *name)
{
	struct value own = native_value(object);
	struct str key = str_of(name);

	for (size_t i = own.kind == VALUE_OBJECT ? own.len : 0; i-- > 0;)
		if (str_eq(value_str(own.members[i].key), key))
			return native_handle(&own.members[i].value);
	return NULL;
}

const struct leat_value *native_member_at(const struct leat_value *object, size_t index,
					  struct leat_text *ret_name)
{
	struct value own = native_value(object);
	const struct member *member;

	if (own.kind != VALUE_OBJECT || index >= own.len)
		return NULL;
	member = &own.members[index];
	if (ret_name)
		*ret_name = (struct leat_text){ member->key.ptr, member->key.len };
	return native_handle(&member->value);
}

bool native_numbers(const struct leat_value *list, double *ret, size_t n)
{
	struct value own = native_value(list);

	if (own.kind != VALUE_LIST || own.len != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!native_number(native_handle(&own.items[i]), &ret[i]))
			return false;
	return true;
}
