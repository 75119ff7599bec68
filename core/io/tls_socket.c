/* core/io/tls_socket.c: ciphertext between a session and its socket.
 *
 * OpenSSL reads the loop's scratch, which one recv() has filled, and writes into the loop's
 * scratch, which one send() empties: several records each. Only what is left at the end of a call
 * gets memory of the connection's own. The BIO never shows an end or an error: it has no bytes
 * now, and whoever asked looks at `socket_ended` and `socket_error`. So a client that has closed
 * its side can still be answered. */
#include "core/io/tls_session.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	/* Of what is not an answer (alerts, answers to key updates). Whoever makes us say more than this and does not read it is cut. */
	UNSENT_MAX = 256 << 10,
};

static BIO_METHOD *_Atomic method; /* never freed */

/* ------------------------------------------------------------ what is kept */

static char *tls_socket_alloc(struct tls *tls, size_t size)
{
	char *bytes;

	if (!arena_budget_take(tls->budget, size))
		return NULL;
	bytes = malloc(size);
	if (!bytes)
		arena_budget_give_back(tls->budget, size);
	return bytes;
}

static void tls_socket_free(struct tls *tls, char **bytes, size_t *size)
{
	arena_budget_give_back(tls->budget, *size);
	*size = 0;
	free(take(bytes));
}

void tls_socket_forget(struct tls *tls)
{
	tls_socket_free(tls, &tls->unread, &tls->unread_size);
	tls_socket_free(tls, &tls->unsent, &tls->unsent_size);
}

/* ------------------------------------------------------------ in */

