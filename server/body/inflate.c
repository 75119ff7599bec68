/* server/body/inflate.c: zlib, brotli and zstd behind one interface. */
#include "server/body/inflate.h"
#include "core/base/check.h"
#include <brotli/decode.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	WINDOW_LOG_MAX = 23,   /* of zstd: 8 MiB */
	MEMORY_MAX = 20 << 20, /* of one inflater: brotli's largest window, and its tables */
};

struct inflater {
	enum inflate_coding coding;
	struct arena_budget *budget;
	size_t used; /* bytes, that the budget knows of */
	bool ended;  /* behind the end of a stream */
	bool no_memory;
	uint8_t n_magic; /* bytes of the magic number of zstd's frame at hand that were used */
	bool skippable;  /* it is of the kind without content */
	union {
		z_stream z;
		BrotliDecoderState *br;
		ZSTD_DStream *zstd;
	};
};

bool inflate_find(struct str name, enum inflate_coding *ret_coding)
{
	static const struct {
		const char *name;
		enum inflate_coding coding;
	} names[] = { { "gzip", INFLATE_GZIP },
		      { "x-gzip", INFLATE_GZIP },
		      { "deflate", INFLATE_DEFLATE },
		      { "br", INFLATE_BR },
		      { "zstd", INFLATE_ZSTD } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(name, str_of(names[i].name))) {
			*ret_coding = names[i].coding;
			return true;
		}
	return false;
}

/* ------------------------------------------------------------ memory, with its size before it */

enum { SIZE_ROOM = 16 };

static void *inflater_alloc(void *opaque, size_t size)
{
	struct inflater *inflater = opaque;
	char *block = NULL;

	if (size <= MEMORY_MAX && inflater->used + size <= MEMORY_MAX)
		block = malloc(size + SIZE_ROOM);
	if (!block) {
		inflater->no_memory = true;
		return NULL;
	}
	memcpy(block, &size, sizeof(size));
	inflater->used += size;
	arena_budget_add(inflater->budget, size);
	return block + SIZE_ROOM;
}

static void inflater_free(void *opaque, void *ptr)
{
	struct inflater *inflater = opaque;
	char *block = ptr;
	size_t size;

	if (!block)
		return;
	memcpy(&size, block - SIZE_ROOM, sizeof(size));
	inflater->used -= size;
	arena_budget_give_back(inflater->budget, size);
	free(block - SIZE_ROOM);
}

static void *inflater_zalloc(void *opaque, unsigned n_items, unsigned size)
{
	return inflater_alloc(opaque, (size_t)n_items * size);
}

/* zstd takes no allocator of ours; it says how much it has. */
static void inflater_count_zstd(struct inflater *inflater)
{
	size_t used = ZSTD_sizeof_DStream(inflater->zstd);

	if (used > inflater->used)
		arena_budget_add(inflater->budget, used - inflater->used);
	else
		arena_budget_give_back(inflater->budget, inflater->used - used);
	inflater->used = used;
}

/* ------------------------------------------------------------ making and freeing */

static bool inflater_start(struct inflater *inflater)
{
	switch (inflater->coding) {
	case INFLATE_GZIP:
	case INFLATE_DEFLATE:
		inflater->z = (z_stream){ .zalloc = inflater_zalloc,
					  .zfree = inflater_free,
					  .opaque = inflater };
		return inflateInit2(&inflater->z,
				    inflater->coding == INFLATE_GZIP ? 15 + 16 : 15) == Z_OK;
	case INFLATE_BR:
		inflater->br = BrotliDecoderCreateInstance(inflater_alloc, inflater_free, inflater);
		return inflater->br != NULL;
	case INFLATE_ZSTD:
		inflater->zstd = ZSTD_createDStream();
		if (!inflater->zstd)
			return false;
		inflater_count_zstd(inflater);
		return !ZSTD_isError(ZSTD_DCtx_setParameter(inflater->zstd, ZSTD_d_windowLogMax,
							    WINDOW_LOG_MAX));
	}
	unreachable();
}

struct inflater *inflater_create(enum inflate_coding coding, struct arena_budget *budget)
{
	struct inflater *inflater = calloc(1, sizeof(*inflater));

	if (!inflater)
		return NULL;
	inflater->coding = coding;
	inflater->budget = budget;
	if (inflater_start(inflater))
		return inflater;
	inflater_destroy(inflater);
	return NULL;
}

void inflater_destroy(struct inflater *inflater)
{
	if (!inflater)
		return;
	switch (inflater->coding) {
	case INFLATE_GZIP:
	case INFLATE_DEFLATE:
		inflateEnd(&inflater->z);
		break;
	case INFLATE_BR:
		if (inflater->br)
			BrotliDecoderDestroyInstance(inflater->br);
		break;
	case INFLATE_ZSTD:
		ZSTD_freeDStream(inflater->zstd);
		arena_budget_give_back(inflater->budget, inflater->used);
		break;
	}
	free(inflater);
}

bool inflater_is_whole(const struct inflater *inflater)
{
	return inflater->ended;
}

/* ------------------------------------------------------------ reading */

