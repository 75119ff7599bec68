/* server/client/http_exchange.c: the phases SEND, WAIT and BODY of a call (see http_call.c). */
#include "server/client/http_exchange.h"
#include "server/client/http_answer.h"
#include "server/client/http_reach.h"
#include "server/client/http_request.h"
#include "server/client/http_retry.h"
#include "server/client/http_send.h"
#include "server/client/http_stream.h"
#include <errno.h>

enum { READS_A_TURN = 16 }; /* of CLIENT_SCRATCH bytes; then other connections have their turn */

static void http_exchange_on_readable(struct stream *stream);
static void http_exchange_on_sent(struct stream *stream);

/* A response that is whole, with nothing behind it, leaves a connection that is good for more. */
void http_exchange_leave(struct http_call *call, bool keep)
{
	struct http_conn *conn = call->conn;

	if (!conn)
		return;
	call->sent = call->sent || conn->stream.sent_bytes > 0;
	call->conn = NULL;
	timer_stop(&conn->again);
	http_send_stop(call->send);
	if (keep && http_send_is_whole(call->send))
		http_conn_keep(conn, call->request.upstream);
	else
		http_conn_close(conn);
}

/* ------------------------------------------------------------ the timer of the phase */

static void http_exchange_set_timer(struct http_call *call, uint64_t delay_ms)
{
	if (delay_ms)
		timer_start(&call->timer, delay_ms);
	else
		timer_stop(&call->timer);
}

static void http_exchange_watch_progress(struct http_call *call)
{
	call->seen_bytes = call->conn->stream.sent_bytes;
	/* a body that its own source keeps waiting is not late by the server's fault */
	http_exchange_set_timer(call, http_send_is_waiting(call->send)
					      ? 0
					      : call->request.upstream->timeouts.idle_ms);
}

void http_exchange_on_timer(struct http_call *call)
{
	if (call->phase == CALL_BODY)
		http_call_time_out(call, "the body did not go on");
	else if (call->phase == CALL_WAIT)
		http_call_time_out(call, "no response");
	else if (call->conn->stream.sent_bytes > call->seen_bytes)
		http_exchange_watch_progress(call);
	else
		http_call_time_out(call, "the request was not taken");
}

/* ------------------------------------------------------------ reading */

/* True for a connection that died between two requests, as far as anybody can tell: then this
 * was not the request's fault, and doing it once more does no harm. */
static bool http_exchange_is_stale(const struct http_call *call)
{
	const struct http_conn *conn = call->conn;

	return conn->reused && !call->answer->began && !call->retried &&
	       (conn->stream.sent_bytes == 0 || http_request_is_idempotent(&call->request)) &&
	       http_send_can_repeat(call->send);
}

/* The connection is of no use any more: `detail` says why, unless the answer knows better. */
static void http_exchange_lost(struct http_call *call, const char *detail)
{
	if (http_exchange_is_stale(call)) {
		call->retried = true;
		timer_stop(&call->timer);
		http_exchange_leave(call, false);
		http_call_leave_peer(call, BREAKER_UNKNOWN);
		http_call_begin(call);
		return;
	}
	http_call_fail(call, HTTP_CALL_BAD_RESPONSE, detail);
}

static const char *http_exchange_lost_detail(const struct http_answer *answer)
{
	switch (answer->state) {
	case ANSWER_HEAD:
		return answer->began ? "reset in the middle of the head"
				     : "reset before any response";
	case ANSWER_LENGTH:
	case ANSWER_CHUNKED:
	case ANSWER_CLOSE:
		return "reset in the middle of the body";
	case ANSWER_WHOLE:
	case ANSWER_FAILED:
		break;
	}
	unreachable();
}

/* The head is whole, and that is all that the call is about. */
static void http_exchange_stream(struct http_call *call, struct str rest)
{
	call->response = call->answer->response;
	call->stream = http_stream_begin(call, rest);
	call->sent = true;
	if (call->stream)
		http_call_answered(call);
	else
		http_call_fail(call, HTTP_CALL_MEMORY, "no memory for the body");
}

static bool http_exchange_may_stream(const struct http_answer *answer)
{
	return answer->streams && answer->state != ANSWER_HEAD && answer->state != ANSWER_FAILED;
}

/* What a proxy says of itself is not what the server says. */
static bool http_exchange_is_let_through(const struct http_call *call)
{
	const struct upstream *upstream = call->request.upstream;

	return !upstream->via || upstream->tls || call->answer->response.status != 407;
}

/* The head is whole. False when the try has ended by it. */
static bool http_exchange_take_head(struct http_call *call)
{
	if (unlikely(!http_exchange_is_let_through(call))) {
		http_call_fail(call, HTTP_CALL_CONNECT_FAILED,
			       "the proxy does not accept the credentials of via (407)");
		return false;
	}
	return !http_retry_status(call);
}

/* What was just read has been used, but for `rest`. False when the call is done. */
static bool http_exchange_step(struct http_call *call, struct str rest)
{
	struct http_answer *answer = call->answer;

	if (answer->state != ANSWER_HEAD && answer->state != ANSWER_FAILED &&
	    call->phase != CALL_BODY && !http_exchange_take_head(call))
		return false;
	if (http_exchange_may_stream(answer)) {
		http_exchange_stream(call, rest);
		return false;
	}
	switch (answer->state) {
	case ANSWER_HEAD:
		return true;
	case ANSWER_LENGTH:
	case ANSWER_CHUNKED:
	case ANSWER_CLOSE:
		call->phase = CALL_BODY;
		return true;
	case ANSWER_WHOLE:
		answer->keep_alive = answer->keep_alive && rest.len == 0;
		call->response = answer->response;
		http_call_answered(call);
		return false;
	case ANSWER_FAILED:
		http_call_fail(call, answer->error, answer->detail);
		return false;
	}
	unreachable();
}

