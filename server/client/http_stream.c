/* server/client/http_stream.c
 *
 *   begin --> [piece at hand] <--> [nothing at hand] --> whole    (the connection goes to its pool)
 *                      \                  |   \--------> lost     (closed: reading says why)
 *                       \--> close <------+--> waiting --> on_more()
 *
 * What is read is decoded where it stands, chunks of one read in one piece, so a body of many
 * small chunks costs no more sends than its reads. Between two reads nothing is kept: the buffer
 * goes when the taker has had it and no more is there. */
#include "server/client/http_stream.h"
#include "server/client/http_answer.h"
#include "server/client/http_conn.h"
#include "server/client/http_send.h"
#include <errno.h>
#include <stdlib.h>

static bool http_stream_is_done(const struct http_stream *stream)
{
	return !stream->conn;
}

static void http_stream_check(const struct http_stream *stream)
{
	check(!loop_current() || loop_is_current(stream->pool->client->loop));
	check(!stream->conn || stream->conn->body == stream);
	check(!stream->conn || !stream->error);
	check(stream->piece.len == 0 || stream->buffer);
	check(!stream->waiting || stream->piece.len == 0);
}

/* ------------------------------------------------------------ the buffer */

static bool http_stream_need_buffer(struct http_stream *stream)
{
	if (stream->buffer)
		return true;
	stream->buffer = malloc(HTTP_STREAM_BUFFER);
	if (stream->buffer)
		arena_budget_add(stream->budget, HTTP_STREAM_BUFFER);
	return stream->buffer != NULL;
}

static void http_stream_drop_buffer(struct http_stream *stream)
{
	if (!stream->buffer)
		return;
	free(take(&stream->buffer));
	stream->piece = STR_NONE;
	arena_budget_give_back(stream->budget, HTTP_STREAM_BUFFER);
}

/* ------------------------------------------------------------ the server and the connection */

static void http_stream_leave_peer(struct http_stream *stream, enum breaker_result result)
{
	if (stream->shelf)
		shelf_end_call(take(&stream->shelf), &stream->upstream->breaker, stream->ticket,
			       result);
}

static void http_stream_leave(struct http_stream *stream, bool keep)
{
	struct http_conn *conn = take(&stream->conn);

	timer_stop(&stream->timer);
	http_send_stop(stream->send);
	if (!conn)
		return;
	conn->body = NULL;
	if (keep && http_send_is_whole(stream->send))
		http_conn_keep(conn, stream->upstream);
	else
		http_conn_close(conn);
}

static int http_stream_lose(struct http_stream *stream, int error)
{
	http_stream_leave(stream, false);
	http_stream_leave_peer(stream, error == -ENOMEM ? BREAKER_UNKNOWN : BREAKER_FAILED);
	atomic_fetch_add_explicit(&stream->upstream->fleet->stats.failed, 1, memory_order_relaxed);
	return stream->error = error;
}

static int http_stream_errno(enum http_call_error error)
{
	switch (error) {
	case HTTP_CALL_TIMEOUT:
		return -ETIMEDOUT;
	case HTTP_CALL_TOO_LARGE:
		return -EFBIG;
	case HTTP_CALL_MEMORY:
		return -ENOMEM;
	case HTTP_CALL_OK:
	case HTTP_CALL_CONNECT_FAILED:
	case HTTP_CALL_DNS_FAILED:
	case HTTP_CALL_TLS_FAILED:
	case HTTP_CALL_BAD_RESPONSE:
	case HTTP_CALL_POOL_EXHAUSTED:
	case HTTP_CALL_BREAKER_OPEN:
	case HTTP_CALL_UNAVAILABLE:
	case HTTP_CALL_BODY_LOST:
		return -EPROTO;
	}
	unreachable();
}

