/* server/redis/redis_conn.c
 *
 *   CONNECT --> SECURE --> LOGIN --> READY
 *       \___________\__________\________\--> gone      (error, timeout, what is no reply)
 *
 * Tickets wait until the connection is READY and what was handed to the socket has left it; then
 * all that wait go out together. Who waits was not sent: it may be sent elsewhere. */
#include "server/redis/redis_conn.h"
#include "core/base/clock.h"
#include <errno.h>
#include <stdio.h>

enum {
	READS_A_TURN = 8,        /* of REDIS_SCRATCH bytes; then others have their turn */
	BATCH_BYTES = 256 << 10, /* handed to the socket at once */
	WINDOW = 10000,          /* commands that are sent and have no reply */
	OUT_KEPT = 64 << 10,     /* a larger buffer is given back when it is empty */
};

/* What holds between two events. */
void redis_conn_check(const struct redis_conn *conn)
{
	check(loop_is_current(conn->node->pool->rloop->loop));
	check(conn->node->conns[conn->lane] == conn);
	check((conn->n_sent == 0) == list_is_empty(&conn->sent));
	check(conn->state == REDIS_CONN_READY || conn->n_sent == 0);
}

/* ------------------------------------------------------------ the queues */

static void conn_add_waiting(struct redis_conn *conn, struct redis_ticket *ticket)
{
	list_add(&conn->waiting, &ticket->link);
	ticket->conn = conn;
	conn->n_waiting += ticket->n_commands;
	conn->waiting_bytes += ticket->size;
	redis_conn_count(&redis_conn_entry(conn)->stats.waiting, (int)ticket->n_commands);
}

static void conn_take_waiting(struct redis_conn *conn, struct redis_ticket *ticket)
{
	list_remove(&ticket->link);
	ticket->conn = NULL;
	conn->n_waiting -= ticket->n_commands;
	conn->waiting_bytes -= ticket->size;
	redis_conn_count(&redis_conn_entry(conn)->stats.waiting, -(int)ticket->n_commands);
}

static void conn_add_sent(struct redis_conn *conn, struct redis_ticket *ticket)
{
	list_add(&conn->sent, &ticket->link);
	ticket->conn = conn;
	conn->n_sent += ticket->n_commands;
	redis_conn_count(&redis_conn_entry(conn)->stats.pipelined, (int)ticket->n_commands);
}

static void conn_take_sent(struct redis_conn *conn, struct redis_ticket *ticket)
{
	list_remove(&ticket->link);
	ticket->conn = NULL;
	conn->n_sent -= ticket->n_commands;
	redis_conn_count(&redis_conn_entry(conn)->stats.pipelined, -(int)ticket->n_commands);
}

void redis_conn_send(struct redis_conn *conn, struct redis_ticket *ticket)
{
	struct redis *redis = redis_conn_entry(conn);

	if (redis_conn_load(conn) + ticket->n_commands > redis->waiting_max ||
	    conn->waiting_bytes + ticket->size > redis->waiting_bytes) {
		ticket_fail(ticket, REDIS_EXHAUSTED, "too many commands wait already");
		return;
	}
	ticket->lane = (int)conn->lane;
	conn_add_waiting(conn, ticket);
	if (conn->state == REDIS_CONN_READY)
		loop_ready(conn->node->pool->rloop->loop, &conn->flush);
}

void redis_conn_leave(struct redis_conn *conn, struct redis_ticket *ticket)
{
	if (!ticket->sent) {
		conn_take_waiting(conn, ticket);
		ticket_end(ticket);
	} else if (conn->in_reply && list_first(&conn->sent, struct redis_ticket, link) == ticket) {
		resp_skip(&conn->reader);
	}
}

void redis_conn_take_all(struct redis_conn *conn, struct list *sent, struct list *waiting)
{
	struct redis_ticket *ticket;

	list_each(ticket, &conn->sent, struct redis_ticket, link) {
		conn_take_sent(conn, ticket);
		list_add(sent, &ticket->link);
	}
	list_each(ticket, &conn->waiting, struct redis_ticket, link) {
		conn_take_waiting(conn, ticket);
		list_add(waiting, &ticket->link);
	}
}

/* ------------------------------------------------------------ sending */

