/* server/redis/redis_connect.c: how a connection is made, and how it ends. */
#include "core/base/clock.h"
#include "server/redis/redis_conn.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ------------------------------------------------------------ connecting */

static void conn_on_secure(struct stream *stream)
{
	struct redis_conn *conn = container_of(stream, struct redis_conn, stream);
	char text[REDIS_PROBLEM_MAX];

	if (!stream->error) {
		redis_login_start(conn);
		return;
	}
	tls_memory_forget(&conn->node->memory);
	snprintf(text, sizeof(text), "TLS: %s", tls_failure(stream->tls));
	redis_conn_lost(conn, REDIS_TLS_FAILED, text);
}

/* The socket is there. */
static void conn_begin(struct redis_conn *conn)
{
	const struct redis *redis = redis_conn_entry(conn);
	struct str name = redis->server_name.len ? redis->server_name : conn->node->server.host;
	struct tls *tls;

	redis_conn_count(&redis_conn_entry(conn)->stats.connections, 1);
	net_set_nodelay(stream_fd(&conn->stream));
	if (!redis->tls) {
		redis_login_start(conn);
		return;
	}
	conn->state = REDIS_CONN_SECURE;
	tls = tls_connect(redis->tls, name, &conn->node->memory);
	if (tls && stream_secure(&conn->stream, tls, conn_on_secure) == 0)
		return;
	tls_destroy(tls);
	redis_conn_lost(conn, REDIS_MEMORY, "no memory for TLS");
}

static void conn_on_dialed(struct dial *dial)
{
	struct redis_conn *conn = dial->user;
	bool unknown = !dial->looked_up && !dial->timed_out;

	redis_conn_check(conn);
	if (dial->error) {
		redis_conn_lost(conn,
				unknown           ? REDIS_DNS_FAILED
				: dial->timed_out ? REDIS_TIMEOUT
						  : REDIS_CONNECT_FAILED,
				unknown                        ? "its name cannot be looked up"
				: dial->timed_out              ? "connecting took too long"
				: dial->error == -ECONNREFUSED ? "connection refused"
							       : strerrorname_np(-dial->error));
		return;
	}
	stream_adopt(&conn->stream, conn->node->pool->rloop->loop, dial_take(dial), dial->events,
		     redis_conn_on_readable, redis_conn_on_sent);
	conn_begin(conn);
}

/* A unix socket connects at once, or not at all. 0, or a negative errno. */
static int conn_open_unix(struct redis_conn *conn, struct str path)
{
	struct loop *loop = conn->node->pool->rloop->loop;
	scoped(fd_close) int fd = -1;
	struct net_addr addr;
	char text[NET_ADDR_TEXT_MAX + 8];
	int r;

	snprintf(text, sizeof(text), "unix:%.*s", STR_ARG(path));
	r = net_addr_parse(str_of(text), &addr);
	if (r == 0)
		r = net_connect(&addr, &fd);
	if (r == 0)
		r = stream_open(&conn->stream, loop, fd, redis_conn_on_readable,
				redis_conn_on_sent);
	if (r < 0)
		return r;
	fd_take(&fd);
	return 0;
}

static void conn_on_timer(struct timer *timer)
{
	struct redis_conn *conn = container_of(timer, struct redis_conn, timer);
	struct loop *loop = conn->node->pool->rloop->loop;
	uint64_t due_ns = conn->oldest_ns + redis_conn_entry(conn)->response_ms * NS_PER_MS;

	redis_conn_check(conn);
	if (conn->state != REDIS_CONN_READY)
		redis_conn_lost(conn, REDIS_TIMEOUT, "connecting took too long");
	else if (conn->n_sent && loop_now_ns(loop) >= due_ns)
		redis_conn_lost(conn, REDIS_TIMEOUT, "the server does not answer");
	else
		redis_conn_watch_oldest(conn);
}

static void conn_init(struct redis_conn *conn, struct redis_node *node, unsigned lane)
{
	struct loop *loop = node->pool->rloop->loop;

	conn->node = node;
	conn->lane = lane;
	conn->stream.watch.fd = -1;
	list_init(&conn->waiting);
	list_init(&conn->sent);
	ready_init(&conn->flush, redis_conn_on_flush);
	ready_init(&conn->again, redis_conn_on_again);
	timer_init(&conn->timer, loop, conn_on_timer);
	buf_init(&conn->out, SIZE_MAX / 2);
	arena_init(&conn->arena, 2 * REDIS_SCRATCH);
	dial_init(&conn->dial, loop, conn_on_dialed, conn);
}

static void conn_dial(struct redis_conn *conn)
{
	const struct redis *redis = redis_conn_entry(conn);
	struct loop *loop = conn->node->pool->rloop->loop;
	uint64_t due_ns = loop_now_ns(loop) + redis->connect_ms * NS_PER_MS;

	timer_start(&conn->timer, redis->connect_ms);
	dial_start(&conn->dial, conn->node->pool->rloop->names, &conn->node->server, due_ns, 0);
}

