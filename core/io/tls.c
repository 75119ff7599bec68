/* core/io/tls.c: one TLS session: its handshake, reading, what it knows of the peer.
 *
 *   SILENT --> HANDSHAKE --> OPEN
 *      \___________\___________\--> FAILED
 *
 *   SILENT     a client has connected and said nothing yet: nothing is made for it
 *   HANDSHAKE  each step is done when its turn has come (core/io/tls_loop.h)
 *   OPEN       on_secure was called; the plaintext is the owner's
 *   FAILED     stream->error says so, and on_secure was called if it had not been
 *
 * Writing is in tls_write.c, the ciphertext in tls_socket.c. */
#include "core/io/tls_client.h"
#include "core/io/tls_server.h"
#include "core/io/tls_session.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	FIRST_BYTE_OF_TLS = 22, /* a record of the kind handshake */
	/* Records without data one after another: key updates cost much more to read than to
	 * send. Servers send a few tickets. */
	IDLE_RECORDS_MAX = 64,
};

static struct tls *tls_create(struct tls_server *server, SSL *ssl, struct tls_memory *memory)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return NULL;
	tls->server = server;
	tls->ssl = ssl;
	tls->memory = memory;
	tls->state = ssl ? TLS_HANDSHAKE : TLS_SILENT;
	list_init(&tls->turn);
	return tls;
}

struct tls *tls_accept(struct tls_server *server, struct arena_budget *budget)
{
	struct tls *tls = tls_create(server, NULL, NULL);

	if (!tls)
		return NULL;
	tls->budget = budget;
	tls_server_ref(server);
	return tls;
}

struct tls *tls_connect(struct tls_client *client, struct str host, struct tls_memory *memory)
{
	SSL *ssl = tls_client_session(client, host, memory);
	struct tls *tls = ssl ? tls_create(NULL, ssl, memory) : NULL;
	BIO *bio = tls ? tls_socket_bio(tls) : NULL;

	if (bio) {
		SSL_set_bio(ssl, bio, bio);
		SSL_set_app_data(ssl, tls);
		return tls;
	}
	free(tls);
	SSL_free(ssl);
	return NULL;
}

void tls_memory_forget(struct tls_memory *memory)
{
	SSL_SESSION_free(take(&memory->session));
}

void tls_destroy(struct tls *tls)
{
	if (!tls)
		return;
	list_remove(&tls->turn);
	if (tls->state ==
	    TLS_OPEN) /* without this it could not be resumed: OpenSSL asks for both ends */
		SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(tls->ssl);
	tls_server_unref(tls->server);
	tls_socket_forget(tls);
	free(tls);
}

int tls_attach(struct tls *tls, struct stream *stream, stream_fn *on_secure)
{
	tls->loop = tls_loop_of(stream->loop);
	if (!tls->loop)
		return -ENOMEM;
	tls->stream = stream;
	tls->on_secure = on_secure;
	tls->socket_readable = stream->readable;
	stream->readable = false;
	if (tls->socket_readable || tls->ssl) /* a client speaks first */
		tls_loop_queue(tls->loop, tls);
	return 0;
}

/* ------------------------------------------------------------ what goes wrong */

static const char *tls_reason(const struct tls *tls)
{
	unsigned long error = ERR_peek_error();
	long verified = SSL_get_verify_result(tls->ssl);
	const char *reason;

	if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
		return X509_verify_cert_error_string(verified);
	reason = error ? ERR_reason_error_string(error) : NULL;
	return reason ? reason : "protocol error";
}

int tls_fail(struct tls *tls, int code)
{
	int r = -EPROTO;

	if (tls->socket_error)
		r = tls->socket_error;
	else if (code == SSL_ERROR_WANT_READ)
		r = -ECONNABORTED;
	else if (code == SSL_ERROR_WANT_WRITE)
		r = -ENOBUFS;
	if (!tls->failure)
		tls->failure = tls->socket_error              ? "connection reset"
			       : code == SSL_ERROR_WANT_READ  ? "the peer has left"
			       : code == SSL_ERROR_WANT_WRITE ? "the peer does not read"
							      : tls_reason(tls);
	ERR_clear_error();
	return r;
}

