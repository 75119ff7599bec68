/* server/body_source.h: the body of an answer that comes piece by piece.
 *
 * It is pulled: whoever sends it asks for a piece, sends it to its last byte, and asks for the
 * next; so nothing is made faster than the client takes it, and one piece at a time is held. All
 * of it runs on the loop of its request. What produces pieces embeds the struct; what changes
 * them on the way (a compressor) is a source that pulls from another. */
#pragma once
#include "core/base/str.h"

#define BODY_SIZE_UNKNOWN UINT64_MAX

struct body_source;

struct body_source_ops {
	/* The next piece. 1: *ret_bytes, not empty; they stay until the next call. 0: the body is
	 * whole. -EAGAIN: there is none yet; on_more() will be called once, from the loop, never
	 * inside of this call (and may close the source). Another negative errno: the body cannot be finished; the answer is
	 * cut, so that nobody takes it for a whole one. Not called again after 0 or an error. */
	int (*read)(struct body_source *source, struct str *ret_bytes);

	/* Nobody will ask for more, whether the body was whole or not: called once; the source may
	 * free itself. on_more() is not called any more. */
	void (*close)(struct body_source *source);

	/* May be NULL. Whether all that was given is still there, and: the next read gives it again
	 * from the start; an on_more() that was promised will not come. */
	bool (*can_rewind)(const struct body_source *source);
	void (*rewind)(struct body_source *source);
};

struct body_source {
	const struct body_source_ops *ops;
	uint64_t size;           /* of the whole body, or BODY_SIZE_UNKNOWN */
	struct str type, coding; /* its Content-Type and Content-Encoding, where they are known */
	struct str
		trailers; /* lines that stand behind a chunked body, for those who take them; known
				with the end of the body, and there until it is closed */
	struct body_source *next; /* of those that tasks have left open (server/flow/context.h) */

	/* The taker's: set before the first read. */
	void (*on_more)(struct body_source *source);
	void *taker;
};

static inline int body_source_read(struct body_source *source, struct str *ret_bytes)
{
	return source->ops->read(source, ret_bytes);
}

static inline bool body_source_can_rewind(const struct body_source *source)
{
	return source->ops->can_rewind && source->ops->can_rewind(source);
}

static inline void body_source_close(struct body_source *source) /* NULL is accepted */
{
	if (source)
		source->ops->close(source);
}
