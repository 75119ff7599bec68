/* tests/fuzz/resp.c: replies of a Redis server. However the bytes are cut, the replies are the same;
 * one that is given up in its middle ends where it would have ended. The first two bytes say how. */
#include "server/redis/resp.h"
#include "core/base/check.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 1 << 20 };

static struct resp_reader reader;

static void write_reply(struct buf *out)
{
	struct resp_reply reply = resp_reply(&reader);

	buf_printf(out, "%d ", (int)reply.status);
	if (reply.status == RESP_ERROR)
		buf_add(out, reply.error);
	else
		value_write_json(reply.value, out);
	buf_add_char(out, '\n');
}

struct way {
	size_t piece;
	bool skip; /* gives up each reply after its first piece */
	struct buf out;
	size_t end; /* where the last whole reply ended */
	bool ok;
};

/* One reply; false when there is none. */
static bool read_one(struct str bytes, size_t *at, struct way *way, const struct resp_want *want)
{
	bool whole = false;

	resp_begin(&reader, want);
	while (*at < bytes.len && !whole) {
		struct str piece = str_first(str_skip(bytes, *at), way->piece);
		ptrdiff_t used = resp_read(&reader, piece, &whole);

		if (used < 0)
			return false;
		check(used > 0);
		*at += (size_t)used;
		if (way->skip)
			resp_skip(&reader);
	}
	if (whole) {
		write_reply(&way->out);
		way->end = *at;
	}
	return true;
}

/* All replies among the bytes, as text. */
static void read_all(struct str bytes, struct way *way, const struct resp_want *ask)
{
	size_t at = 0;

	buf_init(&way->out, OUT_MAX);
	way->ok = true;
	while (at < bytes.len && way->ok) {
		struct resp_want want = *ask;
		struct arena arena;

		arena_init(&arena, 256 << 10);
		want.arena = &arena;
		way->ok = read_one(bytes, &at, way, &want);
		arena_fini(&arena);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct way ways[3] = { { .piece = SIZE_MAX }, { 0 }, { .skip = true } };
	struct resp_want want;
	struct str bytes;
	char *copy;

	if (size < 2)
		return 0;
	want = (struct resp_want){ .max = (size_t)(data[0] & 0x7f) * 16 + 1,
				   .base64 = data[0] & 0x80 };
	ways[1].piece = ways[2].piece = data[1] % 16 + 1;
	copy = malloc(size - 1);
	check(copy);
	memcpy(copy, data + 2, size - 2);
	bytes = (struct str){ copy, size - 2 };
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		read_all(bytes, &ways[i], &want);
	check(ways[0].end == ways[1].end && ways[0].end == ways[2].end);
	check(ways[0].ok == ways[1].ok && ways[0].ok == ways[2].ok);
	check(str_eq(buf_str(&ways[0].out), buf_str(&ways[1].out)));
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		buf_fini(&ways[i].out);
	free(copy);
	return 0;
}
