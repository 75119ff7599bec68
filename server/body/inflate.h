/* server/body/inflate.h: content codings taken off again, a piece at a time.
 *
 * What it gives does not depend on how the bytes were cut. Its memory is bounded (RFC 9659: windows
 * of 8 MiB) and counts in the budget; how much may come out is for the caller to bound. */
#pragma once
#include "core/base/arena.h"

struct inflater;

enum inflate_coding { INFLATE_GZIP, INFLATE_DEFLATE, INFLATE_BR, INFLATE_ZSTD };

/* By its name in Content-Encoding, in any case; "x-gzip" is gzip (RFC 9110 §8.4.1.3). */
bool inflate_find(struct str name, enum inflate_coding *ret_coding);

/* NULL without memory. `budget` may be NULL. */
struct inflater *inflater_create(enum inflate_coding coding, struct arena_budget *budget);
void inflater_destroy(struct inflater *inflater); /* NULL is accepted */

enum inflate_step {
	INFLATE_MORE, /* all of *in is used, and all that it gives is out */
	INFLATE_FULL, /* `out` is full: call again */
	INFLATE_BAD,  /* this is not what the coding says; nothing more comes */
	INFLATE_NO_MEMORY,
};

/* Takes from the front of *in, and writes *ret_len bytes, at most `room`. */
enum inflate_step inflater_read(struct inflater *inflater, struct str *in, char *out, size_t room,
				size_t *ret_len);

/* Whether the coded bytes may end here. */
bool inflater_is_whole(const struct inflater *inflater);
