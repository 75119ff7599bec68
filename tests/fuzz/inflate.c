/* tests/fuzz/inflate.c: the first byte chooses the coding and the cuts. The verdict is the same whole
 * and in pieces, and so is what comes out, but before an error; nothing is left in the budget. */
#include "server/body/inflate.h"
#include "core/base/buf.h"
#include "core/base/check.h"
#include <stdatomic.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 1 << 20 };

/* Of one piece; false: it is over. */
static bool inflate_piece(struct inflater *inflater, struct str piece, size_t room, struct buf *out)
{
	enum inflate_step step;
	char bytes[4096];
	size_t len;

	do {
		step = inflater_read(inflater, &piece, bytes, room, &len);
		check(len <= room);
		check(step != INFLATE_MORE || piece.len == 0);
		buf_add(out, (struct str){ bytes, len });
		if (out->error)
			return false;
	} while (step == INFLATE_FULL);
	if (step != INFLATE_MORE)
		buf_add(out, step == INFLATE_BAD ? STR("!bad") : STR("!memory"));
	return step == INFLATE_MORE;
}

static void inflate_all(enum inflate_coding coding, struct str body, size_t cut, size_t room,
			struct buf *out)
{
	struct arena_budget budget = { .max = SIZE_MAX };
	struct inflater *inflater = inflater_create(coding, &budget);
	size_t at = 0;

	check(inflater);
	while (at < body.len &&
	       inflate_piece(inflater, str_first(str_skip(body, at), cut), room, out))
		at += cut;
	if (at >= body.len)
		buf_add(out, inflater_is_whole(inflater) ? STR("!whole") : STR("!more"));
	inflater_destroy(inflater);
	check(atomic_load(&budget.used) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = { (const char *)data, size };
	struct buf whole, pieces;
	enum inflate_coding coding;
	bool bad;

	if (size == 0)
		return 0;
	body = str_skip(body, 1);
	coding = (enum inflate_coding)(data[0] % 4);
	buf_init(&whole, OUT_MAX);
	buf_init(&pieces, OUT_MAX);
	inflate_all(coding, body, body.len + 1, 4096, &whole);
	inflate_all(coding, body, 1 + (size_t)(data[0] / 4) % 8, 1 + (size_t)data[0], &pieces);
	bad = str_ends_with(buf_str(&whole), STR("!bad"));
	if (!whole.error &&
	    !pieces.error) { /* no more than OUT_MAX, which may come before an error */
		check(bad == str_ends_with(buf_str(&pieces), STR("!bad")));
		check(bad || str_eq(buf_str(&whole), buf_str(&pieces)));
	}
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