static bool http_exchange_at_end(struct http_call *call)
{
	if (!call->answer->began) {
		http_exchange_lost(call, "closed before any response");
		return false;
	}
	http_answer_end(call->answer);
	return http_exchange_step(call, STR_NONE);
}

/* One read. False when nothing is to be read now, or the call is done or began anew. */
static bool http_exchange_read_some(struct http_call *call)
{
	char *scratch = call->client->scratch;
	ssize_t n = stream_read(&call->conn->stream, scratch, CLIENT_SCRATCH);
	size_t used;

	if (n == -EAGAIN)
		return false;
	if (n == 0)
		return http_exchange_at_end(call);
	if (n < 0) {
		http_exchange_lost(call, http_exchange_lost_detail(call->answer));
		return false;
	}
	used = http_answer_read(call->answer, (struct str){ scratch, (size_t)n });
	return http_exchange_step(call, (struct str){ scratch + used, (size_t)n - used }) &&
	       call->conn->stream.readable;
}

/* Descriptors are edge-triggered: either all is read, or `again` comes back for the rest, in a
 * later turn (the ready list would in this one). */
static void http_exchange_read(struct http_call *call)
{
	struct http_conn *conn = call->conn;

	for (unsigned n = 0; http_exchange_read_some(call); n++) {
		if (n + 1 < READS_A_TURN)
			continue;
		timer_start(&conn->again, 0);
		break;
	}
	if (call->phase == CALL_BODY)
		http_exchange_set_timer(call, call->request.upstream->timeouts.idle_ms);
	http_call_check(call);
}

static void http_exchange_on_readable(struct stream *stream)
{
	struct http_conn *conn = container_of(stream, struct http_conn, stream);

	http_call_check(conn->call);
	http_exchange_read(conn->call);
}

static void http_exchange_on_again(struct timer *timer)
{
	struct http_conn *conn = container_of(timer, struct http_conn, again);

	http_call_check(conn->call);
	http_exchange_read(conn->call);
}

/* ------------------------------------------------------------ sending */

/* The peer takes no more. It may have answered all the same before it closed (413, 401, …): what
 * has arrived is still to be read, and then comes the end. */
static void http_exchange_on_send_error(struct http_call *call)
{
	struct stream *stream = &call->conn->stream;

	stream_read_on(stream);
	while (http_exchange_read_some(call))
		;
	if (call->phase == CALL_SEND || call->phase == CALL_BODY)
		http_exchange_lost(call, "reset while the request was being sent");
}

static void http_exchange_is_sent(struct http_call *call)
{
	if (call->phase != CALL_SEND)
		return;
	call->phase = CALL_WAIT;
	http_exchange_set_timer(call, call->request.upstream->timeouts.first_byte_ms);
}

/* What comes from a source behind the head. (What is said after a switch of protocols is the
 * stream's to send.) */
static struct http_send *http_exchange_body(const struct http_call *call)
{
	return call->send && !call->send->raw ? call->send : NULL;
}

/* Where sending stands. */
static void http_exchange_take_send(struct http_call *call, int r)
{
	if (r < 0 && call->conn->stream.error)
		http_exchange_on_send_error(call);
	else if (r < 0)
		http_call_fail(call, HTTP_CALL_BODY_LOST, "the request's body has no end");
	else if (r > 0)
		http_exchange_is_sent(call);
	else if (call->phase == CALL_SEND)
		http_exchange_watch_progress(call);
}

static void http_exchange_on_more(struct http_conn *conn, int r)
{
	struct http_call *call = conn->call;

	http_exchange_take_send(call, r);
	http_call_check(call);
}

static void http_exchange_on_sent(struct stream *stream)
{
	struct http_call *call = container_of(stream, struct http_conn, stream)->call;
	struct http_send *body = http_exchange_body(call);

	if (stream->error)
		http_exchange_on_send_error(call);
	else
		http_exchange_take_send(call, body ? http_send_go_on(body) : 1);
	http_call_check(call);
}

/* The head, and what there is of the body. As http_send_go_on(). */
static int http_exchange_send(struct http_call *call, struct http_conn *conn)
{
	const struct iovec parts[] = {
		{ (char *)(uintptr_t)call->head.ptr, call->head.len },
		{ (char *)(uintptr_t)call->request.body.ptr, call->request.body.len },
	};
	struct http_send *body = http_exchange_body(call);
	int r;

	if (body && !http_send_begin(body, conn, http_exchange_on_more))
		return -EPROTO;
	r = stream_write(&conn->stream, parts, ARRAY_LEN(parts));
	return r > 0 && body ? http_send_go_on(body) : r;
}

void http_exchange_start(struct http_call *call, struct http_conn *conn)
{
	struct stream *stream = &conn->stream;

	call->conn = conn;
	conn->call = call;
	conn->again.on_fire = http_exchange_on_again;
	stream->on_readable = http_exchange_on_readable;
	stream->on_sent = http_exchange_on_sent;
	stream->sent_bytes = 0;
	call->phase = CALL_SEND;
	http_exchange_take_send(call, http_exchange_send(call, conn));
	if (call->conn == conn &&
	    stream->readable) /* its event is past: it came with the connect */
		http_exchange_read(call);
}