/* Where the answer stands after bytes of it, or its end, were read; `n_left` were not its own. */
static int http_stream_step(struct http_stream *stream, size_t n_left)
{
	struct http_answer *answer = stream->answer;

	switch (answer->state) {
	case ANSWER_LENGTH:
	case ANSWER_CHUNKED:
	case ANSWER_CLOSE:
		return 1;
	case ANSWER_WHOLE:
		stream->source.trailers = answer->trailers;
		http_stream_leave(stream, answer->keep_alive && n_left == 0);
		http_stream_leave_peer(stream, stream->good);
		return 1;
	case ANSWER_FAILED:
		return http_stream_lose(stream, http_stream_errno(answer->error));
	case ANSWER_HEAD:
		break;
	}
	unreachable();
}

/* ------------------------------------------------------------ reading */

static int http_stream_decode(struct http_stream *stream, size_t size)
{
	size_t used = http_answer_piece(stream->answer, stream->buffer, size, &stream->piece);

	return http_stream_step(stream, size - used);
}

/* A tunnel may be silent for as long as its owner lets it. */
static void http_stream_set_timer(struct http_stream *stream)
{
	uint64_t idle_ms = stream->upstream->timeouts.idle_ms;

	stream->seen_bytes = stream->conn->stream.sent_bytes;
	if (idle_ms && !stream->answer->switched)
		timer_start(&stream->timer, idle_ms);
}

static int http_stream_wait(struct http_stream *stream)
{
	http_stream_drop_buffer(stream);
	stream->waiting = true;
	http_stream_set_timer(stream);
	return -EAGAIN;
}

/* One read. 1: a piece, or the end; -EAGAIN; or why the body is lost. */
static int http_stream_read_some(struct http_stream *stream)
{
	struct stream *socket = &stream->conn->stream;
	ssize_t n;

	if (!socket->readable && !socket->error)
		return http_stream_wait(stream);
	if (!http_stream_need_buffer(stream))
		return http_stream_lose(stream, -ENOMEM);
	n = stream_read(socket, stream->buffer, HTTP_STREAM_BUFFER);
	if (n == -EAGAIN)
		return http_stream_wait(stream);
	if (n < 0)
		return http_stream_lose(stream, (int)n);
	if (n > 0)
		return http_stream_decode(stream, (size_t)n);
	http_answer_end(stream->answer);
	if (stream->answer->state == ANSWER_FAILED)
		return http_stream_lose(stream, -ECONNRESET);
	return http_stream_step(stream, 0);
}

static int http_stream_read(struct body_source *source, struct str *ret_bytes)
{
	struct http_stream *stream = http_stream_of(source);
	int r = 1;

	http_stream_check(stream);
	check(!stream->waiting);
	while (r > 0 && stream->piece.len == 0 && !http_stream_is_done(stream))
		r = http_stream_read_some(stream);
	if (stream->piece.len > 0) { /* also of a body that is lost behind it */
		*ret_bytes = stream->piece;
		stream->piece = STR_NONE;
		return 1;
	}
	if (r == -EAGAIN)
		return r;
	http_stream_drop_buffer(stream);
	return stream->error;
}

/* ------------------------------------------------------------ what happens meanwhile */

static void http_stream_tell(struct http_stream *stream)
{
	if (!stream->waiting)
		return;
	stream->waiting = false;
	timer_stop(&stream->timer);
	stream->source.on_more(&stream->source);
}

static void http_stream_on_readable(struct stream *socket)
{
	http_stream_tell(container_of(socket, struct http_conn, stream)->body);
}

/* The rest of an early answered request: what the server has to say is still to be read, also when
 * it takes no more. */
static void http_stream_take_send(struct http_conn *conn, int r)
{
	struct http_stream *stream = conn->body;

	if (r >= 0)
		return;
	if (conn->stream.error)
		stream_read_on(&conn->stream);
	else
		http_stream_lose(stream, r);
	http_stream_tell(stream);
}

static void http_stream_on_sent(struct stream *socket)
{
	struct http_conn *conn = container_of(socket, struct http_conn, stream);
	struct http_send *send = conn->body->send;
	int r = socket->error;

	if (r == 0 && send && send->conn)
		r = http_send_go_on(send);
	http_stream_take_send(conn, r);
}

