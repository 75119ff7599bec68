/* core/io/stream.c */
#include "core/io/stream.h"
#include "core/io/net.h"
#include "core/io/tls_session.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define STREAM_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static void stream_flush(struct stream *stream);
static void stream_on_more(struct ready *ready);

static void stream_note(struct stream *stream, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		stream->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		stream->writable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		stream->peer_closed = true;
}

/* on_sent may close the stream, and free it: then nothing of it is looked at again. */
static void stream_on_event(struct watch *watch, uint32_t events)
{
	struct stream *stream = container_of(watch, struct stream, watch);
	bool readable = events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR);

	stream_note(stream, events);
	if (stream->tls && !tls_on_event(stream->tls, readable))
		return;
	if (stream_is_sending(stream) && stream->writable) {
		struct loop *loop = stream->loop;
		int fd = watch->fd;

		stream_flush(stream);
		if (!loop_is_watched(loop, fd, watch))
			return;
	}
	if (readable)
		stream->on_readable(stream);
}

static void stream_init(struct stream *stream, struct loop *loop, stream_fn *on_readable,
			stream_fn *on_sent)
{
	*stream = (struct stream){
		.watch.fd = -1, .loop = loop, .on_readable = on_readable, .on_sent = on_sent
	};
	ready_init(&stream->more, stream_on_more);
}

int stream_open(struct stream *stream, struct loop *loop, int fd, stream_fn *on_readable,
		stream_fn *on_sent)
{
	stream_init(stream, loop, on_readable, on_sent);
	return loop_add(loop, &stream->watch, fd, STREAM_EVENTS, stream_on_event);
}

void stream_adopt(struct stream *stream, struct loop *loop, int fd, uint32_t events,
		  stream_fn *on_readable, stream_fn *on_sent)
{
	stream_init(stream, loop, on_readable, on_sent);
	loop_adopt(loop, &stream->watch, fd, stream_on_event);
	stream_note(stream, events);
}

int stream_secure(struct stream *stream, struct tls *tls, stream_fn *on_secure)
{
	int r;

	check(!stream->tls && !stream_is_sending(stream));
	r = tls_attach(tls, stream, on_secure);
	if (r == 0)
		stream->tls = tls;
	return r;
}

void stream_unsecure(struct stream *stream)
{
	check(stream->tls && !tls_is_open(stream->tls));
	tls_destroy(take(&stream->tls));
	stream->error = 0;
	stream->held = false;
	stream->readable = true;
}

void stream_close(struct stream *stream)
{
	int fd = stream->watch.fd;

	if (fd < 0)
		return;
	loop_remove(stream->loop, &stream->watch);
	loop_ready_cancel(&stream->more);
	if (stream->file_left > 0 && stream->gate)
		stream->gate->leave(stream->gate);
	if (unlikely(stream->tls))
		tls_destroy(take(&stream->tls));
	close(fd);
	stream->n_out = 0;
	stream->file_left = 0;
	stream->held = false;
}

void stream_end(struct stream *stream)
{
	if (stream->tls)
		tls_end(stream->tls);
}

