/* tests/core/io/tls_ends.h: two ends of TLS on one loop, with a wire between them that the test
 * carries the bytes over, as many at a time as it likes. */
#pragma once
#include "core/io/stream.h"
#include "core/io/tls.h"
#include "core/io/tls_client.h"
#include "core/io/tls_server.h"
#include "tests/lib/certs.h"
#include "tests/lib/tap.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct end {
	struct stream stream;
	unsigned n_secure, n_readable, n_sent;
	int wire_fd; /* the other side of its socket pair */
	bool close_on_secure;
	size_t carried; /* bytes that it sent */
};

static struct loop *loop;
static struct tls_server *server;
static struct tls_client *client;
static struct end a, b;                                  /* the server's and the client's */
static struct arena_budget budget = { .max = SIZE_MAX }; /* of the server's end */

/* ------------------------------------------------------------ ends and the wire */

static void end_on_readable(struct stream *stream)
{
	container_of(stream, struct end, stream)->n_readable++;
}

static void end_on_sent(struct stream *stream)
{
	container_of(stream, struct end, stream)->n_sent++;
}

static void end_on_secure(struct stream *stream)
{
	struct end *end = container_of(stream, struct end, stream);

	end->n_secure++;
	if (end->close_on_secure)
		stream_close(stream);
}

static void end_open(struct end *end)
{
	int fds[2];

	*end = (struct end){ 0 };
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	check(stream_open(&end->stream, loop, fds[0], end_on_readable, end_on_sent) == 0);
	end->wire_fd = fds[1];
}

static void end_close(struct end *end)
{
	stream_close(&end->stream);
	if (end->wire_fd >= 0)
		close(end->wire_fd);
	end->wire_fd = -1;
}

/* At most `max` bytes from one end to the other. How many. */
static size_t carry(struct end *from, struct end *to, size_t max)
{
	static char bytes[256 << 10];
	ssize_t n = recv(from->wire_fd, bytes, MIN(max, sizeof(bytes)), MSG_PEEK), sent;

	if (n <= 0)
		return 0;
	sent = send(to->wire_fd, bytes, (size_t)n, MSG_NOSIGNAL);
	if (sent <= 0)
		return 0;
	check(recv(from->wire_fd, bytes, (size_t)sent, 0) == sent);
	from->carried += (size_t)sent;
	return (size_t)sent;
}

static void turn(void)
{
	loop_run_once(loop, false);
}

/* Until nothing moves any more. */
static void settle(size_t piece)
{
	unsigned quiet = 0;

	while (quiet < 3) {
		turn();
		quiet = carry(&a, &b, piece) + carry(&b, &a, piece) > 0 ? 0 : quiet + 1;
	}
}

static void connect_ends(const char *host, struct tls_memory *memory, size_t piece)
{
	end_open(&a);
	end_open(&b);
	check(stream_secure(&a.stream, tls_accept(server, &budget), end_on_secure) == 0);
	check(stream_secure(&b.stream, tls_connect(client, str_of(host), memory), end_on_secure) ==
	      0);
	settle(piece);
}

static void close_ends(void)
{
	end_close(&a);
	end_close(&b);
}

static void use_server(const struct tls_server_settings *settings, const char *file)
{
	static const struct tls_server_settings none;
	struct tls_fault fault;
	struct tls_cert *cert;
	struct str name;

	tls_server_unref(server);
	check(tls_server_create(&server, settings ? settings : &none, &fault) == 0);
	check(tls_cert_load(&cert, cert_path(file, "pem"), cert_path(file, "key"), &fault) == 0);
	check(tls_server_add(server, cert, &name, &fault) == 0);
}

static void use_client(const struct tls_client_settings *settings)
{
	const struct tls_client_settings usual = { .ca = cert_path("ca", "pem") };
	struct tls_fault fault;

	tls_client_unref(client);
	check(tls_client_create(&client, settings ? settings : &usual, &fault) == 0);
}

static int write_text(struct end *end, const char *text)
{
	struct iovec part = { (char *)(uintptr_t)text, strlen(text) };

	return stream_write(&end->stream, &part, 1);
}
