/* server/sql/pg_array.h: arrays as PostgreSQL writes them, {1,"a b",NULL,{…}}, to JSON and back. */
#pragma once
#include "core/base/buf.h"
#include "server/expr/value.h"

typedef void pg_array_fn(void *arg, struct str element, struct buf *out);

/* Writes the array as a JSON list (of lists); each element that is not NULL by `write`. False: it
 * is not an array. `scratch` is used for what was quoted. */
bool pg_array_read(struct str text, pg_array_fn *write, void *arg, struct buf *scratch,
		   struct buf *out);

/* Writes a list as an array. 0; -EINVAL: a text in it has a NUL; or as value_open(). */
int pg_array_write(struct value list, struct arena *arena, struct buf *out);
