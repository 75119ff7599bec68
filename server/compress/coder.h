/* server/compress/coder.h: what makes a body smaller: brotli, zstd, gzip.
 *
 * A coder takes bytes in steps and gives bytes out; what it has taken it may keep until it is
 * flushed. Its work for a step of CODER_STEP bytes is bounded, whatever the bytes are: half a
 * millisecond at the levels that there are (measured on hostile input; README). A coder is used by
 * one body at a time, on one loop; those that are not used are kept by the loop (struct coders,
 * compress_source.h). */
#pragma once
#include "core/base/list.h"
#include "core/base/str.h"

enum coding { /* in the order in which they are preferred when nobody says otherwise */
	      CODING_BR,
	      CODING_ZSTD,
	      CODING_GZIP,
	      N_CODINGS,
};

enum {
	CODER_LEVEL_MIN = 1, /* fast */
	CODER_LEVEL_MAX = 6, /* small */
	CODER_LEVEL_DEFAULT = 5,
	CODER_STEP = 8 << 10,
};

enum coder_op {
	CODER_GO,    /* more comes */
	CODER_FLUSH, /* what was taken can be read by the peer when this is done */
	CODER_END,   /* the body is whole when this is done */
};

struct coder_kind;

struct coder {
	struct list link; /* while nobody uses it */
	const struct coder_kind *kind;
	void *state;
	int level;
	size_t since_flush; /* bytes taken */
	/* A part that was begun and is not done: what is left of it, and how it ends. */
	bool in_part;
	size_t part_left;
	enum coder_op part_op;
};

bool coding_find(struct str name, enum coding *ret_coding);
struct str coding_name(enum coding coding);

enum coding coder_coding(const struct coder *coder);
bool coder_can_be_kept(const struct coder *coder); /* it may begin another body */

/* About how much memory one takes. */
size_t coder_size(enum coding coding, int level);

/* NULL without memory. */
struct coder *coder_create(enum coding coding, int level);
void coder_destroy(struct coder *coder); /* NULL is accepted */

/* For a body of `size` bytes (UINT64_MAX: not known), once before its first step. False without
 * memory. */
bool coder_begin(struct coder *coder, uint64_t size);

/* Takes bytes off the front of *in, at most CODER_STEP of them, and writes up to `room` to `out`;
 * *ret_len says how many. 1: all of *in is taken, and `op` is done; 0: call again, with more room
 * or for the rest; or -EIO: it cannot go on. Of an op that is not done *in keeps its front. */
int coder_step(struct coder *coder, struct str *in, enum coder_op op, char *out, size_t room,
	       size_t *ret_len);
