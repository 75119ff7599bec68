/* core/io/tls_write.c: what a stream has queued, encrypted and sent.
 *
 * A piece of up to TLS_PIECE is encrypted into the loop's scratch and goes out with one send().
 * What the socket has no room for is kept, and nothing more is encrypted before that is gone: a
 * slow reader holds one piece. The rest of what is queued stays as it is: references, or a file. */
#include "core/io/tls_session.h"
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

enum { TLS_TURN = 256 << 10 }; /* encrypting takes longer than sending */

/* One record's plaintext: where it stands, if the first part is enough for it or is all there is;
 * else small parts together. */
static struct str tls_write_next(struct tls *tls)
{
	const struct stream *stream = tls->stream;
	const struct iovec *part = stream->out;
	char *to = tls->loop->plain;
	size_t len = 0;

	if (part->iov_len >= TLS_RECORD_MAX || stream->n_out == 1)
		return (struct str){ part->iov_base, MIN(part->iov_len, (size_t)TLS_RECORD_MAX) };
	for (unsigned i = 0; i < stream->n_out && len < TLS_RECORD_MAX; i++, part++) {
		size_t n = MIN(part->iov_len, TLS_RECORD_MAX - len);

		memcpy(to + len, part->iov_base, n);
		len += n;
	}
	return (struct str){ to, len };
}

static int tls_write_record(struct tls *tls, struct str plain)
{
	size_t n = 0;

	if (unlikely(ERR_peek_error()))
		ERR_clear_error();
	if (SSL_write_ex(tls->ssl, plain.ptr, plain.len, &n) == 1 && n == plain.len)
		return 0;
	return tls_fail(tls, SSL_ERROR_SSL);
}

static int tls_write_parts(struct tls *tls, size_t max, size_t *ret_size)
{
	struct stream *stream = tls->stream;
	size_t size = 0;

	while (size < max && stream->n_out > 0) {
		struct str plain = tls_write_next(tls);
		int r = tls_write_record(tls, plain);

		if (r < 0)
			return r;
		stream_consume(stream, plain.len);
		size += plain.len;
	}
	*ret_size = size;
	return 0;
}

/* What sendfile() would do, by way of the scratch. A size of 0: the file has to be waited for. */
static int tls_write_file(struct tls *tls, size_t max, size_t *ret_size)
{
	struct stream *stream = tls->stream;
	int64_t ready = stream_file_ready(stream, max);
	size_t size = 0;
	ssize_t n;

	*ret_size = 0;
	if (ready <= 0)
		return (int)ready;
	n = pread(stream->file_fd, tls->loop->plain, (size_t)ready, (off_t)stream->file_at);
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	while (size < (size_t)n) {
		size_t len = MIN((size_t)n - size, (size_t)TLS_RECORD_MAX);
		int r = tls_write_record(tls, (struct str){ tls->loop->plain + size, len });

		if (r < 0)
			return r;
		size += len;
	}
	stream->file_at += size;
	stream->file_left -= size;
	*ret_size = size;
	return 0;
}

/* 1: all is sent; 0: the rest waits; or a negative errno. */
static int tls_write_some(struct tls *tls)
{
	struct stream *stream = tls->stream;
	size_t left = TLS_TURN;
	int r = tls_socket_flush(tls);

	while (r > 0 && (stream->n_out > 0 || stream->file_left > 0)) {
		size_t size = 0, max = MIN(left, (size_t)TLS_PIECE);

		if (left == 0) {
			loop_ready_next(stream->loop, &stream->more);
			return 0;
		}
		r = stream->n_out > 0 ? tls_write_parts(tls, max, &size)
				      : tls_write_file(tls, max, &size);
		if (r < 0 || size == 0)
			return r;
		left -= MIN(size, left);
		r = tls_socket_flush(tls);
	}
	return r;
}

int tls_push(struct tls *tls)
{
	struct stream *stream = tls->stream;
	int r;

	check_that(tls->state == TLS_OPEN, "state=%u", tls->state);
	r = tls_write_some(tls);
	stream->held = r == 0 && tls->unsent != NULL;
	if (r >= 0)
		return r;
	tls->loop->out_len = 0;
	stream->n_out = 0;
	stream->file_left = 0;
	return stream->error = r;
}

/* Not behind what was cut off: then the peer must not take it for whole. */
void tls_end(struct tls *tls)
{
	if (tls->state != TLS_OPEN || tls->ended || tls->stream->error ||
	    stream_is_sending(tls->stream))
		return;
	tls->ended = true;
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
	if (tls_socket_flush(tls) < 0)
		tls->loop->out_len = 0;
}

void tls_shutdown(struct tls *tls)
{
	tls_end(tls);
	tls->shutting = true;
	if (tls_socket_flush(tls) < 0)
		tls->loop->out_len = 0;
}