ssize_t stream_read(struct stream *stream, char *bytes, size_t size)
{
	ssize_t n;

	check(size > 0);
	if (stream->error)
		return stream->error;
	if (!stream->readable)
		return -EAGAIN;
	if (unlikely(stream->tls))
		return tls_read(stream->tls, bytes, size);
	do {
		n = recv(stream->watch.fd, bytes, size, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return stream->error = -errno;
	/* a short read has emptied the socket (or met urgent data: who sends that stalls only
	 * himself); but an end that was announced is still to be read */
	if (n < 0 || ((size_t)n < size && !stream->peer_closed))
		stream->readable = false;
	return n < 0 ? -EAGAIN : n;
}

void stream_read_on(struct stream *stream)
{
	stream->error = 0;
	stream->readable = stream->peer_closed = true;
	if (stream->tls)
		stream->tls->socket_readable = true;
}

int stream_peek(struct stream *stream)
{
	char byte;
	ssize_t n;

	if (stream->error)
		return stream->error;
	if (stream->tls)
		return tls_peek(stream->tls);
	do {
		n = recv(stream->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

void stream_consume(struct stream *stream, size_t sent)
{
	uint8_t n_done = 0;

	while (n_done < stream->n_out && sent >= stream->out[n_done].iov_len)
		sent -= stream->out[n_done++].iov_len;
	stream->n_out = (uint8_t)(stream->n_out - n_done);
	memmove(stream->out, stream->out + n_done, stream->n_out * sizeof(stream->out[0]));
	if (stream->n_out && sent) {
		stream->out[0].iov_base = (char *)stream->out[0].iov_base + sent;
		stream->out[0].iov_len -= sent;
	}
}

static ssize_t stream_sendmsg(struct stream *stream)
{
	struct msghdr message = { .msg_iov = stream->out, .msg_iovlen = stream->n_out };
	int flags = MSG_NOSIGNAL | (stream->corked ? MSG_MORE : 0);
	ssize_t n;

	do {
		if (stream->n_out == 1) /* cheaper in the kernel, and the most frequent case */
			n = send(stream->watch.fd, stream->out[0].iov_base, stream->out[0].iov_len,
				 flags);
		else
			n = sendmsg(stream->watch.fd, &message, flags);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t stream_sendfile(struct stream *stream, size_t size)
{
	off_t at = (off_t)stream->file_at;
	ssize_t n;

	do {
		n = sendfile(stream->watch.fd, stream->file_fd, &at, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == 0 ? -EIO : n;
}

int64_t stream_file_ready(struct stream *stream, size_t max)
{
	struct stream_gate *gate = stream->gate;
	uint64_t left = stream->file_left;
	int64_t ready = gate ? gate->ready(gate, stream, stream->file_at, left) : (int64_t)left;

	return MIN(ready, (int64_t)max);
}

static int stream_file_failed(struct stream *stream, int error)
{
	stream->file_left = 0;
	return stream->error = error;
}

/* As stream_push(). What a fast reader could take at once is cut into turns, so that others have
 * theirs. */
static int stream_push_file(struct stream *stream)
{
	int64_t turn = stream_file_ready(stream, STREAM_FILE_TURN);

	if (turn <= 0)
		return turn == 0 ? 0 : stream_file_failed(stream, (int)turn);
	while (turn > 0) {
		ssize_t n = stream_sendfile(stream, (size_t)turn);

		if (n == -EAGAIN) {
			stream->writable = false;
			return 0;
		}
		if (n < 0)
			return stream_file_failed(stream, (int)n);
		turn -= n;
		stream->sent_bytes += (size_t)n;
		stream->file_at += (uint64_t)n;
		stream->file_left -= (uint64_t)n;
	}
	if (stream->file_left == 0)
		return 1;
	loop_ready_next(stream->loop, &stream->more);
	return 0;
}

/* Sends what is queued until it is gone (1), the socket is full (0), or an error. */
static int stream_push(struct stream *stream)
{
	if (unlikely(stream->tls))
		return tls_push(stream->tls);
	while (stream->n_out > 0) {
		ssize_t n = stream_sendmsg(stream);

		if (n == -EAGAIN) {
			stream->writable = false;
			return 0;
		}
		if (n < 0) {
			stream->n_out = 0;
			stream->file_left = 0;
			return stream->error = (int)n;
		}
		stream->sent_bytes += (size_t)n;
		if (likely(stream->n_out == 1 && (size_t)n == stream->out[0].iov_len))
			stream->n_out = 0;
		else
			stream_consume(stream, (size_t)n);
	}
	stream->corked = false;
	return stream->file_left ? stream_push_file(stream) : 1;
}

static void stream_on_more(struct ready *ready)
{
	stream_go_on(container_of(ready, struct stream, more));
}

void stream_go_on(struct stream *stream)
{
	if (stream_is_sending(stream) && stream->writable)
		stream_flush(stream);
}

static void stream_flush(struct stream *stream)
{
	if (stream_push(stream) != 0)
		stream->on_sent(stream);
}

int stream_write(struct stream *stream, const struct iovec *parts, size_t n_parts)
{
	if (stream->error)
		return stream->error;
	check(stream->file_left == 0);
	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].iov_len == 0)
			continue;
		check_that(stream->n_out < STREAM_OUT_MAX, "n_out=%u", stream->n_out);
		stream->out[stream->n_out++] = parts[i];
	}
	return stream->writable ? stream_push(stream) : !stream_is_sending(stream);
}

int stream_write_file(struct stream *stream, int fd, uint64_t at, uint64_t size,
		      struct stream_gate *gate)
{
	if (stream->error)
		return stream->error;
	check(stream->file_left == 0);
	stream->file_fd = fd;
	stream->file_at = at;
	stream->file_left = size;
	stream->gate = gate;
	return stream->writable ? stream_push(stream) : !stream_is_sending(stream);
}

uint64_t stream_unsent(const struct stream *stream)
{
	uint64_t size = stream->file_left;

	for (unsigned i = 0; i < stream->n_out; i++)
		size += stream->out[i].iov_len;
	return stream->tls ? size + tls_unsent(stream->tls) : size;
}

void stream_shutdown(struct stream *stream)
{
	if (stream->watch.fd < 0)
		return;
	if (stream->tls)
		tls_shutdown(stream->tls);
	else
		shutdown(stream->watch.fd, SHUT_WR);
}
