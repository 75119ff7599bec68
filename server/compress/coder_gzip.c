/* server/compress/coder_gzip.c: gzip (RFC 1952) by zlib. */
#include "server/compress/coder_kind.h"
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

enum { WINDOW_BITS = 15, AS_GZIP = 16, MEMORY_LEVEL = 8 };

static void *gzip_create(int level)
{
	z_stream *stream = calloc(1, sizeof(*stream));

	if (stream && deflateInit2(stream, level, Z_DEFLATED, WINDOW_BITS + AS_GZIP, MEMORY_LEVEL,
				   Z_DEFAULT_STRATEGY) != Z_OK) {
		free(stream);
		return NULL;
	}
	return stream;
}

static bool gzip_begin(void *state, int level, uint64_t size)
{
	(void)level;
	(void)size;
	return deflateReset(state) == Z_OK;
}

static void gzip_destroy(void *state)
{
	deflateEnd(state);
	free(state);
}

static int gzip_step(void *state, struct str *in, enum coder_op op, char *out, size_t room,
		     size_t *ret_len)
{
	static const int ops[] = {
		[CODER_GO] = Z_NO_FLUSH, [CODER_FLUSH] = Z_SYNC_FLUSH, [CODER_END] = Z_FINISH
	};
	z_stream *stream = state;
	int r;

	stream->next_in = (Bytef *)(uintptr_t)in->ptr;
	stream->avail_in = (uInt)in->len;
	stream->next_out = (Bytef *)out;
	stream->avail_out = (uInt)room;
	r = deflate(stream, ops[op]);
	*ret_len = room - stream->avail_out;
	*in = str_skip(*in, in->len - stream->avail_in);
	if (r == Z_STREAM_END)
		return 1;
	if (r != Z_OK && r != Z_BUF_ERROR) /* Z_BUF_ERROR: there was nothing to do */
		return -EIO;
	return op != CODER_END && in->len == 0 && stream->avail_out > 0;
}

#define KIB *(size_t)1024
const struct coder_kind coder_gzip = {
	.coding = CODING_GZIP,
	.name = "gzip",
	.is_reusable = true,
	.sizes = { 0, 268 KIB, 268 KIB, 268 KIB, 268 KIB, 268 KIB, 268 KIB },
	.create = gzip_create,
	.begin = gzip_begin,
	.destroy = gzip_destroy,
	.step = gzip_step,
};