/* The request goes on; or, in another protocol now, begins. */
static void http_stream_take_over(struct http_stream *stream, struct http_conn *conn)
{
	struct http_send *send = stream->send;

	if (!stream->answer->switched) {
		send->on_more = http_stream_take_send;
		return;
	}
	http_send_begin(send, conn, http_stream_take_send);
	if (!stream_is_sending(&conn->stream))
		http_stream_take_send(conn, http_send_go_on(send));
}

static void http_stream_on_idle(struct timer *timer)
{
	struct http_stream *stream = container_of(timer, struct http_stream, timer);

	http_stream_check(stream);
	if (stream->conn->stream.sent_bytes > stream->seen_bytes) { /* it is still being asked */
		http_stream_set_timer(stream);
		return;
	}
	http_stream_give_up(stream);
}

void http_stream_give_up(struct http_stream *stream)
{
	if (!stream->conn)
		return;
	http_stream_lose(stream, -ETIMEDOUT);
	http_stream_tell(stream);
}

uint64_t http_stream_progress(const struct http_stream *stream)
{
	return stream->answer->body_len + (stream->conn ? stream->conn->stream.sent_bytes : 0);
}

/* ------------------------------------------------------------ beginning and end */

static void http_stream_close(struct body_source *source)
{
	struct http_stream *stream = http_stream_of(source);
	struct client *client = stream->pool->client;

	http_stream_check(stream);
	stream->waiting = false;
	http_stream_leave(stream, false);
	http_stream_leave_peer(stream, BREAKER_UNKNOWN);
	http_stream_drop_buffer(stream);
	http_answer_fini(stream->answer);
	atomic_fetch_sub_explicit(&stream->upstream->fleet->stats.in_flight, 1,
				  memory_order_relaxed);
	stream->pool->n_calls--;
	client->n_calls--;
}

static void http_stream_take_conn(struct http_stream *stream, struct http_call *call)
{
	struct http_conn *conn = take(&call->conn);

	stream->conn = conn;
	stream->shelf = take(&call->shelf);
	stream->ticket = call->ticket;
	stream->good = call->request.upstream->breaker_5xx && call->response.status >= 500
			       ? BREAKER_FAILED
			       : BREAKER_SUCCEEDED;
	stream->answer = take(&call->answer);
	stream->send = take(&call->send);
	conn->call = NULL;
	conn->body = stream;
	timer_stop(&conn->again);
	conn->stream.on_readable = http_stream_on_readable;
	conn->stream.on_sent = http_stream_on_sent;
	if (stream->send)
		http_stream_take_over(stream, conn);
}

struct http_stream *http_stream_begin(struct http_call *call, struct str rest)
{
	static const struct body_source_ops ops = { http_stream_read, http_stream_close };
	struct http_stream *stream = arena_zalloc(call->arena, sizeof(*stream));
	const struct http_answer *answer = call->answer;

	if (!stream)
		return NULL;
	stream->source.ops = &ops;
	stream->source.size = answer->state == ANSWER_LENGTH  ? answer->length
			      : answer->state == ANSWER_WHOLE ? 0
							      : BODY_SIZE_UNKNOWN;
	stream->pool = call->pool;
	stream->upstream = call->request.upstream;
	stream->budget = call->arena->budget;
	timer_init(&stream->timer, call->client->loop, http_stream_on_idle);
	if (answer->state == ANSWER_WHOLE) {
		http_stream_take_conn(stream, call);
		http_stream_step(stream, rest.len);
		return stream;
	}
	if (rest.len > 0 && !http_stream_need_buffer(stream))
		return NULL;
	http_stream_take_conn(stream, call);
	if (rest.len > 0) {
		memcpy(stream->buffer, rest.ptr, rest.len);
		http_stream_decode(stream, rest.len);
	}
	return stream;
}
