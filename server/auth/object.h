/* server/auth/object.h: members of objects that come from outside. */
#pragma once
#include "server/expr/value.h"

/* Reads a JSON text that must be an object of at most `n_max` members, no two of one name: with two,
 * whoever signs and whoever reads may each mean another (RFC 7515 §4). 0, -EINVAL or -ENOMEM. */
int object_read(struct str text, size_t n_max, struct arena *arena, struct value *ret);

/* An object of `n_max` members at most, each name once. */
bool object_is_plain(struct value value, size_t n_max);

/* The text of that member; .ptr NULL when there is none, or when it is no text. */
struct str object_text(struct value object, struct str name);
