/* server/live/utf8.h: UTF-8 (RFC 3629) judged while it comes.
 *
 * Text that comes in pieces is refused at its first byte that no valid text can go on with, not only
 * when it is whole. All zero at the start of a text. */
#pragma once
#include "core/base/str.h"

struct utf8 {
	uint8_t n_left;    /* continuation bytes that the character at hand lacks */
	uint8_t low, high; /* what the next of them may be */
};

/* The next bytes of the text. False: it is not UTF-8, however it goes on. */
bool utf8_add(struct utf8 *utf8, struct str bytes);

/* The text may end here: no character is begun. */
static inline bool utf8_is_whole(const struct utf8 *utf8)
{
	return utf8->n_left == 0;
}
