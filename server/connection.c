/* server/connection.c: one client's connection, from accept to close.
 *
 *   SECURE   (with TLS)
 *      v
 *   READ_HEAD --> ADMIT --> READ_BODY --> HANDLE --> WRITE --> READ_HEAD   (keep-alive)
 *      |   \_______\_____________________/  |          |
 *      |    (hot path: answered at once;    |          +--> LINGER --> CLOSED   (Connection: close, a refusal)
 *      |     a policy answers)              |
 *      +------------------------------------+------------------------> CLOSED   (the client left, a timeout of idling)
 *
 * Of a route that passes its body on (route_is_early()) the request is started with READ_BODY; its answer
 * may come there, and is then written while the body still comes (`duplex`), or ends it.
 *
 * One request is in work at a time; what follows it waits unread in the socket (back-pressure).
 * Answers are put into the loop's scratch and go out together at the end of a round, so that
 * pipelined requests cost one send().
 *
 * Idle connections hold no buffer: bytes are read into the loop's scratch, and only what cannot
 * be used at once is copied. All of it runs on the connection's own loop, so nothing here is
 * locked. */
#include "server/connection.h"
#include "core/base/clock.h"
#include "core/io/net.h"
#include "server/access.h"
#include "server/conn_body.h"
#include "server/conn_input.h"
#include "server/conn_late.h"
#include "server/conn_output.h"
#include "server/conn_proxy.h"
#include "server/conn_source.h"
#include "server/conn_time.h"
#include "server/conn_tls.h"
#include "server/server.h"
#include "server/tls_info.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	IDLE_LONG_MS = 5000, /* then a connection may be closed to make room for another */
	IDLE_LOOKED_AT = 32,
	LINGER_MS = 2000,
	LINGER_MAX = 4 << 20, /* bytes that are read and dropped */
	HANDED_OVER_MS = 1000,
};

static void conn_on_readable(struct stream *stream);
static void conn_on_sent(struct stream *stream);
static void conn_forget_after(struct conn *conn);

/* What holds between two steps. */
static void conn_check(const struct conn *conn)
{
	check(loop_is_current(conn->worker->loop));
	check(stream_is_open(&conn->stream) == (conn->state != CONN_CLOSED));
	if (conn->state == CONN_HANDLE || conn->state == CONN_ADMIT)
		check(conn->request && !conn->request->replied);
	check(!conn->source || conn->state == CONN_WRITE);
	check(!conn->paused || conn->state == CONN_READ_BODY || conn->duplex || conn->resume);
	check(!conn->duplex || conn->state == CONN_WRITE);
	check(!conn->late || conn->state == CONN_HANDLE || conn->state == CONN_ADMIT);
}

/* ------------------------------------------------------------ opening and closing */

/* It waits for nothing that the client would miss, and has for a while. */
static bool conn_is_idle(struct conn *conn)
{
	const uint64_t timeout_ms = conn->worker->generation->settings.timeout_idle;
	const uint64_t long_ms = MIN(timeout_ms / 4, (uint64_t)IDLE_LONG_MS);

	return conn->state == CONN_READ_HEAD && conn->in_len == 0 &&
	       loop_now_ns(conn->worker->loop) + (timeout_ms - long_ms) * NS_PER_MS >=
		       conn->deadline_ns &&
	       !conn_has_unread(conn);
}

/* There are limits.connections of them: one that is idle goes, or those who keep many open would
 * keep all others out. A few are looked at each time, those that were not for the longest. */
static bool conn_make_room(struct worker *worker)
{
	for (unsigned n = 0; n < IDLE_LOOKED_AT && !list_is_empty(&worker->conns); n++) {
		struct conn *conn = container_of(worker->conns.next, struct conn, link);

		if (conn_is_idle(conn) && !conn_is_link(conn)) {
			stream_end(&conn->stream);
			conn_close(conn);
			return true;
		}
		list_remove(&conn->link);
		list_add(&worker->conns, &conn->link);
	}
	return false;
}

void conn_accept(struct worker *worker, uint32_t listener, int fd, uint32_t events)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	const struct listen_spec *listen = generation_listen(worker->generation, listener);

	if (!conn) {
		close(fd);
		server_conn_closed(worker);
		worker_check_drained(worker);
		return;
	}
	conn->worker = worker;
	conn->listener = listener;
	conn->refusing = !worker->is_main && server_is_full(worker->server) &&
			 !conn_make_room(worker);
	stream_adopt(&conn->stream, worker->loop, fd, events, conn_on_readable, conn_on_sent);
	timer_init(&conn->timer, worker->loop, conn_on_timer);
	list_add(&worker->conns, &conn->link);
	atomic_fetch_add_explicit(&worker->stats.accepted, 1, memory_order_relaxed);
	net_set_nodelay(fd);
	if (listen && listen->proxy_protocol)
		conn_begin_proxy(conn, listen);
	else
		conn_start(conn, listen);
}

void conn_start(struct conn *conn, const struct listen_spec *listen)
{
	if (!listen) { /* it has just gone, and with it what would hold for the connection */
		conn_close(conn);
		return;
	}
	conn->guarded = listen_spec_looks(listen);
	if (listen->tls)
		conn_secure(conn, listen->tls);
	else
		conn_greet(conn);
}

