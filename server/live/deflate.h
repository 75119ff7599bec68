/* server/live/deflate.h: permessage-deflate (RFC 7692): messages compressed on their way.
 *
 * Raw deflate, whose last four bytes (00 00 ff ff) are taken off each message and put back. With
 * context takeover a message may refer to those before it, and both ends keep a window; without, each
 * stands alone. What a codec has is counted in the budget. */
#pragma once
#include "core/base/buf.h"

enum {
	DEFLATE_BITS_MIN = 9, /* zlib has no raw stream with a window of 256 bytes */
	DEFLATE_BITS_MAX = 15,
	DEFLATE_MIN = 64,       /* bytes of a message: what is smaller is not worth it, */
	DEFLATE_MAX = 64 << 10, /* what is larger would take the loop's time */
	DEFLATE_IN = 512, /* bytes that are taken at once: at most half a megabyte comes of them */
};

/* What both ends have agreed on. */
struct deflate_terms {
	bool on;
	bool own_takeover;  /* what we send may refer to what we have sent */
	bool peer_takeover; /* the same for the peer */
	uint8_t own_bits;   /* the window of what we send */
	bool says_own_bits; /* the peer has asked for a window, and is told which it gets */
};

/* ------------------------------------------------------------ what comes */

struct inflater_raw;

struct inflater_raw *inflater_raw_create(struct arena_budget *budget); /* NULL without memory */
void inflater_raw_destroy(struct inflater_raw *inflater);              /* NULL is accepted */

enum inflater_raw_step {
	INFLATER_RAW_MORE, /* all of *in is used, and all that it gives is out */
	INFLATER_RAW_FULL, /* `out` is full: again, with more room */
	INFLATER_RAW_BAD,  /* it is not deflate */
};

/* Takes from the front of *in, and writes *ret_len bytes, at most `room` (not 0). */
enum inflater_raw_step inflater_raw_read(struct inflater_raw *inflater, struct str *in, char *out,
					 size_t room, size_t *ret_len);

/* The message is whole: what follows begins anew, or goes on where it ended. */
void inflater_raw_reset(struct inflater_raw *inflater);

/* ------------------------------------------------------------ what goes */

struct deflater;

struct deflater *deflater_create(int bits, struct arena_budget *budget); /* NULL without memory */
void deflater_destroy(struct deflater *deflater);                        /* NULL is accepted */

/* What it has seen is forgotten: the next message refers to nothing. */
void deflater_reset(struct deflater *deflater);

/* A whole message into `out` (which is added to), without its last four bytes. False without memory;
 * then the deflater is of no use any more. */
bool deflater_message(struct deflater *deflater, struct str message, bool takeover,
		      struct buf *out);
