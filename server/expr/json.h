/* server/expr/json.h: reading JSON (RFC 8259), strictly.
 *
 * One pass, no recursion: depth is bounded by JSON_DEPTH_MAX, memory by the arena. UTF-8 is
 * validated (RFC 3629), a lone surrogate in \u is refused, as are NaN, comments, trailing commas
 * and anything behind the value. A BOM is refused. */
#pragma once
#include "server/expr/value.h"

enum { JSON_DEPTH_MAX = 200 };

struct json_error {
	size_t offset;    /* of the byte that is wrong */
	const char *what; /* static: "a comma or a closing bracket was expected" */
};

/* True when the text is exactly one JSON value with white space around it. Allocates nothing. */
bool json_check(struct str text, struct json_error *ret_error);

/* Reads a text into values in `arena`; texts without escapes are slices of `text`, which must
 * live as long. 0, -EINVAL (with *ret_error) or -ENOMEM. ret_error may be NULL. */
int json_read(struct str text, struct arena *arena, struct value *ret,
	      struct json_error *ret_error);

/* Appends `text` as a JSON string with its quotes. */
void json_write_text(struct str text, struct buf *out);
