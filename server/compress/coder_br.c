/* server/compress/coder_br.c: brotli (RFC 7932).
 *
 * The encoder cannot be used again, so there is a new one for each body. It would collect 64 KiB
 * before it works on them, for longer than a loop may be held: it is flushed more often, which
 * costs 1 to 3 % of the size. */
#include "server/compress/coder_kind.h"
#include <brotli/encode.h>
#include <errno.h>
#include <stdlib.h>

enum { WINDOW_MIN = 10, WINDOW_MAX = 17, BLOCK_BITS = 16 };

struct br {
	BrotliEncoderState *encoder;
};

static void *br_create(int level)
{
	(void)level;
	return calloc(1, sizeof(struct br));
}

static void br_destroy(void *state)
{
	struct br *br = state;

	if (br->encoder)
		BrotliEncoderDestroyInstance(br->encoder);
	free(br);
}

/* A window that is larger than the body would be memory for nothing. */
static uint32_t br_window(uint64_t size)
{
	uint32_t bits = WINDOW_MIN;

	while (bits < WINDOW_MAX && (UINT64_C(1) << bits) < size)
		bits++;
	return bits;
}

static bool br_begin(void *state, int level, uint64_t size)
{
	static const uint8_t qualities[] = { 0, 1, 2, 3, 3, 4, 5 };
	struct br *br = state;

	if (br->encoder)
		BrotliEncoderDestroyInstance(br->encoder);
	br->encoder = BrotliEncoderCreateInstance(NULL, NULL, NULL);
	if (!br->encoder)
		return false;
	BrotliEncoderSetParameter(br->encoder, BROTLI_PARAM_QUALITY, qualities[level]);
	BrotliEncoderSetParameter(br->encoder, BROTLI_PARAM_LGWIN, br_window(size));
	BrotliEncoderSetParameter(br->encoder, BROTLI_PARAM_LGBLOCK, BLOCK_BITS);
	if (size <= UINT32_MAX)
		BrotliEncoderSetParameter(br->encoder, BROTLI_PARAM_SIZE_HINT, (uint32_t)size);
	return true;
}

static int br_step(void *state, struct str *in, enum coder_op op, char *out, size_t room,
		   size_t *ret_len)
{
	static const BrotliEncoderOperation ops[] = { [CODER_GO] = BROTLI_OPERATION_PROCESS,
						      [CODER_FLUSH] = BROTLI_OPERATION_FLUSH,
						      [CODER_END] = BROTLI_OPERATION_FINISH };
	struct br *br = state;
	const uint8_t *next_in = (const uint8_t *)in->ptr;
	size_t left = in->len, left_room = room;
	uint8_t *next_out = (uint8_t *)out;

	if (!BrotliEncoderCompressStream(br->encoder, ops[op], &left, &next_in, &left_room,
					 &next_out, NULL))
		return -EIO;
	*ret_len = room - left_room;
	*in = str_skip(*in, in->len - left);
	if (op == CODER_END)
		return BrotliEncoderIsFinished(br->encoder) != 0;
	return left == 0 && !BrotliEncoderHasMoreOutput(br->encoder);
}

#define KIB *(size_t)1024
const struct coder_kind coder_br = {
	.coding = CODING_BR,
	.name = "br",
	.sizes = { 0, 200 KIB, 500 KIB, 900 KIB, 900 KIB, 1200 KIB, 1400 KIB },
	.burst = 16 << 10,
	.create = br_create,
	.begin = br_begin,
	.destroy = br_destroy,
	.step = br_step,
};
