/* server/live/deflate.c: by zlib. */
#include "server/live/deflate.h"
#include <stdlib.h>
#include <zlib.h>

enum {
	LEVEL = 1,        /* a message is small and waited for: what more costs is not worth it */
	MEMORY_LEVEL = 5, /* of zlib's 9: 16 KiB for the hash */
	SIZE_ROOM = 16,
};

/* ------------------------------------------------------------ memory, with its size before it */

static void *counted_alloc(void *opaque, unsigned n_items, unsigned item_size)
{
	struct arena_budget *budget = opaque;
	size_t size = (size_t)n_items * item_size + SIZE_ROOM;
	char *block;

	if (!arena_budget_take(budget, size))
		return NULL;
	block = malloc(size);
	if (!block) {
		arena_budget_give_back(budget, size);
		return NULL;
	}
	memcpy(block, &size, sizeof(size));
	return block + SIZE_ROOM;
}

static void counted_free(void *opaque, void *ptr)
{
	struct arena_budget *budget = opaque;
	char *block = (char *)ptr - SIZE_ROOM;
	size_t size;

	memcpy(&size, block, sizeof(size));
	arena_budget_give_back(budget, size);
	free(block);
}

/* ------------------------------------------------------------ what comes */

struct inflater_raw {
	z_stream z;
};

struct inflater_raw *inflater_raw_create(struct arena_budget *budget)
{
	struct inflater_raw *inflater = calloc(1, sizeof(*inflater));

	if (!inflater)
		return NULL;
	inflater->z =
		(z_stream){ .zalloc = counted_alloc, .zfree = counted_free, .opaque = budget };
	if (inflateInit2(&inflater->z, -DEFLATE_BITS_MAX) == Z_OK)
		return inflater;
	free(inflater);
	return NULL;
}

void inflater_raw_destroy(struct inflater_raw *inflater)
{
	if (!inflater)
		return;
	inflateEnd(&inflater->z);
	free(inflater);
}

/* A block that says that it is the last ends the stream; what follows it is a new one in the same window
 * (RFC 7692 §7.2.3.4 allows BFINAL). */
enum inflater_raw_step inflater_raw_read(struct inflater_raw *inflater, struct str *in, char *out,
					 size_t room, size_t *ret_len)
{
	z_stream *z = &inflater->z;
	int r = Z_OK;

	z->next_in = (Bytef *)(uintptr_t)in->ptr;
	z->avail_in = (unsigned)MIN(in->len, (size_t)UINT32_MAX);
	z->next_out = (Bytef *)out;
	z->avail_out = (unsigned)MIN(room, (size_t)UINT32_MAX);
	do {
		r = inflate(z, Z_SYNC_FLUSH);
		if (r == Z_STREAM_END)
			r = inflateResetKeep(z);
	} while (r == Z_OK && z->avail_in > 0 && z->avail_out > 0);
	*ret_len = room - z->avail_out;
	*in = str_skip(*in, in->len - z->avail_in);
	if (r != Z_OK && r != Z_BUF_ERROR)
		return INFLATER_RAW_BAD;
	return z->avail_out == 0 ? INFLATER_RAW_FULL : INFLATER_RAW_MORE;
}

void inflater_raw_reset(struct inflater_raw *inflater)
{
	inflateReset(&inflater->z);
}

/* ------------------------------------------------------------ what goes */

struct deflater {
	z_stream z;
};

struct deflater *deflater_create(int bits, struct arena_budget *budget)
{
	struct deflater *deflater = calloc(1, sizeof(*deflater));

	if (!deflater)
		return NULL;
	deflater->z =
		(z_stream){ .zalloc = counted_alloc, .zfree = counted_free, .opaque = budget };
	if (deflateInit2(&deflater->z, LEVEL, Z_DEFLATED, -bits, MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) == Z_OK)
		return deflater;
	free(deflater);
	return NULL;
}

void deflater_destroy(struct deflater *deflater)
{
	if (!deflater)
		return;
	deflateEnd(&deflater->z);
	free(deflater);
}

void deflater_reset(struct deflater *deflater)
{
	deflateReset(&deflater->z);
}

bool deflater_message(struct deflater *deflater, struct str message, bool takeover, struct buf *out)
{
	enum { STEP = 4096, TAIL = 4 };
	z_stream *z = &deflater->z;
	size_t before = out->len;

	if (message.len == 0) { /* one empty stored block (RFC 7692 §7.2.3.6) */
		buf_add_char(out, 0);
		return !out->error;
	}
	z->next_in = (Bytef *)(uintptr_t)message.ptr;
	z->avail_in = (unsigned)message.len;
	do {
		char *at = buf_reserve(out, STEP);

		if (!at)
			return false;
		z->next_out = (Bytef *)at;
		z->avail_out = STEP;
		deflate(z, Z_SYNC_FLUSH);
		out->len += STEP - z->avail_out;
	} while (z->avail_out == 0);
	if (!takeover)
		deflateReset(z);
	check(out->len >= before + TAIL);
	out->len -= TAIL;
	return true;
}
