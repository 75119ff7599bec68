/* server/schema/pattern_syntax.h: the grammar of ECMA-262's regular expressions (with the flag u). */
#pragma once
#include "core/base/buf.h"

/* Reads all of `text`, and appends to `out` (NULL: nobody wants it) what means the same to PCRE2.
 * NULL, or what is wrong. */
const char *pattern_read(struct str text, struct buf *out);
