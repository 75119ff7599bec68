/* server/client/http_conn.c */
#include "server/client/http_conn.h"
#include "core/base/clock.h"
#include <errno.h>
#include <stdlib.h>

static void http_conn_count(atomic_int *counter, int by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static bool http_conn_is_silent(struct http_conn *conn);

static void http_conn_on_idle_event(struct stream *stream)
{
	struct http_conn *conn = container_of(stream, struct http_conn, stream);

	if (stream->tls && http_conn_is_silent(conn))
		return;
	http_conn_close(conn);
}

struct http_conn *http_conn_open(struct conn_pool *pool, unsigned server, struct dial *dial)
{
	struct http_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->pool = pool;
	conn->server = server;
	list_init(&conn->link);
	timer_init(&conn->again, pool->client->loop, NULL);
	stream_adopt(&conn->stream, pool->client->loop, dial_take(dial), dial->events,
		     http_conn_on_idle_event, http_conn_on_idle_event);
	http_conn_count(&pool->upstream->stats.open, 1);
	return conn;
}

int http_conn_secure(struct http_conn *conn, stream_fn *on_secure)
{
	const struct upstream *upstream = conn->pool->upstream;
	struct str name = upstream->server_name.len ? upstream->server_name
						    : upstream->servers[conn->server].host;
	struct tls *tls =
		tls_connect(upstream->tls, name, &conn->pool->servers[conn->server].memory);

	if (tls && stream_secure(&conn->stream, tls, on_secure) == 0)
		return 0;
	tls_destroy(tls);
	return -ENOMEM;
}

const char *http_conn_secure_failure(struct http_conn *conn)
{
	tls_memory_forget(&conn->pool->servers[conn->server].memory);
	return tls_failure(conn->stream.tls);
}

static void http_conn_leave_idle(struct http_conn *conn)
{
	if (!list_is_linked(&conn->link))
		return;
	list_remove(&conn->link);
	conn->pool->servers[conn->server].n_idle--;
	http_conn_count(&conn->pool->upstream->stats.idle, -1);
}

struct http_conn *http_conn_take(struct conn_pool *pool, unsigned server)
{
	struct http_conn *conn = list_first(&pool->servers[server].idle, struct http_conn, link);

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
	       stream_read(stream, conn->pool->client->scratch, CLIENT_SCRATCH) == -EAGAIN;
}

static bool http_conn_is_wanted(const struct http_conn *conn)
{
	const struct upstream *upstream = conn->pool->upstream;

	return upstream_is_called(upstream) &&
	       conn->pool->servers[conn->server].n_idle < upstream->max_idle;
}

void http_conn_keep(struct http_conn *conn)
{
	struct conn_pool_server *server = &conn->pool->servers[conn->server];
	struct client *client = conn->pool->client;

	conn->call = NULL;
	if (!http_conn_is_wanted(conn) || !http_conn_is_silent(conn)) {
		http_conn_close(conn);
		return;
	}
	conn->reused = true;
	conn->stream.on_readable = conn->stream.on_sent = http_conn_on_idle_event;
	conn->idle_since_ns = loop_now_ns(client->loop);
	list_add_first(&server->idle, &conn->link);
	server->n_idle++;
	http_conn_count(&conn->pool->upstream->stats.idle, 1);
	client_sweep_at(client,
			conn->idle_since_ns + conn->pool->upstream->idle_close_ms * NS_PER_MS);
}

void http_conn_close(struct http_conn *conn)
{
	if (list_is_linked(&conn->link))
		stream_end(&conn->stream);
	http_conn_leave_idle(conn);
	timer_stop(&conn->again);
	stream_close(&conn->stream);
	http_conn_count(&conn->pool->upstream->stats.open, -1);
	free(conn);
}
