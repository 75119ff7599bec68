/* server/upgrade/takeover.c: state of the process, not of a server: it begins before there is one. */
#include "server/upgrade/takeover.h"
#include "core/base/buf.h"
#include "core/base/log.h"
#include "core/base/version.h"
#include "core/io/net.h"
#include "core/io/tls_tickets.h"
#include "server/server.h"
#include "server/upgrade/protocol.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
	int fd;        /* to the other one; -1: there is none, or it has ended */
	int stderr_fd; /* the real one; -1: it is in its place */
	bool pending;
	struct server *server;
	struct watch watch;
} takeover = { .fd = -1, .stderr_fd = -1, .watch = { .fd = -1 } };

static void takeover_send(char kind, struct str text)
{
	char packet[UPGRADE_PACKET_MAX];
	size_t len = MIN(text.len, sizeof(packet) - 1);

	packet[0] = kind;
	memcpy(packet + 1, text.ptr, len);
	if (send(takeover.fd, packet, len + 1, MSG_NOSIGNAL) < 0)
		log_warning("the process before does not listen error=%s", strerrorname_np(errno));
}

static void takeover_take_keys(void)
{
	unsigned char packet[1 + TLS_TICKETS_KEYS_SIZE];
	ssize_t n = recv(takeover.fd, packet, sizeof(packet), MSG_DONTWAIT);

	if (n == sizeof(packet) && packet[0] == UPGRADE_KEYS)
		tls_tickets_restore(packet + 1);
	OPENSSL_cleanse(packet, sizeof(packet));
}

bool takeover_begin(void)
{
	const char *text = getenv(UPGRADE_VARIABLE);
	int fd, stderr_fd, type = 0;
	socklen_t len = sizeof(type);

	if (!text)
		return false;
	if (sscanf(text, "%d:%d", &fd, &stderr_fd) != 2 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET ||
	    fcntl(stderr_fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		log_warning(UPGRADE_VARIABLE " ignored: it is not of this process");
		unsetenv(UPGRADE_VARIABLE);
		return false;
	}
	unsetenv(UPGRADE_VARIABLE);
	takeover.fd = fd;
	takeover.stderr_fd = stderr_fd;
	takeover.pending = true;
	takeover_take_keys();
	return true;
}

bool takeover_is_pending(void)
{
	return takeover.pending;
}

void takeover_use_stderr(void)
{
	if (takeover.stderr_fd < 0)
		return;
	fflush(stderr);
	dup3(takeover.stderr_fd, STDERR_FILENO, 0);
	fd_close(&takeover.stderr_fd);
}

void takeover_tell(const struct diag *diag)
{
	struct buf text;

	if (!takeover.pending || diag->n_entries == 0)
		return;
	buf_init(&text, 1 << 20);
	diag_write(diag, &text);
	takeover_send(UPGRADE_ERROR, buf_str(&text));
	buf_fini(&text);
}

void takeover_end(void)
{
	if (takeover.watch.fd >= 0)
		loop_remove(takeover.server->main->loop, &takeover.watch);
	fd_close(&takeover.fd);
}

static void takeover_on_packet(struct watch *watch, uint32_t events)
{
	struct server *server = takeover.server;
	char kind;
	ssize_t n;

	(void)watch;
	(void)events;
	while ((n = recv(takeover.fd, &kind, 1, MSG_DONTWAIT)) > 0)
		if (kind == UPGRADE_MAIN && takeover.pending) {
			takeover.pending = false;
			server_confirm(server);
		}
	if (n < 0 && errno == EAGAIN)
		return;
	takeover_end();
	if (takeover.pending) {
		log_error("the process before has ended, or has given the upgrade up; stopping");
		server->failed = true;
		server_shutdown(server);
	} else {
		server_on_alone(server);
	}
}

void takeover_serve(struct server *server)
{
	takeover.server = server;
	if (loop_add(server->main->loop, &takeover.watch, takeover.fd, EPOLLIN,
		     takeover_on_packet) < 0) {
		server->failed = true;
		server_shutdown(server);
		return;
	}
	takeover_send(UPGRADE_SERVING, STR(LEAT_VERSION));
}