void redis_conn_watch_oldest(struct redis_conn *conn)
{
	uint64_t due_ns = conn->oldest_ns + redis_conn_entry(conn)->response_ms * NS_PER_MS;

	if (conn->n_sent && !timer_is_running(&conn->timer))
		timer_start_at(&conn->timer, due_ns);
}

void redis_conn_write(struct redis_conn *conn)
{
	const struct iovec part = { conn->out.data, conn->out.len };
	int r;

	if (conn->out.len == 0)
		return;
	r = stream_write(&conn->stream, &part, 1);
	if (r > 0) {
		buf_clear(&conn->out);
		if (conn->out.cap > OUT_KEPT)
			buf_fini(&conn->out);
	}
	/* an error: what the server has said before its end is read first */
	if (r < 0) {
		conn->broken = true;
		stream_read_on(&conn->stream);
		loop_ready(conn->node->pool->rloop->loop, &conn->again);
	}
}

static bool conn_may_send(const struct redis_conn *conn)
{
	return conn->state == REDIS_CONN_READY && !stream_is_sending(&conn->stream) &&
	       conn->out.len == 0;
}

/* False without memory: what is in `out` goes first; a ticket that has no room even alone has
 * failed. */
static bool conn_hand_over(struct redis_conn *conn, struct redis_ticket *ticket)
{
	char *room;

	if (ticket->transaction && conn->no_multi) {
		conn_take_waiting(conn, ticket);
		ticket_fail(ticket, REDIS_REPLIED, "NOPERM at MULTI");
		return true;
	}
	room = buf_reserve(&conn->out, ticket->size + 32);
	if (!room) {
		conn->out.error = 0;
		if (conn->out.len > 0)
			return false;
		conn_take_waiting(conn, ticket);
		ticket_fail(ticket, REDIS_MEMORY, "no memory to send it");
		return true;
	}
	conn_take_waiting(conn, ticket);
	if (list_is_empty(&conn->sent))
		conn->oldest_ns = loop_now_ns(conn->node->pool->rloop->loop);
	if (ticket->asking)
		buf_add(&conn->out, STR("*1\r\n$6\r\nASKING\r\n"));
	buf_add(&conn->out, (struct str){ ticket->bytes, ticket->size });
	ticket->sent = true;
	conn_add_sent(conn, ticket);
	return true;
}

void redis_conn_flush(struct redis_conn *conn)
{
	struct redis_ticket *ticket;

	while (conn_may_send(conn) && !list_is_empty(&conn->waiting) && conn->n_sent < WINDOW) {
		while ((ticket = list_first(&conn->waiting, struct redis_ticket, link)) &&
		       conn->n_sent < WINDOW &&
		       (conn->out.len == 0 || conn->out.len + ticket->size <= BATCH_BYTES))
			if (!conn_hand_over(conn, ticket))
				break;
		redis_conn_write(conn);
	}
	redis_conn_watch_oldest(conn);
}

void redis_conn_on_flush(struct ready *ready)
{
	struct redis_conn *conn = container_of(ready, struct redis_conn, flush);

	redis_conn_check(conn);
	redis_conn_flush(conn);
}

void redis_conn_on_sent(struct stream *stream)
{
	struct redis_conn *conn = container_of(stream, struct redis_conn, stream);

	redis_conn_check(conn);
	if (stream->error) {
		redis_conn_on_readable(stream);
		return;
	}
	buf_clear(&conn->out);
	if (conn->out.cap > OUT_KEPT)
		buf_fini(&conn->out);
	redis_conn_flush(conn);
}

/* ------------------------------------------------------------ reading */

static void conn_begin_reply(struct redis_conn *conn)
{
	struct redis_ticket *ticket = list_first(&conn->sent, struct redis_ticket, link);
	struct resp_want want = { .arena = NULL, .max = REDIS_SCRATCH };

	check(ticket);
	conn->asking = ticket->asking;
	if (!ticket->asking)
		ticket_want(ticket, &want);
	resp_begin(&conn->reader, &want);
	conn->in_reply = true;
}

static void conn_finish_ticket(struct redis_conn *conn, struct redis_ticket *ticket,
			       struct str refused)
{
	struct redis_node *node = conn->node;
	struct str word = redis_error_word(refused);
	char text[40];