/* OpenSSL looks at the thread's queue of errors to find out what a call did: others may have left
 * some there. */
static inline void tls_clear_errors(void)
{
	if (unlikely(ERR_peek_error()))
		ERR_clear_error();
}

/* ------------------------------------------------------------ the handshake */

/* May free the session, with its stream. */
static void tls_secured(struct tls *tls, int error)
{
	struct stream *stream = tls->stream;
	stream_fn *on_secure = take(&tls->on_secure);

	tls->state = error ? TLS_FAILED : TLS_OPEN;
	stream->error = error;
	stream->readable = error || tls_has_input(tls) || tls->socket_ended;
	on_secure(stream);
}

/* The session of a client whose first bytes are in the scratch. */
static int tls_begin(struct tls *tls)
{
	char first = tls->loop->in[0];
	BIO *bio;

	if (first != FIRST_BYTE_OF_TLS) {
		tls->plain_http = first >= 'A' && first <= 'Z';
		tls->failure = tls->plain_http ? "a request without TLS" : "not TLS";
		return -EPROTO;
	}
	tls->failure = "out of memory";
	tls->ssl = tls_server_session(tls->server);
	bio = tls->ssl ? tls_socket_bio(tls) : NULL;
	if (!bio)
		return -ENOMEM;
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	tls->state = TLS_HANDSHAKE;
	tls->failure = NULL;
	return 0;
}

/* 1: it is done; 0: it waits for bytes, or for room; or a negative errno. */
static int tls_handshake(struct tls *tls)
{
	int r, code;

	tls_clear_errors();
	r = SSL_do_handshake(tls->ssl);
	if (r == 1)
		return 1;
	code = SSL_get_error(tls->ssl, r);
	if (code == SSL_ERROR_WANT_READ && !tls->socket_error && !tls->socket_ended)
		return 0;
	if (code == SSL_ERROR_WANT_WRITE)
		return 0;
	return tls_fail(tls, code);
}

void tls_step(struct tls *tls)
{
	struct tls_loop *loop = tls->loop;
	int r = 0, kept, sent;

	check(tls->state == TLS_SILENT || tls->state == TLS_HANDSHAKE);
	loop->in_max = TLS_RECORD_MAX + TLS_RECORD_MORE;
	if (tls->state == TLS_SILENT) {
		if (tls_socket_receive(tls))
			r = tls_begin(tls);
		else if (tls->socket_error || tls->socket_ended)
			r = tls_fail(tls, SSL_ERROR_WANT_READ);
		else
			return;
	}
	if (r == 0)
		r = tls_handshake(tls);
	kept = tls_socket_keep(tls);
	sent = tls_socket_flush(tls); /* an alert, too */
	if (kept < 0 || (sent < 0 && r >= 0)) {
		tls->failure = kept < 0 ? "out of memory" : "connection reset";
		r = kept < 0 ? kept : sent;
	}
	if (r != 0)
		tls_secured(tls, r < 0 ? r : 0);
	else if (sent > 0 && (tls_has_input(tls) || SSL_want_write(tls->ssl)))
		tls_loop_queue(loop, tls);
}

bool tls_on_event(struct tls *tls, bool readable)
{
	bool waited = tls->unsent != NULL;
	int r = 1;

	tls->socket_readable = tls->socket_readable || (readable && !tls->socket_ended);
	if (tls->state == TLS_OPEN || tls->state == TLS_FAILED) {
		if (waited && tls->stream->writable && !stream_is_sending(tls->stream))
			r = tls_socket_flush(tls);
		if (r < 0 && !tls->stream->error)
			tls->stream->error = r;
		return true;
	}
	if (waited && tls->stream->writable)
		r = tls_socket_flush(tls); /* an error is met again by the next step */
	if (readable || (waited && r != 0))
		tls_loop_queue(tls->loop, tls);
	tls->stream->readable = false; /* nothing for the owner */
	return false;
}

/* ------------------------------------------------------------ reading */

