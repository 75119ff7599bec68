/* server/compress/compress_source.h: a body that is compressed on its way out.
 *
 * It pulls from another source, or has all the bytes. What its maker has nothing to add to for
 * now is flushed, so that it can be read at once (server-sent events); what comes without a pause
 * is not. It works only in its share of the loop's turn (coders.h). */
#pragma once
#include "core/base/buf.h"
#include "server/body_source.h"
#include "server/compress/coders.h"

enum { COMPRESS_OUT = 16 << 10 };

/* Who wants to have the whole of it when it is done. */
struct compress_keeper {
	void (*on_whole)(struct compress_keeper *keeper, struct str bytes);
	size_t max; /* bytes; more is not kept */
};

struct compress_source {
	struct body_source source;
	struct coders *coders;
	struct coder *coder;
	struct coder_turn turn;
	struct body_source *inner; /* closed with this one; NULL: all that there was is in `in` */
	struct str in;             /* not taken by the coder yet */
	uint64_t n_pulled;         /* bytes */
	char *out;                 /* COMPRESS_OUT */
	size_t out_len;
	struct compress_keeper *keeper;
	struct buf kept;
	int error;
	bool inner_waits; /* it will call */
	bool waiting;     /* our taker does, too */
	bool in_whole;    /* nothing comes behind `in` */
	bool done;
};

struct compress_from {
	struct body_source *inner;      /* the source's from then on; or NULL, and all of it is: */
	struct str bytes;               /* which stay */
	struct compress_keeper *keeper; /* or NULL */
};

/* In the arena. NULL without memory: then `inner` is still the caller's. */
struct body_source *compress_source_create(struct arena *arena, struct coders *coders,
					   enum coding coding, int level,
					   const struct compress_from *from);

/* At once, in the arena: for what is small. STR_NONE: no memory, or it would not be smaller. */
struct str compress_bytes(struct arena *arena, struct coders *coders, enum coding coding, int level,
			  struct str bytes);
