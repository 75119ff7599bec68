/* server/conn_time.c */
#include "server/conn_time.h"
#include "core/base/clock.h"
#include "core/io/net.h"
#include "server/conn_body.h"
#include "server/conn_input.h"
#include "server/conn_output.h"
#include "server/conn_proxy.h"
#include "server/conn_source.h"
#include "server/conn_tls.h"
#include "server/peers/wire.h"
#include <errno.h>

enum {
	DISCONNECT_MS = 100, /* after a FIN (DECISIONS 8) */
	LINK_TRIES = 3,
};

/* ------------------------------------------------------------ deadlines */

void conn_set_deadline(struct conn *conn, uint64_t delay_ms)
{
	conn->deadline_ns = loop_now_ns(conn->worker->loop) + delay_ms * NS_PER_MS;
	if (!timer_is_running(&conn->timer) || conn->timer.tick * NS_PER_MS > conn->deadline_ns)
		timer_start_at(&conn->timer, conn->deadline_ns);
}

void conn_no_deadline(struct conn *conn)
{
	conn->deadline_ns = UINT64_MAX;
}

/* While an answer's source has nothing, it is not the client who is slow. */
void conn_set_write_deadline(struct conn *conn)
{
	if (conn_source_is_waiting(conn))
		conn_no_deadline(conn);
	else
		conn_set_deadline(conn, conn->worker->generation->settings.timeout_write);
}

/* ------------------------------------------------------------ the client leaves */

bool conn_has_unread(struct conn *conn)
{
	return stream_peek(&conn->stream) > 0;
}

/* The client has nothing to do but to wait for what others are making. */
bool conn_is_waited_for(const struct conn *conn)
{
	return conn->state == CONN_ADMIT || conn->state == CONN_HANDLE ||
	       (conn->state == CONN_WRITE && !conn->raw && conn_source_is_waiting(conn));
}

/* An answer without an end is never followed by another: then what is unread counts for nothing. */
static bool conn_awaits_next(const struct conn *conn)
{
	return !conn->source || !conn->source->endless;
}

/* 0: it has closed its side and nothing is unread; a negative errno: it has reset; 1: neither, or there
 * are messages to be handled whatever has become of who sent them. */
static int conn_peek(struct conn *conn)
{
	int r = stream_peek(&conn->stream);

	if (r < 0 && r != -EAGAIN)
		return conn->is_message && conn->in_len > 0 && conn_is_link(conn) ? 1 : r;
	if (conn->stream.peer_closed && !conn_awaits_next(conn))
		return 0;
	return r == 0 && conn->in_len == 0 ? 0 : 1;
}

/* From when it was first seen: what is sent meanwhile does not put it off. */
static void conn_await_end(struct conn *conn)
{
	uint64_t now_ns = loop_now_ns(conn->worker->loop), since_ms;

	if (!conn->left_ns)
		conn->left_ns = now_ns;
	since_ms = (now_ns - conn->left_ns) / NS_PER_MS;
	conn_set_deadline(conn, since_ms < DISCONNECT_MS ? DISCONNECT_MS - since_ms : 0);
}

void conn_on_peer_closed(struct conn *conn)
{
	int r = conn_peek(conn);

	if (r < 0)
		conn_close(conn);
	else if (r == 0)
		conn_await_end(conn);
}

/* ------------------------------------------------------------ time */

bool conn_is_link(struct conn *conn)
{
	const struct generation *generation = conn->worker->generation;

	return generation->messages && !conn->worker->is_main &&
	       wire_is_peer(&generation->peers, conn_addr(conn));
}

/* As long as TCP finds the other side there. */
static void conn_keep_link(struct conn *conn)
{
	uint64_t idle_ms = conn->worker->generation->settings.timeout_idle;

	net_keep_alive(stream_fd(&conn->stream), idle_ms, LINK_TRIES);
	conn_set_deadline(conn, idle_ms);
}

static void conn_time_out(struct conn *conn)
{
	switch ((enum conn_state)conn->state) {
	case CONN_PROXY:
		conn_proxy_timed_out(conn);
		return;
	case CONN_SECURE:
		conn_handshake_timed_out(conn);
		return;
	case CONN_READ_HEAD:
		if (conn->in_len == 0 && conn_is_link(conn)) {
			conn_keep_link(conn);
			return;
		}
		if (conn->in_len == 0) {
			stream_end(&conn->stream);
			conn_close(conn); /* idle: nobody waits for an answer */
			return;
		}
		conn_refuse_head(conn, 408);
		conn_flush_alone(conn);
		return;
	case CONN_READ_BODY:
		conn_refuse(conn, 408);
		conn_flush_alone(conn);
		return;
	case CONN_ADMIT:
	case CONN_HANDLE: /* DISCONNECT_MS after the client's FIN */
		if (conn_peek(conn) <= 0)
			conn_close(conn);
		return;
	case CONN_WRITE:
		if (conn_source_is_waiting(conn)) { /* as in CONN_HANDLE */
			if (conn_peek(conn) <= 0)
				conn_close(conn);
			return;
		}
		if (conn_unsent(conn) < conn->n_unsent) {
			conn->n_unsent = conn_unsent(conn);
			conn_set_deadline(conn, conn->worker->generation->settings.timeout_write);
			return;
		}
		net_reset_on_close(stream_fd(&conn->stream));
		conn_close(conn);
		return;
	case CONN_LINGER:
		conn_close(conn);
		return;
	case CONN_CLOSED:
		unreachable();
	}
}

void conn_on_timer(struct timer *timer)
{
	struct conn *conn = container_of(timer, struct conn, timer);
	bool late = loop_now_ns(conn->worker->loop) >= conn->deadline_ns;

	if (late || (conn->state == CONN_READ_BODY && !conn->paused && conn_is_too_slow(conn)))
		conn_time_out(conn);
	else if (conn->deadline_ns != UINT64_MAX)
		timer_start_at(timer, conn->deadline_ns);
}
