/* tests/fuzz/websocket.c: the first byte chooses the terms and the cuts. What frames say is the same
 * whole and in pieces; no message is larger than it may be; nothing is left in the budget. */
#include "core/base/buf.h"
#include "core/base/check.h"
#include "server/live/inbox.h"
#include <stdatomic.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 1 << 20, MESSAGE_MAX = 4000, FRAME_MAX = 3000 };

static void websocket_tell(const struct inbox *inbox, enum inbox_step step, struct buf *out)
{
	if (step == INBOX_MORE || step == INBOX_TURN)
		return;
	buf_add_char(out, (char)('a' + (int)step));
	if (step == INBOX_MESSAGE) {
		check(inbox_message(inbox).len <= MESSAGE_MAX);
		check(!inbox->text || str_is_utf8(inbox_message(inbox)));
		buf_add(out, inbox_message(inbox));
	} else if (step == INBOX_PING || step == INBOX_PONG || step == INBOX_CLOSE) {
		check(inbox_control(inbox).len <= FRAME_CONTROL_MAX);
		buf_add(out, inbox_control(inbox));
	}
	if (step == INBOX_CLOSE || step == INBOX_BAD)
		buf_add_u64(out, inbox->code);
}

static void websocket_read(struct str bytes, size_t cut, const struct deflate_terms *terms,
			   struct buf *out)
{
	const struct inbox_limits limits = { MESSAGE_MAX, FRAME_MAX };
	struct arena_budget budget = { .max = SIZE_MAX };
	enum inbox_step step = INBOX_MORE;
	struct inbox inbox;

	inbox_init(&inbox, &limits, terms, &budget);
	for (size_t at = 0; at < bytes.len && step != INBOX_BAD; at += cut) {
		struct str in = str_first(str_skip(bytes, at), cut);

		do {
			step = inbox_read(&inbox, &in);
			check(step != INBOX_MORE || in.len == 0);
			websocket_tell(&inbox, step, out);
		} while (in.len > 0 && step != INBOX_BAD);
	}
	inbox_fini(&inbox);
	check(atomic_load(&budget.used) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct deflate_terms terms;
	struct str bytes = { (const char *)data, size };
	struct buf whole, pieces;

	if (size == 0)
		return 0;
	terms = (struct deflate_terms){ .on = data[0] & 1,
					.own_takeover = true,
					.peer_takeover = data[0] & 2,
					.own_bits = DEFLATE_BITS_MAX };
	bytes = str_skip(bytes, 1);
	buf_init(&whole, OUT_MAX);
	buf_init(&pieces, OUT_MAX);
	websocket_read(bytes, bytes.len + 1, &terms, &whole);
	websocket_read(bytes, 1 + data[0] / 4 % 16, &terms, &pieces);
	if (!whole.error && !pieces.error) {
		check(whole.len == pieces.len);
		check(whole.len == 0 || (whole.data && pieces.data));
		check(str_eq(buf_str(&whole), buf_str(&pieces)));
	}
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