void conn_greet(struct conn *conn)
{
	struct worker *worker = conn->worker;

	conn->state = CONN_READ_HEAD;
	conn_set_deadline(conn, worker->generation->settings.timeout_idle);
	if (conn->refusing) {
		conn_refuse(conn, 503);
		conn_flush_alone(conn);
	} else if (worker->draining && !conn_has_unread(conn)) {
		stream_end(&conn->stream);
		conn_close(conn);
	} else if (conn->stream.readable) {
		conn_on_readable(&conn->stream);
	}
}

void conn_close(struct conn *conn)
{
	struct worker *worker = conn->worker;

	check(conn->state != CONN_CLOSED);
	conn->state = CONN_CLOSED;
	conn->paused = conn->duplex = false;
	timer_stop(&conn->timer);
	conn_source_end(conn);
	stream_close(&conn->stream);
	http_body_destroy(conn->chunked);
	conn->chunked = NULL;
	if (conn->request) {
		struct request *request = take(&conn->request);

		if (!request->replied)
			access_log_abandoned(conn, request);
		request_abandon(request);
	}
	conn_forget_after(conn);
	tls_info_unref(conn->tls_info);
	conn_forget_input(conn);
	conn_forget_unsent(conn);
	conn_forget_late(conn);
	list_remove(&conn->link);
	server_conn_closed(worker);
	if (!conn->processing)
		free(conn);
	worker_check_drained(worker);
}

/* The client must be able to read the answer: a close() with unread bytes would reset the
 * connection under it (RFC 9112 §9.6). */
static void conn_linger(struct conn *conn)
{
	bool all_read = conn->in_len == 0 && !conn->stream.readable;

	if (conn->stream.error || (all_read && (conn->stream.peer_closed || !conn->refused))) {
		stream_end(&conn->stream);
		conn_close(conn);
		return;
	}
	stream_shutdown(&conn->stream);
	conn->state = CONN_LINGER;
	conn->body_size = 0;
	conn_forget_input(conn);
	conn_set_deadline(conn, LINGER_MS);
	conn->stream.readable = true;
	conn_on_readable(&conn->stream);
}

static void conn_drop_input(struct conn *conn)
{
	ssize_t n;

	while ((n = stream_read(&conn->stream, conn->worker->in, WORKER_IN_SIZE)) > 0) {
		conn->body_size += (uint64_t)n;
		if (conn->body_size > LINGER_MAX)
			break;
	}
	if (n != -EAGAIN)
		conn_close(conn);
}

/* ------------------------------------------------------------ between requests */

/* What was dropped for the sake of an answer that the generation holds. */
static void conn_forget_after(struct conn *conn)
{
	struct generation *generation = take(&conn->after_generation);

	conn->after_body = NULL;
	conn->after_route = NULL;
	if (generation)
		worker_unpin(conn->worker, generation);
}

/* What had to go out first is out: answers to requests before this one, or 100 Continue. */
static void conn_go_on(struct conn *conn)
{
	uint8_t state = conn->resume;

	conn->resume = 0;
	if (conn->held) {
		conn->state = state;
		conn_answer_at_work(conn, take(&conn->held));
		return;
	}
	if (state == CONN_HANDLE) {
		conn_handle(conn);
		return;
	}
	if (state == CONN_ADMIT) {
		conn_admit(conn);
		return;
	}
	conn->state = CONN_READ_BODY;
	conn->body_started_ns = loop_now_ns(conn->worker->loop);
	if (!conn->paused)
		conn_set_deadline(conn, conn->worker->generation->settings.timeout_body);
}

/* What was in work is sent: the next request, or the end. */
static void conn_next(struct conn *conn)
{
	conn_forget_unsent(conn);
	if (conn->resume) {
		conn_go_on(conn);
		return;
	}
	conn_source_end(conn);
	if (conn->duplex) { /* nobody takes the rest of the body */
		conn->duplex = conn->paused = conn->keep_alive = false;
		conn->refused = true;
	}
	request_destroy(take(&conn->request));
	conn_forget_after(conn);
	if (!conn->keep_alive) {
		conn_linger(conn);
		return;
	}
	conn->state = CONN_READ_HEAD;
	conn_set_deadline(conn, conn->worker->generation->settings.timeout_idle);
}

/* A program of libprocess that is linked to nobody here closes its connection behind its last message,
 * and so resets it under our answers, while others of its messages wait to be read: those are handled. */
static bool conn_goes_on_unheard(struct conn *conn)
{
	if (!conn->stream.error || !conn->is_message || !conn_is_link(conn))
		return false;
	conn->unheard = true;
	stream_read_on(&conn->stream);
	return true;
}

static int conn_send_if_heard(struct conn *conn)
{
	int r;

	if (conn->unheard) {
		conn_forget_late(conn);
		conn_forget_output(conn);
		return 1;
	}
	if (conn->is_message && conn_put_late(conn))
		return 1;
	r = conn_send(conn);
	return r < 0 && conn_goes_on_unheard(conn) ? 1 : r;
}

