/* server/live/websocket_send.c: what goes to the client. */
#include "core/base/log.h"
#include "server/live/websocket_private.h"
#include "server/worker.h"

void websocket_over(struct websocket *ws)
{
	ws->state = WEBSOCKET_OVER;
	timer_stop(&ws->timer);
	outbox_end(&ws->outbox);
	if (ws->answered) /* else it is told when it has joined */
		live_unfollow(&ws->live);
	websocket_go_on(ws);
}

bool websocket_put(struct websocket *ws, enum frame_opcode opcode, bool compressed,
		   struct str payload)
{
	struct packet *packet =
		packet_create_frame(websocket_budget(ws), opcode, compressed, payload);

	return outbox_put(&ws->outbox, packet, false);
}

/* What leat says of its own accord, a ping at a time and one close, is small, and is not counted: a
 * client is not given up, or left without a reason, since others have all of limits.total_memory. */
bool websocket_put_uncounted(struct websocket *ws, enum frame_opcode opcode, struct str payload)
{
	return outbox_put(&ws->outbox, packet_create_frame(NULL, opcode, false, payload), false);
}

/* Our close frame. 1005: one without a code. */
void websocket_put_close(struct websocket *ws, uint16_t code, struct str reason)
{
	char payload[FRAME_CONTROL_MAX];

	outbox_release(&ws->outbox); /* nothing comes behind it */
	payload[0] = (char)(code >> 8);
	payload[1] = (char)code;
	if (reason.len)
		memcpy(payload + 2, reason.ptr, reason.len);
	websocket_put_uncounted(
		ws, FRAME_CLOSE,
		(struct str){ payload, code == INBOX_NO_CODE ? 0 : 2 + reason.len });
}

void websocket_fail(struct websocket *ws, uint16_t code, const char *detail)
{
	log_info("websocket failed route=%s code=%u detail=%s id=%.*s",
		 LOG_QUOTE(ws->live.route->pattern.text), code, LOG_QUOTE(str_of(detail)),
		 STR_ARG(ws->live.id));
	live_close_as(&ws->live, code, str_of(detail));
	if (ws->state == WEBSOCKET_OPEN)
		websocket_put_close(ws, code, str_of(detail));
	websocket_over(ws);
}

void websocket_close(struct websocket *ws, uint16_t code, struct str reason)
{
	if (ws->state != WEBSOCKET_OPEN)
		return;
	live_close_as(&ws->live, code, reason);
	websocket_put_close(ws, code, reason);
	ws->state = WEBSOCKET_CLOSING;
	if (ws->answered)
		live_unfollow(&ws->live);
	timer_start(&ws->timer, ws->spec->close_ms);
	websocket_go_on(ws);
}

/* NULL: it is not worth it, or there is no memory. */
static struct packet *websocket_deflate(struct websocket *ws, enum frame_opcode opcode,
					struct str message)
{
	struct packet *packet = NULL;
	struct buf out;

	if (!ws->deflate.on || message.len < DEFLATE_MIN || message.len > DEFLATE_MAX)
		return NULL;
	if (!ws->deflater)
		ws->deflater = deflater_create(ws->deflate.own_bits, websocket_budget(ws));
	if (!ws->deflater)
		return NULL;
	buf_init_arena(&out, &ws->live.run_arena);
	if (deflater_message(ws->deflater, message, ws->deflate.own_takeover, &out))
		packet = packet_create_frame(websocket_budget(ws), opcode, true, buf_str(&out));
	if (!packet) /* what it would refer to was never sent */
		deflater_destroy(take(&ws->deflater));
	return packet;
}

bool websocket_put_message(struct websocket *ws, enum frame_opcode opcode, struct str message)
{
	struct packet *packet = websocket_deflate(ws, opcode, message);

	atomic_fetch_add_explicit(&ws->live.worker->stats.live_out, 1, memory_order_relaxed);
	return packet ? outbox_put(&ws->outbox, packet, false)
		      : websocket_put(ws, opcode, false, message);
}

/* Framed once for all; compressed once for all whose window is the usual one. */
static struct packet *websocket_frame(const struct websocket *ws, struct publication *publication)
{
	return ws->deflate.on && ws->deflate.own_bits == DEFLATE_BITS_MAX
		       ? publication_deflated(publication)
		       : publication_frame(publication);
}

void websocket_publish(struct live *live, struct live_topic *topic, struct publication *publication)
{
	struct websocket *ws = websocket_of(live);
	struct packet *frame = websocket_frame(ws, publication);

	topic->last_id = publication_id(publication);
	if (ws->state != WEBSOCKET_OPEN)
		return;
	if (!live_make_room(live, &ws->outbox, packet_bytes(frame).len, ws->spec->queue,
			    ws->spec->slow)) {
		outbox_clear(&ws->outbox);
		websocket_close(ws, CODE_SLOW, STR("too slow"));
	} else if (outbox_put(&ws->outbox, packet_ref(frame), true)) {
		atomic_fetch_add_explicit(&live->worker->stats.live_out, 1, memory_order_relaxed);
		/* that message is in the client's window, and not in ours: no later one refers behind it */
		if (ws->deflater && frame != publication_frame(publication))
			deflater_reset(ws->deflater);
	} else {
		websocket_fail(ws, CODE_ERROR, "no memory");
	}
}
