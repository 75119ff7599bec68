/* tests/fuzz/peer_frame.c: the first byte chooses seals and cuts. What frames say is the same whole and in
 * pieces; what a frame says of messages and answers is written back as it was. */
#include "server/peers/peer_frame.h"
#include "core/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAME_MAX = 3000, OUT_MAX = 1 << 20 };

static void tell_message(struct str body, struct buf *out)
{
	struct peer_message message;
	struct buf again;

	if (!peer_message_read(body, &message))
		return;
	buf_init(&again, OUT_MAX);
	peer_message_write(&message, &again);
	peer_message_stamp(again.data, message.id, message.timeout_ms);
	again.data[12] = body.ptr[12]; /* flags of later versions are not kept */
	check(str_eq(buf_str(&again), body));
	buf_add(out, message.actor);
	buf_fini(&again);
}

static void tell_answer(struct str body, struct buf *out)
{
	struct peer_answer answer;
	struct buf again;

	if (!peer_answer_read(body, &answer))
		return;
	buf_init(&again, OUT_MAX);
	peer_answer_write(&answer, &again);
	check(str_eq(buf_str(&again), body));
	buf_add(out, answer.code);
	buf_fini(&again);
}

static void tell(const struct peer_frame *frame, struct buf *out)
{
	struct peer_fields fields = { frame->body, false };

	buf_add_u64(out, (uint64_t)frame->type);
	buf_add(out, frame->body);
	tell_message(frame->body, out);
	tell_answer(frame->body, out);
	while (!fields.bad && fields.rest.len)
		buf_add(out, peer_get_text(&fields, 1 + fields.rest.len % 2));
}

static void read_all(struct str bytes, size_t cut, struct peer_seal seal, struct buf *out)
{
	enum peer_frames_step step = PEER_FRAMES_MORE;
	struct peer_frames frames;
	struct peer_frame frame;

	peer_frames_init(&frames, FRAME_MAX);
	for (size_t at = 0; at < bytes.len && step != PEER_FRAMES_BAD; at += cut) {
		check(peer_frames_add(&frames, str_first(str_skip(bytes, at), cut)));
		while ((step = peer_frames_next(&frames, &seal, &frame)) == PEER_FRAMES_FRAME)
			tell(&frame, out);
	}
	buf_add_char(out, step == PEER_FRAMES_BAD ? 'x' : '.');
	peer_frames_fini(&frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer_seal seal = { 0 };
	struct str bytes;
	struct buf whole, pieces;

	if (size == 0)
		return 0;
	seal.on = data[0] & 1;
	bytes = str_skip((struct str){ (const char *)data, size }, 1);
	buf_init(&whole, OUT_MAX);
	buf_init(&pieces, OUT_MAX);
	read_all(bytes, SIZE_MAX / 2, seal, &whole);
	read_all(bytes, 1U + (data[0] >> 1) % 16U, seal, &pieces);
	check(whole.data && pieces.data); /* one character at least */
	check(str_eq(buf_str(&whole), buf_str(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
