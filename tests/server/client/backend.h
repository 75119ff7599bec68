/* tests/server/client/backend.h: a server that does what a script says, in a thread of its own.
 *
 * Every step is one blocking act on the newest connection (or the one that USE chose); a step
 * that fails, because the client closed, is passed over. Nothing sleeps: who has to wait, waits
 * for what the other does. */
#pragma once
#include "core/base/memory.h"
#include "core/io/loop.h"
#include "core/io/net.h"
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum act {
	ACT_END,
	ACT_ACCEPT,   /* one more connection, which is then the current one */
	ACT_USE,      /* connection number n is the current one */
	ACT_READ,     /* a whole request, into backend->request */
	ACT_READ_ANY, /* some bytes */
	ACT_DRAIN,    /* n bytes */
	ACT_SEND,     /* text */
	ACT_FILL,     /* n bytes 'x', as far as the client takes them */
	ACT_CLOSE,
	ACT_RESET,
	ACT_GONE,  /* until the client has closed */
	ACT_SERVE, /* requests, each answered by text, until the client closes */
	ACT_CROWD, /* accepts n connections, reads a request from each, then answers each */
	ACT_TELL,  /* calls backend->on_tell on the loop */
	ACT_RAISE, /* wakes backend_await() */
	ACT_AWAIT, /* until backend_raise() */
};

struct step {
	enum act act;
	const char *text;
	size_t n;
};

/* clang-format off */
#define DO(act)           { act, NULL, 0 }
#define END               DO(ACT_END)
#define ACCEPT            DO(ACT_ACCEPT)
#define USE(n)            { ACT_USE, NULL, n }
#define READ              DO(ACT_READ)
#define READ_ANY          DO(ACT_READ_ANY)
#define DRAIN(n)          { ACT_DRAIN, NULL, n }
#define SEND(text)        { ACT_SEND, text, 0 }
#define FILL(n)           { ACT_FILL, NULL, n }
#define CLOSE             DO(ACT_CLOSE)
#define RESET             DO(ACT_RESET)
#define GONE              DO(ACT_GONE)
#define SERVE(text)       { ACT_SERVE, text, 0 }
#define CROWD(n, text)    { ACT_CROWD, text, n }
#define TELL              DO(ACT_TELL)
#define RAISE             DO(ACT_RAISE)
#define AWAIT             DO(ACT_AWAIT)
/* clang-format on */

enum { BACKEND_CONNS_MAX = 256, BACKEND_REQUEST_MAX = 65536, STEPS_MAX = 64 };

struct backend {
	int listen_fd;
	uint16_t port;
	struct step steps[STEPS_MAX];
	pthread_t thread;
	int conns[BACKEND_CONNS_MAX];
	int conn; /* the current one */
	unsigned n_conns;
	char request[BACKEND_REQUEST_MAX + 1];
	size_t request_len;
	sem_t from_test, to_test;
	struct loop *loop;
	struct post post;
	void (*on_tell)(void);
};

