/* server/conn_source.c
 *
 * A source that is never empty and a client that takes everything would keep the loop for
 * themselves: after BODY_TURN bytes the others have their turn. */
#include "server/conn_source.h"
#include "core/base/log.h"
#include "core/io/net.h"
#include "server/access.h"
#include "server/conn_input.h"
#include "server/conn_output.h"
#include <errno.h>
#include <inttypes.h>

static void conn_on_turn(struct ready *ready)
{
	struct conn_source *out = container_of(ready, struct conn_source, turn);

	conn_go_on_sending(out->conn);
}

static void conn_on_more(struct body_source *source)
{
	struct conn_source *out = source->taker;

	check(out->sender.waiting);
	out->sender.waiting = false;
	conn_go_on_sending(out->conn);
}

bool conn_source_begin(struct conn *conn, const struct reply *reply)
{
	struct conn_source *out = arena_zalloc(&conn->request->arena, sizeof(*out));
	bool chunked = reply->source->size == BODY_SIZE_UNKNOWN && !conn->http10 &&
		       !reply->switches;

	if (!out)
		return false;
	out->conn = conn;
	out->status = reply->status;
	out->endless = reply->endless;
	body_sender_init(&out->sender, &conn->stream, reply->source, chunked);
	out->sender.trailers = conn->request->head.wants_trailers; /* RFC 9110 §6.5.1 */
	reply->source->on_more = conn_on_more;
	reply->source->taker = out;
	ready_init(&out->turn, conn_on_turn);
	conn->source = out;
	return true;
}

/* Nobody may take it for a whole one: where only the connection's end would tell, it is reset. */
static int conn_source_cut(struct conn_source *out, int error)
{
	const struct request *request = out->conn->request;
	const struct body_sender *sender = &out->sender;

	if (out->conn->stream.error)
		return error;
	log_warning("answer cut route=%s error=%s sent_bytes=%" PRIu64 " id=%.*s",
		    LOG_QUOTE(request->route->pattern.text), strerrorname_np(-error), sender->sent,
		    STR_ARG(request->context.id));
	if (sender->left == BODY_SIZE_UNKNOWN && !sender->chunked)
		net_reset_on_close(stream_fd(&out->conn->stream));
	return error;
}

int conn_source_first(struct conn *conn, struct iovec parts[BODY_PIECE_PARTS])
{
	int n = conn->source ? body_sender_piece(&conn->source->sender, parts) : 0;

	return n < 0 ? conn_source_cut(conn->source, n) : n;
}

int conn_source_send(struct conn *conn)
{
	struct conn_source *out = conn->source;
	int r = out ? body_sender_send(&out->sender) : 1;

	if (r == -EAGAIN) {
		loop_ready_next(conn->worker->loop, &out->turn);
		return 0;
	}
	return r < 0 ? conn_source_cut(out, r) : r;
}

bool conn_source_is_waiting(const struct conn *conn)
{
	return conn->source && conn->source->sender.waiting && !stream_is_sending(&conn->stream);
}

void conn_source_end(struct conn *conn)
{
	struct conn_source *out = take(&conn->source);

	if (!out)
		return;
	loop_ready_cancel(&out->turn);
	access_log_request(conn, conn->request, out->status, (size_t)out->sender.sent);
}
