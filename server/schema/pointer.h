/* server/schema/pointer.h: JSON Pointers (RFC 6901). */
#pragma once
#include "core/base/buf.h"

enum { POINTER_KEY_MAX = 128 }; /* bytes of a key; a longer one is cut, and "…" says so */

void pointer_add_key(struct buf *out, struct str key);
void pointer_add_index(struct buf *out, size_t index);

/* Takes the first part off a pointer ("/a/b"), unescaped into `arena` (a required one) where it must be. False:
 * nothing is left, or it is no pointer (*rest is not empty then). */
bool pointer_next(struct str *rest, struct arena *arena, struct str *ret_key);
