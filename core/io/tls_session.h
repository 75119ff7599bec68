/* core/io/tls_session.h: one TLS session from within. Internal to core/io: stream.c calls what is
 * below `struct tls`. */
#pragma once
#include "core/io/stream.h"
#include "core/io/tls.h"
#include "core/io/tls_loop.h"
#include <openssl/ssl.h>

enum tls_state {
	TLS_SILENT,    /* a client has connected and said nothing yet: there is no `ssl` */
	TLS_HANDSHAKE, /* it goes on when bytes have come, or have gone */
	TLS_OPEN,
	TLS_FAILED, /* there is no session; on_secure has been called, or is about to be */
};

struct tls {
	struct stream *stream;     /* NULL before stream_secure() */
	struct tls_loop *loop;     /* its loop's */
	struct tls_server *server; /* held; or NULL */
	struct tls_memory *memory; /* a client's; or NULL */
	SSL *ssl;
	struct list turn;     /* in `loop`, while a step of the handshake can be done */
	stream_fn *on_secure; /* NULL when it has been called */
	uint8_t state;        /* enum tls_state */
	bool socket_readable; /* recv() may give something */
	bool socket_ended;    /* recv() gave the end */
	bool peer_ended;      /* close_notify was read */
	bool ended;           /* close_notify was sent */
	bool shutting;        /* the socket is shut down when `unsent` is sent */
	bool plain_http;
	uint8_t n_idle;              /* records without data since the last one with */
	int socket_error;            /* of recv() */
	struct arena_budget *budget; /* counts what follows; or NULL */
	/* ciphertext that was received and not used: NULL when there is none */
	char *unread;
	size_t unread_at, unread_len, unread_size;
	/* ciphertext that the socket had no room for: NULL when there is none */
	char *unsent;
	size_t unsent_at, unsent_len, unsent_size;
	const char *failure;
};

/* ------------------------------------------------------------ for stream.c */

/* -ENOMEM: then the session is still the caller's. */
int tls_attach(struct tls *tls, struct stream *stream, stream_fn *on_secure);

/* What the socket had to tell; stream_note() was called. False: nothing of it is for the stream's
 * owner. */
bool tls_on_event(struct tls *tls, bool readable);

ssize_t tls_read(struct tls *tls, char *bytes, size_t size); /* as stream_read() */
int tls_peek(struct tls *tls);                               /* as stream_peek() */
int tls_push(struct tls *tls);      /* as stream_push(): sends what the stream has queued */
void tls_end(struct tls *tls);      /* close_notify; as far as it goes at once */
void tls_shutdown(struct tls *tls); /* the same, then the socket's end */

static inline size_t tls_unsent(const struct tls *tls)
{
	return tls->unsent_len - tls->unsent_at;
}

/* ------------------------------------------------------------ tls.c */

void tls_step(struct tls *tls); /* of the handshake; its turn has come. It may free it */

/* After a call of OpenSSL said no: the errno for it, and `failure` is set. */
int tls_fail(struct tls *tls, int code);

/* ------------------------------------------------------------ tls_socket.c */

BIO *tls_socket_bio(struct tls *tls); /* NULL without memory */

/* Receives into the loop's scratch, which is empty. True when there is something in it. */
bool tls_socket_receive(struct tls *tls);

/* At the end of each call: what is left in the scratch is kept (-ENOMEM). */
int tls_socket_keep(struct tls *tls);
void tls_socket_forget(struct tls *tls); /* what is kept, at the end */

/* Sends `unsent`, then what is in the scratch. 1: all is sent; 0: the rest is kept; or a negative
 * errno. */
int tls_socket_flush(struct tls *tls);

/* Ciphertext may be had without waiting. */
static inline bool tls_has_input(const struct tls *tls)
{
	return tls->unread_len > 0 || tls->loop->in_len > 0 || tls->socket_readable;
}