	conn_take_sent(conn, ticket);
	conn->oldest_ns = loop_now_ns(node->pool->rloop->loop);
	redis_node_worked(node);
	if (refused.len == 0) {
		if (ticket->call)
			ticket->call->sent = true;
		ticket_end(ticket);
		return;
	}
	ticket->n_seen = 0;
	ticket->sent = false;
	if (redis_pool_move(node, ticket, refused))
		return;
	snprintf(text, sizeof(text), "%.*s", STR_ARG(word));
	ticket_fail(ticket, REDIS_REPLIED, text);
}

/* False: nobody has asked, and nobody listens. */
static bool conn_begin_push(struct redis_conn *conn)
{
	struct redis_push *push = conn->node->pool->rloop->push;
	struct resp_want want = { .arena = NULL, .max = REDIS_SCRATCH };

	if (!push)
		return false;
	push->want(push, &want);
	resp_begin(&conn->reader, &want);
	conn->in_push = true;
	return true;
}

static void conn_on_push(struct redis_conn *conn)
{
	struct redis_push *push = conn->node->pool->rloop->push;
	struct resp_reply reply = resp_reply(&conn->reader);

	conn->in_push = false;
	push->on_reply(push, &reply);
}

/* One reply is there. */
static void conn_on_reply(struct redis_conn *conn)
{
	struct redis_ticket *ticket = list_first(&conn->sent, struct redis_ticket, link);
	struct resp_reply reply = resp_reply(&conn->reader);
	struct str refused;

	check(ticket);
	conn->in_reply = false;
	if (conn->asking) {
		ticket->asking = false;
		return;
	}
	if (str_starts_with(reply.error, STR("READONLY")))
		redis_pool_doubt(conn->node);
	if (ticket_reply(ticket, &reply, &refused))
		conn_finish_ticket(conn, ticket, refused);
}

/* False: the connection is gone. */
static bool conn_feed(struct redis_conn *conn, struct str bytes)
{
	while (bytes.len > 0) {
		ptrdiff_t used;
		bool whole;

		if (conn->state == REDIS_CONN_READY && !conn->in_reply && !conn->in_push) {
			if (!list_is_empty(&conn->sent)) {
				conn_begin_reply(conn);
			} else if (!conn_begin_push(conn)) {
				redis_conn_lost(conn, REDIS_REPLIED, "the server speaks unasked");
				return false;
			}
		}
		used = resp_read(&conn->reader, bytes, &whole);
		if (used < 0) {
			redis_conn_lost(conn, REDIS_REPLIED, "what the server says is no reply");
			return false;
		}
		bytes = str_skip(bytes, (size_t)used);
		if (whole && conn->in_push)
			conn_on_push(conn);
		else if (whole && conn->state == REDIS_CONN_READY)
			conn_on_reply(conn);
		else if (whole && !redis_login_reply(conn))
			return false;
	}
	return true;
}

/* A unix socket tells that its peer has gone before it gives what that has said last: why, often. */
static bool conn_may_read_on(struct redis_conn *conn)
{
	if (conn->broken)
		return false;
	conn->broken = true;
	stream_read_on(&conn->stream);
	return true;
}

static void conn_read(struct redis_conn *conn)
{
	struct redis_loop *rloop = conn->node->pool->rloop;

	for (unsigned i = 0; i < READS_A_TURN; i++) {
		ssize_t n = stream_read(&conn->stream, rloop->scratch, REDIS_SCRATCH);

		if (n == -EAGAIN)
			return;
		if (n < 0 && conn_may_read_on(conn))
			continue;
		if (n <= 0) {
			redis_conn_lost(conn, REDIS_LOST,
					conn->broken ? "the connection is broken"
						     : "the server has closed the connection");
			return;
		}
		if (!conn_feed(conn, (struct str){ rloop->scratch, (size_t)n }))
			return;
	}
	loop_ready_next(rloop->loop, &conn->again);
}

void redis_conn_on_again(struct ready *ready)
{
	struct redis_conn *conn = container_of(ready, struct redis_conn, again);

	redis_conn_check(conn);
	conn_read(conn);
}

void redis_conn_on_readable(struct stream *stream)
{
	struct redis_conn *conn = container_of(stream, struct redis_conn, stream);

	redis_conn_check(conn);
	if (!list_is_linked(&conn->again.link))
		conn_read(conn);
}