static bool backend_write(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

/* The size of a request, once its head is there; else SIZE_MAX. */
static size_t backend_request_size(const char *request)
{
	const char *head_end = strstr(request, "\r\n\r\n");
	const char *length = strstr(request, "Content-Length: ");

	if (!head_end)
		return SIZE_MAX;
	return (size_t)(head_end + 4 - request) +
	       (length && length < head_end ? strtoul(length + 16, NULL, 10) : 0);
}

/* Head, and the body that its Content-Length announces, of which what does not fit is dropped.
 * False at the end. */
static bool backend_read(struct backend *backend)
{
	char *request = backend->request;
	size_t want = SIZE_MAX;

	backend->request_len = 0;
	while (backend->request_len < want) {
		size_t at = MIN(backend->request_len, (size_t)BACKEND_REQUEST_MAX / 2);
		ssize_t n = recv(backend->conn, request + at, BACKEND_REQUEST_MAX - at, 0);

		if (n <= 0)
			return false;
		if (want == SIZE_MAX) {
			request[at + (size_t)n] = '\0';
			want = backend_request_size(request);
		}
		backend->request_len += (size_t)n;
	}
	return true;
}

static void backend_drain(struct backend *backend, size_t size)
{
	while (size > 0) {
		ssize_t n = recv(backend->conn, backend->request,
				 MIN(size, (size_t)BACKEND_REQUEST_MAX), 0);

		if (n <= 0)
			return;
		size -= (size_t)n;
	}
}

static void backend_fill(struct backend *backend, size_t size)
{
	static const char x[4096] = { [0 ... 4095] = 'x' };

	while (size > 0) {
		size_t n = size < sizeof(x) ? size : sizeof(x);

		if (!backend_write(backend->conn, x, n))
			return;
		size -= n;
	}
}

static void backend_accept(struct backend *backend)
{
	int fd = accept(backend->listen_fd, NULL, NULL);

	if (fd < 0 || backend->n_conns == BACKEND_CONNS_MAX)
		abort();
	backend->conn = backend->conns[backend->n_conns++] = fd;
}

static void backend_close(struct backend *backend, bool reset)
{
	if (reset)
		net_reset_on_close(backend->conn);
	close(backend->conn);
	for (unsigned i = 0; i < backend->n_conns; i++)
		if (backend->conns[i] == backend->conn)
			backend->conns[i] = -1;
}

static void backend_crowd(struct backend *backend, const struct step *step)
{
	for (size_t i = 0; i < step->n; i++)
		backend_accept(backend);
	for (unsigned i = 0; i < backend->n_conns; i++) {
		backend->conn = backend->conns[i];
		backend_read(backend);
	}
	for (unsigned i = 0; i < backend->n_conns; i++)
		backend_write(backend->conns[i], step->text, strlen(step->text));
}

static void backend_run_tell(struct post *post)
{
	container_of(post, struct backend, post)->on_tell();
}

static void backend_do(struct backend *backend, const struct step *step)
{
	char byte[4096];

	switch (step->act) {
	case ACT_ACCEPT:
		backend_accept(backend);
		break;
	case ACT_USE:
		backend->conn = backend->conns[step->n];
		break;
	case ACT_READ:
		backend_read(backend);
		break;
	case ACT_READ_ANY:
		(void)!recv(backend->conn, byte, sizeof(byte), 0);
		break;
	case ACT_DRAIN:
		backend_drain(backend, step->n);
		break;
	case ACT_SEND:
		backend_write(backend->conn, step->text, step->n ? step->n : strlen(step->text));
		break;
	case ACT_FILL:
		backend_fill(backend, step->n);
		break;
	case ACT_CLOSE:
	case ACT_RESET:
		backend_close(backend, step->act == ACT_RESET);
		break;
	case ACT_GONE:
		while (recv(backend->conn, byte, sizeof(byte), 0) > 0)
			;
		break;
	case ACT_SERVE:
		while (backend_read(backend))
			backend_write(backend->conn, step->text, strlen(step->text));
		break;
	case ACT_CROWD:
		backend_crowd(backend, step);
		break;
	case ACT_TELL:
		backend->post.run = backend_run_tell;
		loop_post(backend->loop, &backend->post);
		break;
	case ACT_RAISE:
		sem_post(&backend->to_test);
		break;
	case ACT_AWAIT:
		sem_wait(&backend->from_test);
		break;
	case ACT_END:
		break;
	}
}

static void *backend_main(void *arg)
{
	struct backend *backend = arg;

	for (const struct step *step = backend->steps; step->act != ACT_END; step++)
		backend_do(backend, step);
	return NULL;
}

static struct backend *backend_start(struct loop *loop, const struct step *steps)
{
	struct backend *backend = mem_zalloc(sizeof(*backend));
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);

	backend->loop = loop;
	for (size_t i = 0; i < STEPS_MAX - 1 && steps[i].act != ACT_END; i++)
		backend->steps[i] = steps[i];
	backend->conn = -1;
	backend->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(backend->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(backend->listen_fd, 512) < 0 ||
	    getsockname(backend->listen_fd, (struct sockaddr *)&addr, &len) < 0)
		abort();
	backend->port = ntohs(addr.sin_port);
	sem_init(&backend->from_test, 0, 0);
	sem_init(&backend->to_test, 0, 0);
	if (pthread_create(&backend->thread, NULL, backend_main, backend) != 0)
		abort();
	return backend;
}

static void backend_raise(struct backend *backend)
{
	sem_post(&backend->from_test);
}

static void backend_await(struct backend *backend)
{
	sem_wait(&backend->to_test);
}

/* The script has been done; what was counted may be read. */
static void backend_join(struct backend *backend)
{
	pthread_join(backend->thread, NULL);
}

static void backend_destroy(struct backend *backend)
{
	for (unsigned i = 0; i < backend->n_conns; i++)
		if (backend->conns[i] >= 0)
			close(backend->conns[i]);
	close(backend->listen_fd);
	sem_destroy(&backend->from_test);
	sem_destroy(&backend->to_test);
	free(backend);
}
