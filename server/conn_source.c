/* server/conn_source.c
 *
 * One piece is in flight at a time: the source is asked for the next when the kernel has taken
 * the one before, which is all the back-pressure there is. A source that is never empty and a
 * client that takes everything would keep the loop for themselves: after CONN_TURN bytes the
 * others have their turn. */
#include "server/conn_source.h"
#include "core/base/log.h"
#include "core/io/net.h"
#include "server/access.h"
#include "server/body_source.h"
#include "server/conn_input.h"
#include "server/conn_output.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { CONN_TURN = 256 << 10 };

static void conn_on_turn(struct ready *ready)
{
	struct conn_source *out = container_of(ready, struct conn_source, turn);

	conn_go_on_sending(out->conn);
}

static void conn_on_more(struct body_source *source)
{
	struct conn_source *out = source->taker;

	check(out->waiting);
	out->waiting = false;
	conn_go_on_sending(out->conn);
}

bool conn_source_begin(struct conn *conn, const struct reply *reply)
{
	struct conn_source *out = arena_zalloc(&conn->request->arena, sizeof(*out));

	if (!out)
		return false;
	out->conn = conn;
	out->source = reply->source;
	out->source->on_more = conn_on_more;
	out->source->taker = out;
	out->left = reply->source->size;
	out->chunked = reply->source->size == BODY_SIZE_UNKNOWN && !conn->http10;
	out->status = reply->status;
	ready_init(&out->turn, conn_on_turn);
	conn->source = out;
	return true;
}

static int conn_source_frame(struct conn_source *out, struct str bytes, struct iovec *parts)
{
	int n = 0;

	out->sent += bytes.len;
	if (out->chunked) {
		int len = snprintf(out->line, sizeof(out->line), "%zx\r\n", bytes.len);

		parts[n++] = (struct iovec){ out->line, (size_t)len };
	}
	parts[n++] = (struct iovec){ (void *)(uintptr_t)bytes.ptr, bytes.len };
	if (out->chunked)
		parts[n++] = (struct iovec){ (void *)(uintptr_t) "\r\n", 2 };
	return n;
}

/* More or less than was promised would be read as something else. */
static int conn_source_count(struct conn_source *out, size_t size)
{
	if (out->left == BODY_SIZE_UNKNOWN)
		return 0;
	if (size > out->left || (size == 0 && out->left > 0))
		return -EPROTO;
	out->left -= size;
	return 0;
}

/* Nobody may take it for a whole one: where only the connection's end would tell, it is reset. */
static int conn_source_cut(struct conn_source *out, int error)
{
	const struct request *request = out->conn->request;

	log_warning("answer cut route=%s error=%s sent_bytes=%" PRIu64 " id=%.*s",
		    LOG_QUOTE(request->route->pattern.text), strerrorname_np(-error), out->sent,
		    STR_ARG(request->context.id));
	if (out->left == BODY_SIZE_UNKNOWN && !out->chunked)
		net_reset_on_close(stream_fd(&out->conn->stream));
	return error;
}

/* How many parts; 0: nothing now (see `waiting`, `whole`); or a negative errno. */
static int conn_source_piece(struct conn_source *out, struct iovec *parts)
{
	struct str bytes = STR_NONE;
	int r = body_source_read(out->source, &bytes);

	if (r == -EAGAIN) {
		out->waiting = true;
		return 0;
	}
	check(r <= 0 || bytes.len > 0);
	if (r >= 0 && conn_source_count(out, bytes.len) < 0)
		r = -EPROTO;
	if (r < 0)
		return conn_source_cut(out, r);
	if (r > 0)
		return conn_source_frame(out, bytes, parts);
	out->whole = true;
	if (!out->chunked)
		return 0;
	parts[0] = (struct iovec){ (void *)(uintptr_t) "0\r\n\r\n", 5 };
	return 1;
}

int conn_source_first(struct conn *conn, struct iovec parts[CONN_PIECE_PARTS])
{
	return conn->source ? conn_source_piece(conn->source, parts) : 0;
}

int conn_source_send(struct conn *conn)
{
	struct conn_source *out = conn->source;
	uint64_t end = out ? out->sent + CONN_TURN : 0;
	int r = 1;

	while (out && r > 0 && !out->whole) {
		struct iovec parts[CONN_PIECE_PARTS];
		int n;

		if (out->waiting)
			return 0;
		if (out->sent >= end) {
			loop_ready_next(conn->worker->loop, &out->turn);
			return 0;
		}
		n = conn_source_piece(out, parts);
		if (n < 0)
			return n;
		if (n == 0)
			continue;
		r = stream_write(&conn->stream, parts, (size_t)n);
	}
	return r;
}

bool conn_source_is_waiting(const struct conn *conn)
{
	return conn->source && conn->source->waiting && !stream_is_sending(&conn->stream);
}

void conn_source_end(struct conn *conn)
{
	struct conn_source *out = take(&conn->source);

	if (!out)
		return;
	loop_ready_cancel(&out->turn);
	access_log_request(conn, conn->request, out->status, (size_t)out->sent);
}
