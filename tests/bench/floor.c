/* tests/bench/floor.c: what answering costs when nothing is read, chosen or written down.
 *
 * usage: floor PORT FILE
 *
 * A bare loop of epoll_wait, recv and send on one thread: each recv is answered by the bytes of
 * FILE, whatever was asked. No server on this interface can need less, so scripts/bench shows
 * how far above it leat is. Edge-triggered and registered once, as leat's connections are; a
 * reply is taken to fit the socket's buffer. */
#include "core/base/check.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { N_EVENTS = 256, REPLY_MAX = 4096, IN_SIZE = 16384 };

static char reply[REPLY_MAX], in[IN_SIZE];
static size_t reply_size;

static int floor_listen(uint16_t port)
{
	const struct sockaddr_in addr = { .sin_family = AF_INET,
					  .sin_port = htons(port),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	check(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
	check(listen(fd, 1024) == 0);
	return fd;
}

static void floor_watch(int epoll_fd, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	check(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void floor_accept(int epoll_fd, int listen_fd)
{
	const int on = 1;
	int fd;

	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		floor_watch(epoll_fd, fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
	}
}

static void floor_answer(int fd)
{
	ssize_t n = recv(fd, in, sizeof(in), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || send(fd, reply, reply_size, MSG_NOSIGNAL) < 0)
		close(fd);
}

static void floor_read_reply(const char *path)
{
	FILE *file = fopen(path, "rb");

	check_that(file, "cannot read %s", path);
	reply_size = fread(reply, 1, sizeof(reply), file);
	fclose(file);
}

int main(int argc, char **argv)
{
	struct epoll_event events[N_EVENTS];
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), listen_fd;

	if (argc != 3) {
		fprintf(stderr, "usage: floor PORT FILE\n");
		return 2;
	}
	floor_read_reply(argv[2]);
	listen_fd = floor_listen((uint16_t)strtoul(argv[1], NULL, 10));
	floor_watch(epoll_fd, listen_fd, EPOLLIN);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, N_EVENTS, -1);

		for (int i = 0; i < n; i++)
			if (events[i].data.fd == listen_fd)
				floor_accept(epoll_fd, listen_fd);
			else
				floor_answer(events[i].data.fd);
	}
}
