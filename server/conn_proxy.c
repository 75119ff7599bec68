/* server/conn_proxy.c
 *
 * The PROXY header is looked at where it lies, in the socket, and taken out when it is whole: what
 * follows it is TLS's, or the head of a request. An edge tells of each byte that comes. */
#include "server/conn_proxy.h"
#include "core/base/log.h"
#include "server/conn_input.h"
#include "server/conn_output.h"
#include "server/conn_time.h"
#include "server/http/forwarded.h"
#include "server/http/proxy_protocol.h"
#include "server/server.h"
#include <errno.h>
#include <sys/socket.h>

/* ------------------------------------------------------------ the PROXY header */

static void conn_refuse_proxy(struct conn *conn, const char *why)
{
	log_info("connection refused reason=%s client=%.*s", LOG_QUOTE(str_of(why)),
		 STR_ARG(conn_addr(conn)));
	conn_close(conn);
}

/* Whether its other end is one of the trusted proxies. */
static bool conn_is_trusted(struct conn *conn, const struct networks *trusted)
{
	struct str text = conn_addr(conn);
	struct net_addr addr;
	struct ip ip;

	if (str_starts_with(text, STR("unix:")))
		return networks_find(trusted, NULL) >= 0;
	return net_addr_parse(text, &addr) == 0 && net_addr_ip(&addr, &ip) &&
	       networks_find(trusted, &ip) >= 0;
}

void conn_begin_proxy(struct conn *conn, const struct listen_spec *listen)
{
	conn->state = CONN_PROXY;
	if (listen->trusted && !conn_is_trusted(conn, listen->trusted)) {
		conn_refuse_proxy(conn, "not a trusted proxy");
		return;
	}
	conn_set_deadline(conn, conn->worker->generation->settings.timeout_head);
	if (conn->stream.readable)
		conn_read_proxy(conn);
}

/* The header is whole: it is taken out of the socket. */
static void conn_take_proxy(struct conn *conn, size_t size, const struct proxy_source *source)
{
	struct net_addr addr;
	ssize_t n;

	do
		n = recv(stream_fd(&conn->stream), conn->worker->in, size, 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)size) {
		conn_close(conn);
		return;
	}
	if (source->known) {
		net_addr_of_ip(&source->ip, source->port, &addr);
		conn_set_addr(conn, &addr);
		conn->proxied = true;
	}
	conn_start(conn, generation_listen(conn->worker->generation, conn->listener));
}

void conn_read_proxy(struct conn *conn)
{
	struct stream *stream = &conn->stream;
	struct proxy_source source;
	size_t size;
	ssize_t n;

	do /* no edge tells again of what is there */
		n = recv(stream_fd(stream), conn->worker->in, PROXY_HEADER_MAX, MSG_PEEK);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN) {
		stream->readable = false;
		return;
	}
	if (n <= 0) { /* it came to see whether somebody is there */
		conn_close(conn);
		return;
	}
	switch (proxy_header_read((struct str){ conn->worker->in, (size_t)n }, &size, &source)) {
	case PROXY_MORE:
		stream->readable = false;
		if (stream->peer_closed)
			conn_close(conn);
		return;
	case PROXY_WHOLE:
		conn_take_proxy(conn, size, &source);
		return;
	case PROXY_BAD:
		conn_refuse_proxy(conn, "no PROXY header");
		return;
	}
	unreachable();
}

void conn_proxy_timed_out(struct conn *conn)
{
	conn_refuse_proxy(conn, "no PROXY header in time");
}

/* ------------------------------------------------------------ requests */

static struct str conn_peer_addr(struct conn *conn, struct arena *arena)
{
	char text[NET_ADDR_TEXT_MAX];
	struct net_addr addr;

	conn_socket_addr(conn, &addr);
	return arena_str(arena, str_of(net_addr_write(text, &addr)));
}

/* They may outlive the connection. */
bool conn_tell_client(struct conn *conn, struct request *request)
{
	request->client_addr = arena_str(&request->arena, conn_addr(conn));
	request->peer_addr = conn->proxied ? conn_peer_addr(conn, &request->arena)
					   : request->client_addr;
	return request->client_addr.ptr && request->peer_addr.ptr;
}

bool conn_tell_forwarded(struct conn *conn, struct request *request)
{
	const struct networks *trusted = conn->listen ? conn->listen->trusted : NULL;
	char text[NET_ADDR_TEXT_MAX];
	struct forwarded forwarded;
	struct net_addr addr;
	struct str client;

	request->secure = request->tls != NULL;
	request->by_proxy = trusted && conn_is_trusted(conn, trusted);
	if (!request->by_proxy)
		return true;
	if (!forwarded_read(&request->head, &trusted->set, &forwarded))
		return false;
	request->secure |= forwarded.secure;
	if (!forwarded.known)
		return true;
	net_addr_of_ip(&forwarded.ip, forwarded.port, &addr);
	client = arena_str(&request->arena, str_of(net_addr_write(text, &addr)));
	if (client.ptr)
		request->client_addr = client;
	return client.ptr != NULL;
}