/* There is nothing to read: -EAGAIN, 0 at the end, or what is wrong. */
static int tls_stopped(struct tls *tls, int code)
{
	if (code == SSL_ERROR_ZERO_RETURN) {
		tls->peer_ended = tls->stream->peer_closed = true;
		return 0;
	}
	if (code == SSL_ERROR_WANT_READ && !tls->socket_error)
		return tls->socket_ended ? -ECONNABORTED : -EAGAIN;
	return tls->stream->error = tls_fail(tls, code);
}

/* After reading: the loop's scratch is left empty, and what was said by the way is sent. */
static int tls_settle(struct tls *tls)
{
	struct stream *stream = tls->stream;
	int r = tls_socket_keep(tls);

	if (tls->loop->out_len > 0 && r == 0)
		r = MIN(tls_socket_flush(tls), 0);
	tls->loop->out_len = 0;
	if (r < 0 && !stream->error)
		stream->error = r;
	stream->readable = SSL_pending(tls->ssl) > 0 || tls_has_input(tls) || tls->peer_ended ||
			   tls->socket_ended || stream->error;
	return r;
}

static int tls_idle(struct tls *tls)
{
	tls->failure = "too many records without data";
	return tls->stream->error = -EPROTO;
}

/* As far as one record with data. 1; or as tls_stopped(). */
static int tls_read_some(struct tls *tls, bool peek, char *bytes, size_t size, size_t *ret_n)
{
	while ((peek ? SSL_peek_ex : SSL_read_ex)(tls->ssl, bytes, size, ret_n) != 1) {
		int code = SSL_get_error(tls->ssl, 0);

		if (code != SSL_ERROR_WANT_READ || tls->socket_error || !tls_has_input(tls))
			return tls_stopped(tls, code);
		if (++tls->n_idle > IDLE_RECORDS_MAX)
			return tls_idle(tls);
	}
	tls->n_idle = 0;
	return 1;
}

/* What was decrypted is never lost: an error that comes behind it is told by the next call. */
ssize_t tls_read(struct tls *tls, char *bytes, size_t size)
{
	size_t got = 0, n;
	int r = 1;

	if (tls->state != TLS_OPEN)
		return -EAGAIN;
	tls->loop->in_max =
		MIN(MAX(size, (size_t)TLS_RECORD_MAX) + TLS_RECORD_MORE, (size_t)TLS_IN_SIZE);
	tls_clear_errors();
	while (r > 0 && got < size) {
		if (got > 0 && SSL_pending(tls->ssl) == 0 && !tls_has_input(tls))
			break;
		r = tls_read_some(tls, false, bytes + got, size - got, &n);
		got += r > 0 ? n : 0;
	}
	if (tls_settle(tls) < 0 && got == 0)
		return tls->stream->error;
	return got > 0 ? (ssize_t)got : r;
}

int tls_peek(struct tls *tls)
{
	char byte;
	size_t n;
	int r;

	if (tls->state == TLS_SILENT)
		return recv(stream_fd(tls->stream), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0
			       ? 1
			       : -EAGAIN;
	if (tls->state != TLS_OPEN)
		return 1;                          /* its handshake is under way */
	tls->socket_readable = !tls->socket_ended; /* whether an event has told of it or not */
	tls->loop->in_max = TLS_RECORD_MAX + TLS_RECORD_MORE;
	tls_clear_errors();
	r = tls_read_some(tls, true, &byte, 1, &n);
	if (r == -ECONNABORTED)
		r = 0;
	return tls_settle(tls) < 0 ? tls->stream->error : r;
}

/* ------------------------------------------------------------ what is known */

const char *tls_failure(const struct tls *tls)
{
	return tls->failure ? tls->failure : "";
}

bool tls_met_plain_http(const struct tls *tls)
{
	return tls->plain_http;
}

bool tls_is_open(const struct tls *tls)
{
	return tls->state == TLS_OPEN;
}

bool tls_was_resumed(const struct tls *tls)
{
	return tls->ssl && SSL_session_reused(tls->ssl);
}

const char *tls_version(const struct tls *tls)
{
	return SSL_get_version(tls->ssl);
}

const char *tls_cipher(const struct tls *tls)
{
	return SSL_get_cipher_name(tls->ssl);
}

const char *tls_server_name(const struct tls *tls)
{
	return SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
}
