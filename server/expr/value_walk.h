/* server/expr/value_walk.h: going through a value and all below it without recursion. */
#pragma once
#include "server/expr/value.h"

struct value_frame {
	const struct value *at, *end; /* the children not yet seen */
};

_Static_assert(sizeof(struct member) == 2 * sizeof(struct value), "a member is two values");

static inline size_t value_n_children(const struct value *value)
{
	if (value->kind == VALUE_LIST)
		return value->len;
	return value->kind == VALUE_OBJECT ? 2 * (size_t)value->len : 0;
}

static inline const struct value *value_children(const struct value *value)
{
	if (value->kind == VALUE_LIST)
		return value->items;
	return value->kind == VALUE_OBJECT ? (const struct value *)value->members : NULL;
}

static inline struct value_frame value_frame(const struct value *value)
{
	const struct value *children = value_children(value);

	return (struct value_frame){ children, children + value_n_children(value) };
}