struct redis_conn *redis_conn_open(struct redis_node *node, unsigned lane)
{
	struct redis_conn *conn = calloc(1, sizeof(*conn));
	struct redis_loop *rloop = node->pool->rloop;
	struct redis_stats *stats = &node->pool->redis->stats;
	int r;

	if (!rloop->scratch)
		rloop->scratch = malloc(REDIS_SCRATCH);
	if (!conn || !rloop->scratch) {
		free(conn);
		redis_node_failed(node, REDIS_MEMORY, "no memory for a connection");
		return NULL;
	}
	conn_init(conn, node, lane);
	atomic_fetch_add_explicit(node->connected_before ? &stats->reconnects : &stats->connects, 1,
				  memory_order_relaxed);
	node->conns[lane] = conn;
	if (node->server.port) {
		conn_dial(conn);
		return conn;
	}
	r = conn_open_unix(conn, node->server.host);
	if (r < 0) {
		node->conns[lane] = NULL;
		free(conn);
		redis_node_failed(node, REDIS_CONNECT_FAILED,
				  r == -ECONNREFUSED ? "connection refused" : strerrorname_np(-r));
		return NULL;
	}
	timer_start(&conn->timer, node->pool->redis->connect_ms);
	conn_begin(conn);
	return node->conns[lane];
}

/* ------------------------------------------------------------ the end */

/* Nothing calls back any more; its tickets are in the two lists. */
static void conn_drop(struct redis_conn *conn, struct list *sent, struct list *waiting)
{
	conn->node->conns[conn->lane] = NULL;
	redis_conn_take_all(conn, sent, waiting);
	if (stream_is_open(&conn->stream))
		redis_conn_count(&redis_conn_entry(conn)->stats.connections, -1);
	else
		dial_stop(&conn->dial);
	timer_stop(&conn->timer);
	loop_ready_cancel(&conn->flush);
	loop_ready_cancel(&conn->again);
	stream_close(&conn->stream);
	buf_fini(&conn->out);
	arena_fini(&conn->arena);
	free(conn);
}

/* Was sent, and has no reply: what only reads is asked once more. */
static void ticket_lost(struct redis_ticket *ticket, enum redis_error error, const char *problem)
{
	bool again = ticket->call && ticket->reads && !ticket->repeated && error == REDIS_LOST;

	if (!again) {
		ticket_fail(ticket, error == REDIS_TIMEOUT ? error : REDIS_LOST, problem);
		return;
	}
	ticket->repeated = true;
	ticket->n_seen = 0;
	ticket->sent = false;
	redis_pool_send(ticket);
}

/* Was not sent: it goes elsewhere when this connection worked before. */
static void ticket_stranded(struct redis_ticket *ticket, bool worked, enum redis_error error,
			    const char *problem)
{
	if (worked && ++ticket->n_moves <= REDIS_MOVES_MAX)
		redis_pool_send(ticket);
	else
		ticket_fail(ticket, error == REDIS_LOST ? REDIS_CONNECT_FAILED : error, problem);
}

void redis_conn_lost(struct redis_conn *conn, enum redis_error error, const char *problem)
{
	struct redis_node *node = conn->node;
	bool worked = conn->state == REDIS_CONN_READY;
	bool oldest = true;
	char text[REDIS_PROBLEM_MAX];
	struct redis_push *push = node->pool->rloop->push;
	struct redis_ticket *ticket;
	struct list sent, waiting;

	list_init(&sent);
	list_init(&waiting);
	snprintf(text, sizeof(text), "%s", problem);
	conn_drop(conn, &sent, &waiting);
	if (!worked || error != REDIS_LOST)
		redis_node_failed(node, error, text);
	redis_pool_doubt(node);
	list_each(ticket, &sent, struct redis_ticket, link) {
		list_remove(&ticket->link);
		/* only the oldest is overdue; of the others it is not known */
		ticket_lost(ticket, oldest || error != REDIS_TIMEOUT ? error : REDIS_LOST, text);
		oldest = false;
	}
	list_each(ticket, &waiting, struct redis_ticket, link) {
		list_remove(&ticket->link);
		ticket_stranded(ticket, worked, error, text);
	}
	if (push && worked)
		push->on_lost(push, text);
}

void redis_conn_close(struct redis_conn *conn)
{
	struct redis_ticket *ticket;
	struct list left;

	list_init(&left);
	if (stream_is_open(&conn->stream) && conn->state == REDIS_CONN_READY)
		stream_end(&conn->stream);
	conn_drop(conn, &left, &left);
	list_each(ticket, &left, struct redis_ticket, link) {
		check(!ticket->call);
		list_remove(&ticket->link);
		ticket_end(ticket);
	}
}
