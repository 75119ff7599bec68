/* server/client/http_tunnel.c
 *
 * What the proxy says is read as any answer is, and its head has to be all that comes: in TLS the
 * server behind it speaks second. */
#include "server/client/http_tunnel.h"
#include "server/client/http_answer.h"
#include "server/client/http_exchange.h"
#include <errno.h>

static struct str tunnel_request(struct http_call *call)
{
	const struct peer *peer = call->shelf->peer;
	struct str login = call->request.upstream->via->authorization;
	bool v6 = str_has(peer->host, ':');
	struct str to = arena_printf(call->arena, "%s%.*s%s:%u", v6 ? "[" : "", STR_ARG(peer->host),
				     v6 ? "]" : "", peer->target_port);

	if (!to.ptr)
		return to;
	return arena_printf(call->arena, "CONNECT %.*s HTTP/1.1\r\nHost: %.*s\r\n%s%.*s%s\r\n",
			    STR_ARG(to), STR_ARG(to), login.len ? "Proxy-Authorization: " : "",
			    STR_ARG(login), login.len ? "\r\n" : "");
}

/* The answer that was read is not the call's: another one is expected for that. */
static void tunnel_end(struct http_call *call, const char *problem)
{
	call->conn->stream.sent_bytes = 0; /* nothing of the call's own request */
	http_answer_fini(call->answer);
	http_call_expect_answer(call);
	http_call_is_tunnelled(call, problem);
}

static const char *tunnel_refusal(struct http_call *call, int status)
{
	struct str text;

	if (status == 407)
		return "the proxy does not accept the credentials of via (407)";
	text = arena_printf(call->arena, "the proxy refused to connect (%d)", status);
	return text.ptr ? text.ptr : "the proxy refused to connect";
}

/* False when it is decided. */
static bool tunnel_take(struct http_call *call, struct str bytes)
{
	struct http_answer *answer = call->answer;
	size_t used = http_answer_read(answer, bytes);

	if (answer->state == ANSWER_HEAD)
		return true;
	if (answer->state == ANSWER_FAILED)
		tunnel_end(call, "the proxy's answer is not HTTP");
	else if (answer->response.status < 200 || answer->response.status > 299)
		tunnel_end(call, tunnel_refusal(call, answer->response.status));
	else if (used < bytes.len)
		tunnel_end(call, "the proxy has said too much");
	else
		tunnel_end(call, NULL);
	return false;
}

static void tunnel_on_readable(struct stream *stream)
{
	struct http_call *call = container_of(stream, struct http_conn, stream)->call;
	char *scratch = call->client->scratch;
	ssize_t n;

	http_call_check(call);
	do {
		n = stream_read(stream, scratch, CLIENT_SCRATCH);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			tunnel_end(call, "the proxy has closed the connection");
			return;
		}
	} while (tunnel_take(call, (struct str){ scratch, (size_t)n }) && stream->readable);
}

static void tunnel_on_sent(struct stream *stream)
{
	if (stream->error)
		tunnel_end(container_of(stream, struct http_conn, stream)->call,
			   "the proxy has closed the connection");
}

void http_tunnel_start(struct http_call *call, struct http_conn *conn)
{
	struct str request = tunnel_request(call);
	const struct iovec part = { (char *)(uintptr_t)request.ptr, request.len };
	struct stream *stream = &conn->stream;

	stream->on_readable = tunnel_on_readable;
	stream->on_sent = tunnel_on_sent;
	http_answer_fini(call->answer);
	http_answer_init(call->answer, call->arena, HTTP_CONNECT, SIZE_MAX);
	call->answer->streams = true;
	if (!request.ptr)
		http_call_fail(call, HTTP_CALL_MEMORY, "no memory for CONNECT");
	else if (stream_write(stream, &part, 1) < 0)
		tunnel_end(call, "the proxy has closed the connection");
	else if (stream->readable)
		tunnel_on_readable(stream);
}