/* How a library's call went. */
struct progress {
	size_t n_used, n_out;
	bool bad, ended;
};

static struct progress read_zlib(struct inflater *inflater, struct str in, char *out, size_t room)
{
	z_stream *z = &inflater->z;
	int r;

	z->next_in = (z_const Bytef *)(uintptr_t)in.ptr;
	z->avail_in = (unsigned)in.len;
	z->next_out = (Bytef *)out;
	z->avail_out = (unsigned)room;
	r = inflate(z, Z_NO_FLUSH);
	return (struct progress){ .n_used = in.len - z->avail_in,
				  .n_out = room - z->avail_out,
				  .bad = r != Z_OK && r != Z_BUF_ERROR && r != Z_STREAM_END,
				  .ended = r == Z_STREAM_END };
}

static struct progress read_br(struct inflater *inflater, struct str in, char *out, size_t room)
{
	size_t in_left = in.len, room_left = room;
	const uint8_t *next_in = (const uint8_t *)in.ptr;
	uint8_t *next_out = (uint8_t *)out;
	BrotliDecoderResult r = BrotliDecoderDecompressStream(inflater->br, &in_left, &next_in,
							      &room_left, &next_out, NULL);

	return (struct progress){ .n_used = in.len - in_left,
				  .n_out = room - room_left,
				  .bad = r == BROTLI_DECODER_RESULT_ERROR,
				  .ended = r == BROTLI_DECODER_RESULT_SUCCESS };
}

/* The library may also know formats of long ago, which RFC 8878 does not: the magic number is looked
 * at before it is. */
static bool zstd_magic_is_right(struct inflater *inflater, struct str in)
{
	static const char frame[] = "\x28\xb5\x2f\xfd", skippable[] = "\x50\x2a\x4d\x18";

	for (size_t at = inflater->n_magic, i = 0; at < 4 && i < in.len; at++, i++) {
		char c = in.ptr[i];

		if (at == 0) {
			inflater->skippable = ((unsigned char)c & 0xf0) == 0x50;
			c = inflater->skippable ? skippable[0] : c;
		}
		if (c != (inflater->skippable ? skippable : frame)[at])
			return false;
	}
	return true;
}

static struct progress read_zstd(struct inflater *inflater, struct str in, void *out, size_t room)
{
	ZSTD_inBuffer from = { in.ptr, in.len, 0 };
	ZSTD_outBuffer to = { .dst = out, .size = room };
	size_t r;

	if (!zstd_magic_is_right(inflater, in))
		return (struct progress){ .bad = true };
	/* A frame that comes whole in one call is decoded in another way, which refuses what others
	 * do not: what is taken must not depend on how a body was cut. */
	if (inflater->n_magic < 4)
		from.size = MIN(in.len, (size_t)(4 - inflater->n_magic));
	r = ZSTD_decompressStream(inflater->zstd, &to, &from);
	inflater->n_magic = r == 0 ? 0 : (uint8_t)MIN(inflater->n_magic + from.pos, (size_t)4);
	inflater_count_zstd(inflater);
	if (ZSTD_isError(r) && ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation)
		inflater->no_memory = true;
	return (struct progress){
		.n_used = from.pos, .n_out = to.pos, .bad = ZSTD_isError(r), .ended = r == 0
	};
}

static struct progress read_some(struct inflater *inflater, struct str in, char *out, size_t room)
{
	switch (inflater->coding) {
	case INFLATE_GZIP:
	case INFLATE_DEFLATE:
		return read_zlib(inflater, in, out, room);
	case INFLATE_BR:
		return read_br(inflater, in, out, room);
	case INFLATE_ZSTD:
		return read_zstd(inflater, in, out, room);
	}
	unreachable();
}

/* gzip and zstd may come in several streams, one behind the other (RFC 1952 §2.2, RFC 8878 §3);
 * behind the one stream of the others nothing may stand. */
static bool inflater_begin_next(struct inflater *inflater)
{
	if (inflater->coding == INFLATE_GZIP)
		return inflateReset(&inflater->z) == Z_OK;
	return inflater->coding == INFLATE_ZSTD;
}

static enum inflate_step inflater_fail(const struct inflater *inflater)
{
	return inflater->no_memory ? INFLATE_NO_MEMORY : INFLATE_BAD;
}

enum inflate_step inflater_read(struct inflater *inflater, struct str *in, char *out, size_t room,
				size_t *ret_len)
{
	size_t len = 0;

	*ret_len = 0;
	for (;;) {
		struct progress progress;

		if (inflater->ended && in->len == 0)
			break;
		if (inflater->ended && !inflater_begin_next(inflater))
			return inflater_fail(inflater);
		inflater->ended = false;
		progress = read_some(inflater, *in, out + len, room - len);
		*in = str_skip(*in, progress.n_used);
		len += progress.n_out;
		*ret_len = len;
		if (progress.bad)
			return inflater_fail(inflater);
		inflater->ended = progress.ended;
		if (len == room)
			return INFLATE_FULL;
		if (!progress.ended && progress.n_used == 0 && progress.n_out == 0)
			break; /* it wants more than there is */
	}
	return INFLATE_MORE;
}
