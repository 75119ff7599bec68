/* server/auth/object.c */
#include "server/auth/object.h"
#include "server/expr/json.h"
#include <errno.h>

bool object_is_plain(struct value value, size_t n_max)
{
	if (value.kind != VALUE_OBJECT || value.len > n_max)
		return false;
	for (size_t i = 1; i < value.len; i++)
		for (size_t j = 0; j < i; j++)
			if (str_eq(value_str(value.members[i].key),
				   value_str(value.members[j].key)))
				return false;
	return true;
}

int object_read(struct str text, size_t n_max, struct arena *arena, struct value *ret)
{
	int r = json_read(text, arena, ret, NULL);

	if (r < 0)
		return r;
	return object_is_plain(*ret, n_max) ? 0 : -EINVAL;
}

struct str object_text(struct value object, struct str name)
{
	struct value value;

	if (!value_member(object, name, &value) || value.kind != VALUE_TEXT)
		return STR_NONE;
	return value_str(value);
}
