/* server/client/http_send.c */
#include "server/client/http_send.h"
#include <errno.h>

static void http_send_on_more(struct body_source *source)
{
	struct http_send *send = source->taker;

	send->sender.waiting = false;
	if (send->conn && !stream_is_sending(&send->conn->stream))
		send->on_more(send->conn, http_send_go_on(send));
}

struct http_send *http_send_create(struct arena *arena, struct body_source *source)
{
	struct http_send *send = arena_zalloc(arena, sizeof(*send));

	if (send)
		send->sender.source = source;
	return send;
}

bool http_send_can_repeat(const struct http_send *send)
{
	return !send || !send->begun || body_source_can_rewind(send->sender.source);
}

bool http_send_begin(struct http_send *send, struct http_conn *conn, http_send_fn *on_more)
{
	struct body_source *source = send->sender.source;

	check(!send->conn);
	if (!http_send_can_repeat(send))
		return false;
	if (send->begun)
		source->ops->rewind(source);
	source->on_more = http_send_on_more;
	source->taker = send;
	body_sender_init(&send->sender, &conn->stream, source,
			 !send->raw && source->size == BODY_SIZE_UNKNOWN);
	send->sender.trailers = true;
	send->conn = conn;
	send->on_more = on_more;
	return true;
}

int http_send_go_on(struct http_send *send)
{
	struct stream *stream = &send->conn->stream;
	int r;

	send->begun = true;
	do
		r = body_sender_send(&send->sender);
	while (r == -EAGAIN); /* what comes from a client comes by turns already */
	if (r > 0 && send->raw)
		stream_shutdown(stream);
	return r;
}

bool http_send_is_waiting(const struct http_send *send)
{
	return send && send->sender.waiting && !stream_is_sending(send->sender.stream);
}

bool http_send_is_whole(const struct http_send *send)
{
	return !send || send->sender.whole;
}

void http_send_stop(struct http_send *send)
{
	if (send)
		send->conn = NULL;
}
