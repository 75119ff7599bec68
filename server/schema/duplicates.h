/* server/schema/duplicates.h: members of one name in one object. */
#pragma once
#include "server/expr/value.h"

/* Of two readers of such an object one takes the first and one the last, so that it means two
 * things. 1 with the JSON Pointer of the second member appended to `out`; 0: there are none;
 * -ENOMEM. Takes its cost off *steps, and stops with -ETIME when they are used up. */
int duplicates_find(const struct value *root, uint64_t *steps, struct buf *out);
