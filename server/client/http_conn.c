/* server/client/http_conn.c */
#include "server/client/http_conn.h"
#include "core/base/clock.h"
#include "server/client/http_reach.h"
#include <errno.h>
#include <stdlib.h>

static struct client *http_conn_client(const struct http_conn *conn)
{
	return conn->shelf->depot->client;
}

static struct permits *http_conn_permits(const struct http_conn *conn)
{
	return conn->shelf->depot->fleet->permits;
}

static bool http_conn_is_silent(struct http_conn *conn);

static void http_conn_on_idle_event(struct stream *stream)
{
	struct http_conn *conn = container_of(stream, struct http_conn, stream);

	if (stream->tls && http_conn_is_silent(conn))
		return;
	http_conn_close(conn);
}

/* While it is handed over: who gets it sees what has happened. */
static void http_conn_on_handed_event(struct stream *stream)
{
	(void)stream;
}

struct http_conn *http_conn_open(struct shelf *shelf, struct knock *knock, bool permit)
{
	struct http_conn *conn = calloc(1, sizeof(*conn));
	struct loop *loop = shelf->depot->client->loop;

	if (!conn)
		return NULL;
	conn->shelf = shelf;
	conn->permit = permit;
	shelf->n_users++;
	list_init(&conn->link);
	timer_init(&conn->again, loop, NULL);
	stream_adopt(&conn->stream, loop, knock_take(knock), knock->events, http_conn_on_idle_event,
		     http_conn_on_idle_event);
	peer_count(shelf->peer, open, 1);
	return conn;
}

int http_conn_secure(struct http_conn *conn, const struct upstream *upstream, stream_fn *on_secure)
{
	struct str name = upstream->server_name.len ? upstream->server_name
						    : conn->shelf->peer->host;
	struct tls *tls = tls_connect(upstream->tls, name, &conn->shelf->memory);

	if (tls && stream_secure(&conn->stream, tls, on_secure) == 0)
		return 0;
	tls_destroy(tls);
	return -ENOMEM;
}

const char *http_conn_secure_failure(struct http_conn *conn)
{
	tls_memory_forget(&conn->shelf->memory);
	return tls_failure(conn->stream.tls);
}

/* ------------------------------------------------------------ idle */

static void http_conn_leave_idle(struct http_conn *conn)
{
	if (!list_is_linked(&conn->link))
		return;
	list_remove(&conn->link);
	shelf_count_idle(conn->shelf, -1);
}

struct http_conn *http_conn_take(struct shelf *shelf)
{
	struct http_conn *conn = list_first(&shelf->idle, struct http_conn, link);

	if (conn)
		http_conn_leave_idle(conn);
	return conn;
}

/* After a read that just filled its buffer, only one more tells whether that was all. */
static bool http_conn_is_silent(struct http_conn *conn)
{
	struct stream *stream = &conn->stream;

	if (stream->error || stream->peer_closed || stream_is_sending(stream))
		return false;
	return !stream->readable ||
	       stream_read(stream, http_conn_client(conn)->scratch, CLIENT_SCRATCH) == -EAGAIN;
}

/* Somebody waits: on this loop he gets the connection, on another one its permit. */
static bool http_conn_pass_on(struct http_conn *conn)
{
	struct client *client = http_conn_client(conn);
	struct http_call *call;

	if (likely(!permits_are_wanted(http_conn_permits(conn))))
		return false;
	call = permits_pass(http_conn_permits(conn), client->loop, clock_monotonic_ns());
	if (!call) {
		http_conn_close(conn);
		return true;
	}
	conn->stream.on_readable = conn->stream.on_sent = http_conn_on_handed_event;
	http_call_hand_over(call, conn);
	return true;
}

static void http_conn_make_idle(struct http_conn *conn, const struct upstream *upstream)
{
	struct client *client = http_conn_client(conn);
	struct shelf *shelf = conn->shelf;

	conn->stream.on_readable = conn->stream.on_sent = http_conn_on_idle_event;
	conn->idle_until_ns = loop_now_ns(client->loop) + upstream->pool.idle_close_ms * NS_PER_MS;
	list_add_first(&shelf->idle, &conn->link);
	client_sweep_at(client, conn->idle_until_ns);
	if (unlikely(shelf_count_idle(shelf, 1)))
		http_conn_close(conn);
}

void http_conn_keep(struct http_conn *conn, const struct upstream *upstream)
{
	conn->call = NULL;
	if (!peer_is_listed(conn->shelf->peer) || !http_conn_is_silent(conn)) {
		http_conn_close(conn);
		return;
	}
	conn->reused = true;
	if (http_conn_pass_on(conn))
		return;
	if (conn->shelf->n_idle < upstream->pool.max_idle)
		http_conn_make_idle(conn, upstream);
	else
		http_conn_close(conn);
}

void http_conn_close(struct http_conn *conn)
{
	struct shelf *shelf = conn->shelf;

	if (list_is_linked(&conn->link))
		stream_end(&conn->stream);
	http_conn_leave_idle(conn);
	timer_stop(&conn->again);
	stream_close(&conn->stream);
	peer_count(shelf->peer, open, -1);
	if (conn->permit)
		permits_give(http_conn_permits(conn));
	free(conn);
	shelf_leave(shelf);
}
