/* server/compress/coder_zstd.c: zstd (RFC 8878).
 *
 * The window is 128 KiB: with the one of its level (2 MiB) each body would take three times the
 * memory, here and in the client, for 4 % of the size. */
#include "server/compress/coder_kind.h"
#include <errno.h>
#include <zstd.h>

enum { WINDOW_BITS = 17 };

static void *zstd_create(int level)
{
	(void)level;
	return ZSTD_createCCtx();
}

static void zstd_destroy(void *state)
{
	ZSTD_freeCCtx(state);
}

static bool zstd_set(ZSTD_CCtx *context, ZSTD_cParameter parameter, int value)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value));
}

static bool zstd_begin(void *state, int level, uint64_t size)
{
	static const uint8_t levels[] = { 0, 1, 1, 2, 3, 3, 4 };

	return !ZSTD_isError(ZSTD_CCtx_reset(state, ZSTD_reset_session_and_parameters)) &&
	       zstd_set(state, ZSTD_c_compressionLevel, levels[level]) &&
	       zstd_set(state, ZSTD_c_windowLog, WINDOW_BITS) &&
	       (size == UINT64_MAX || !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(state, size)));
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the library writes to it */
static int zstd_step(void *state, struct str *in, enum coder_op op, char *out, size_t room,
		     size_t *ret_len)
{
	static const ZSTD_EndDirective ops[] = {
		[CODER_GO] = ZSTD_e_continue, [CODER_FLUSH] = ZSTD_e_flush, [CODER_END] = ZSTD_e_end
	};
	ZSTD_inBuffer from = { in->ptr, in->len, 0 };
	ZSTD_outBuffer to = { out, room, 0 };
	size_t left = ZSTD_compressStream2(state, &to, &from, ops[op]);

	*ret_len = to.pos;
	*in = str_skip(*in, from.pos);
	if (ZSTD_isError(left))
		return -EIO;
	return op == CODER_GO ? in->len == 0 : left == 0;
}

#define KIB *(size_t)1024
const struct coder_kind coder_zstd = {
	.coding = CODING_ZSTD,
	.name = "zstd",
	.is_reusable = true,
	.sizes = { 0, 960 KIB, 960 KIB, 1300 KIB, 1660 KIB, 1660 KIB, 2600 KIB },
	.burst = 16 << 10,
	.create = zstd_create,
	.begin = zstd_begin,
	.destroy = zstd_destroy,
	.step = zstd_step,
};
