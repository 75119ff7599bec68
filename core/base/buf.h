/* core/base/buf.h: a growable run of bytes with a ceiling.
 *
 * Errors are sticky: after one, further additions do nothing, and buf.error tells at the end
 * (-EMSGSIZE past the ceiling, -ENOMEM). So text is written without a test a line. With an arena
 * the bytes are the arena's and buf_fini() does nothing. */
#pragma once
#include "core/base/arena.h"

struct buf {
	char *data;
	size_t len, cap, max;
	struct arena *arena; /* NULL: the heap */
	int error;           /* 0 or the first negative errno */
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_init_arena(struct buf *buf, struct arena *arena);
void buf_fini(struct buf *buf);
void buf_clear(struct buf *buf); /* empty and without error; keeps its memory */

/* Room for `size` more bytes behind `len`; NULL (and the sticky error) when there is none. */
char *buf_reserve_slow(struct buf *buf, size_t size);

static inline char *buf_reserve(struct buf *buf, size_t size)
{
	if (likely(size <= buf->cap - buf->len && !buf->error))
		return buf->data + buf->len;
	return buf_reserve_slow(buf, size);
}

void buf_add(struct buf *buf, struct str bytes);
void buf_add_u64(struct buf *buf, uint64_t number);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_consume(struct buf *buf, size_t size); /* removes the first bytes */

static inline void buf_add_char(struct buf *buf, char c)
{
	char *at = buf_reserve(buf, 1);

	if (!at)
		return;
	*at = c;
	buf->len++;
}

static inline struct str buf_str(const struct buf *buf)
{
	return (struct str){ buf->data, buf->len };
}