/* With conn->processing: it may close the connection. */
void conn_flush(struct conn *conn)
{
	int r;

	check(conn->processing && conn->state != CONN_HANDLE && conn->state != CONN_ADMIT);
	do {
		r = conn_send_if_heard(conn);
		if (r < 0) {
			conn_close(conn);
		} else if (r == 0) {
			if (conn->state == CONN_READ_BODY)
				conn->resume = CONN_READ_BODY;
			conn->state = CONN_WRITE;
			conn->n_unsent = conn_unsent(conn);
			conn_set_write_deadline(conn);
		} else if (conn->state == CONN_WRITE) {
			conn_next(conn);
		}
	} while (r > 0 && conn->state == CONN_WRITE && conn_has_output(conn));
}

/* Outside of a round: flushes, and frees what is closed. */
void conn_flush_alone(struct conn *conn)
{
	conn->processing = true;
	conn_flush(conn);
	conn->processing = false;
	if (conn->state == CONN_CLOSED)
		free(conn);
}

/* What stands in the scratch, if anything does, at the end of a step. It is the loop's: what a connection
 * that was closed has left there would go to the next one's client. */
static void conn_put_out(struct conn *conn)
{
	bool unsent = conn_has_output(conn) || conn_late_is_due(conn) ||
		      (conn->state == CONN_WRITE && !conn->source);

	if (conn->state == CONN_CLOSED)
		conn_forget_output(conn);
	else if (unsent)
		conn_flush(conn);
}

/* Uses what was read as far as it goes, then reads on, until the socket is empty or a request is
 * in work. */
void conn_process(struct conn *conn)
{
	if (conn->processing)
		return;
	conn->processing = true;
	while (conn->state == CONN_READ_HEAD || conn_takes_body(conn)) {
		bool more = conn_input(conn);

		conn_put_out(conn);
		if (!more)
			break;
	}
	/* the end may have come with the request: nothing tells of it again */
	if (conn->stream.peer_closed && conn_is_waited_for(conn))
		conn_on_peer_closed(conn);
	conn->processing = false;
	if (conn->state == CONN_CLOSED)
		free(conn);
	else
		conn_check(conn);
}

void conn_move_on(struct conn *conn)
{
	if (conn->processing)
		return;
	conn->processing = true;
	conn_put_out(conn);
	conn->processing = false;
	if (conn->state == CONN_CLOSED)
		free(conn);
	else
		conn_process(conn);
}

/* What was queued is sent, or the source has more: the rest of the answer, then what follows it. */
void conn_go_on_sending(struct conn *conn)
{
	int r = conn->stream.error ? conn->stream.error : conn_send_rest(conn);

	check(conn->state == CONN_WRITE);
	if (r < 0 && conn_goes_on_unheard(conn))
		r = 1;
	if (r < 0) {
		conn_close(conn);
		return;
	}
	if (r == 0) { /* it goes on, and what has gone is progress */
		conn_set_write_deadline(conn);
		if (conn_is_waited_for(conn) && conn->stream.peer_closed)
			conn_on_peer_closed(conn);
		return;
	}
	conn->processing = true; /* conn_next() may close it */
	conn_next(conn);
	conn->processing = false;
	conn_move_on(conn);
}

static void conn_on_sent(struct stream *stream)
{
	conn_go_on_sending(container_of(stream, struct conn, stream));
}

static void conn_on_readable(struct stream *stream)
{
	struct conn *conn = container_of(stream, struct conn, stream);

	switch ((enum conn_state)conn->state) {
	case CONN_READ_HEAD:
	case CONN_READ_BODY:
		conn_process(conn);
		return;
	case CONN_PROXY:
		conn_read_proxy(conn);
		return;
	case CONN_SECURE:
		unreachable(); /* what comes is the handshake's */
	case CONN_ADMIT:
	case CONN_HANDLE:
	case CONN_WRITE:
		if (conn->duplex) {
			conn_process(conn);
			return;
		}
		/* with TLS the end may come before the socket's */
		if ((stream->peer_closed || stream->tls) && conn_is_waited_for(conn))
			conn_on_peer_closed(conn);
		return;
	case CONN_LINGER:
		conn_drop_input(conn);
		return;
	case CONN_CLOSED:
		unreachable();
	}
}

/* A connection that looks idle may have a request in its socket that no event has told of yet:
 * that one is answered, with Connection: close. Where another process has taken over, nobody waits for
 * the end of this one, and there is time for a request that the network still carries. */
void conn_drain(struct conn *conn, bool cancel)
{
	bool idle = conn->state <= CONN_READ_HEAD && conn->in_len == 0 && !conn_has_unread(conn);

	conn->keep_alive = false;
	if (!cancel && conn->worker->server->handed_over && conn->state <= CONN_READ_HEAD) {
		if (idle && conn->state == CONN_READ_HEAD)
			conn_set_deadline(conn, HANDED_OVER_MS);
		return;
	}
	if (idle)
		stream_end(&conn->stream);
	if (idle || cancel || conn->state == CONN_LINGER)
		conn_close(conn);
}