bool tls_socket_receive(struct tls *tls)
{
	struct tls_loop *loop = tls->loop;
	ssize_t n;

	check(loop->in_len == 0 && loop->in_max > 0 && loop->in_max <= TLS_IN_SIZE);
	if (!tls->socket_readable)
		return false;
	do {
		n = recv(stream_fd(tls->stream), loop->in, loop->in_max, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		tls->socket_error = -errno;
	else if (n == 0)
		tls->socket_ended = true;
	if (n <= 0 || ((size_t)n < loop->in_max && !tls->stream->peer_closed))
		tls->socket_readable = false;
	loop->in_at = 0;
	loop->in_len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static size_t tls_socket_take(char *to, size_t size, const char *from, size_t *at, size_t *len)
{
	size_t n = MIN(size, *len - *at);

	memcpy(to, from + *at, n);
	*at += n;
	if (*at == *len)
		*at = *len = 0;
	return n;
}

static int tls_socket_on_read(BIO *bio, char *to, int size)
{
	struct tls *tls = BIO_get_data(bio);
	struct tls_loop *loop = tls->loop;
	size_t n;

	BIO_clear_retry_flags(bio);
	if (tls->unread_len > 0) {
		n = tls_socket_take(to, (size_t)size, tls->unread, &tls->unread_at,
				    &tls->unread_len);
		if (tls->unread_len == 0)
			tls_socket_free(tls, &tls->unread, &tls->unread_size);
		return (int)n;
	}
	if (loop->in_len == 0 && !tls_socket_receive(tls)) {
		BIO_set_retry_read(bio);
		return -1;
	}
	return (int)tls_socket_take(to, (size_t)size, loop->in, &loop->in_at, &loop->in_len);
}

int tls_socket_keep(struct tls *tls)
{
	struct tls_loop *loop = tls->loop;
	size_t len = loop->in_len - loop->in_at;

	if (likely(loop->in_len == 0))
		return 0;
	check(tls->unread_len == 0);
	loop->in_len = 0;
	tls->unread = tls_socket_alloc(tls, len);
	if (!tls->unread)
		return -ENOMEM;
	tls->unread_size = len;
	memcpy(tls->unread, loop->in + loop->in_at, len);
	tls->unread_at = 0;
	tls->unread_len = len;
	return 0;
}

/* ------------------------------------------------------------ out */

static int tls_socket_on_write(BIO *bio, const char *bytes, int size)
{
	struct tls *tls = BIO_get_data(bio);
	struct tls_loop *loop = tls->loop;
	size_t n = MIN((size_t)size, TLS_OUT_SIZE - loop->out_len);

	BIO_clear_retry_flags(bio);
	if (n == 0) {
		BIO_set_retry_write(bio);
		return -1;
	}
	memcpy(loop->out + loop->out_len, bytes, n);
	loop->out_len += n;
	return (int)n;
}

/* How many bytes went; fewer than `size`: the socket is full. */
static ssize_t tls_socket_send(struct tls *tls, const char *bytes, size_t size)
{
	struct stream *stream = tls->stream;
	ssize_t n;

	do {
		n = send(stream_fd(stream), bytes, size, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return -errno;
	n = MAX(n, (ssize_t)0);
	if ((size_t)n < size)
		stream->writable = false;
	if (tls->state == TLS_OPEN)
		stream->sent_bytes += (size_t)n;
	return n;
}

static int tls_socket_flush_unsent(struct tls *tls)
{
	ssize_t n = tls_socket_send(tls, tls->unsent + tls->unsent_at,
				    tls->unsent_len - tls->unsent_at);

	if (n < 0)
		return (int)n;
	tls->unsent_at += (size_t)n;
	if (tls->unsent_at == tls->unsent_len) {
		tls_socket_free(tls, &tls->unsent, &tls->unsent_size);
		tls->unsent_at = tls->unsent_len = 0;
	}
	return 0;
}

static int tls_socket_keep_unsent(struct tls *tls, const char *bytes, size_t size)
{
	size_t before = tls->unsent_len - tls->unsent_at;
	char *unsent;

	if (before + size > UNSENT_MAX)
		return -ENOBUFS;
	unsent = tls_socket_alloc(tls, before + size);
	if (!unsent)
		return -ENOMEM;
	if (tls->unsent)
		memcpy(unsent, tls->unsent + tls->unsent_at, before);
	memcpy(unsent + before, bytes, size);
	tls_socket_free(tls, &tls->unsent, &tls->unsent_size);
	tls->unsent = unsent;
	tls->unsent_at = 0;
	tls->unsent_len = tls->unsent_size = before + size;
	return 0;
}

int tls_socket_flush(struct tls *tls)
{
	struct tls_loop *loop = tls->loop;
	size_t size = loop->out_len;
	ssize_t n = 0;
	int r = 0;

	loop->out_len = 0;
	if (tls->unsent && tls->stream->writable)
		r = tls_socket_flush_unsent(tls);
	if (r == 0 && size > 0 && !tls->unsent && tls->stream->writable)
		n = tls_socket_send(tls, loop->out, size);
	if (r == 0 && n >= 0 && (size_t)n < size)
		r = tls_socket_keep_unsent(tls, loop->out + n, size - (size_t)n);
	if (r < 0 || n < 0)
		return r < 0 ? r : (int)n;
	if (tls->unsent)
		return 0;
	if (tls->shutting) {
		tls->shutting = false;
		shutdown(stream_fd(tls->stream), SHUT_WR);
	}
	return 1;
}

/* ------------------------------------------------------------ the BIO */

static long tls_socket_on_control(BIO *bio, int command, long number, void *ptr)
{
	(void)bio;
	(void)number;
	(void)ptr;
	return command == BIO_CTRL_FLUSH; /* it is flushed when the call is over */
}

static BIO_METHOD *tls_socket_make_method(void)
{
	BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");

	if (!made)
		return NULL;
	BIO_meth_set_read(made, tls_socket_on_read);
	BIO_meth_set_write(made, tls_socket_on_write);
	BIO_meth_set_ctrl(made, tls_socket_on_control);
	return made;
}

/* Made when first asked for; without memory it is tried again the next time. */
static const BIO_METHOD *tls_socket_method(void)
{
	BIO_METHOD *known = atomic_load_explicit(&method, memory_order_acquire), *made;

	if (likely(known))
		return known;
	made = tls_socket_make_method();
	if (made && !atomic_compare_exchange_strong(&method, &known, made)) {
		BIO_meth_free(made);
		made = known; /* another thread's */
	}
	return made;
}

BIO *tls_socket_bio(struct tls *tls)
{
	const BIO_METHOD *stream = tls_socket_method();
	BIO *bio = stream ? BIO_new(stream) : NULL;

	if (!bio)
		return NULL;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	return bio;
}
