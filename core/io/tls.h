/* core/io/tls.h: TLS 1.2 and 1.3 on a stream, as its server or its client.
 *
 * A session is made for one stream and belongs to it from stream_secure() on. Then the stream's
 * reads and writes are those of the plaintext. All calls are for the stream's loop. What several
 * sessions share (certificates, settings, keys of tickets) is in core/io/tls_server.h and
 * core/io/tls_client.h, and may be used by all loops. */
#pragma once
#include "core/base/arena.h"
#include <stdbool.h>
#include <stdint.h>

struct stream;
struct tls;
struct tls_server;
struct tls_client;
struct ssl_session_st;

/* The session that a client has with one server, for the next connection to it. */
struct tls_memory {
	struct ssl_session_st *session; /* or NULL */
};

/* Nothing but a little memory is taken before the client's first bytes have come. The ciphertext
 * that it has to keep counts in `budget` (or NULL), which outlives it; where that has no room the
 * session fails. NULL without memory. */
struct tls *tls_accept(struct tls_server *server, struct arena_budget *budget);

/* To the server that calls itself `host` (a name or an address), which its certificate must say.
 * `memory` (or NULL) outlives the session. NULL without memory. */
struct tls *tls_connect(struct tls_client *client, struct str host, struct tls_memory *memory);
void tls_memory_forget(struct tls_memory *memory);

void tls_destroy(struct tls *tls); /* of one that no stream has; NULL is accepted */

/* Why there is no session, or no more: a few words. "" when nothing is wrong. */
const char *tls_failure(const struct tls *tls);

/* The first bytes were those of an HTTP request: somebody came without TLS. */
bool tls_met_plain_http(const struct tls *tls);

bool tls_is_open(const struct tls *tls); /* the handshake is done */
bool tls_was_resumed(const struct tls *tls);

/* What was agreed, when it is open; static texts. */
const char *tls_version(const struct tls *tls);     /* "TLSv1.3" */
const char *tls_cipher(const struct tls *tls);      /* "TLS_AES_128_GCM_SHA256" */
const char *tls_server_name(const struct tls *tls); /* that the client asked for; or NULL */

/* The peer's certificate, which was verified. */
struct tls_peer {
	struct str subject, issuer; /* RFC 2253: "CN=ada,O=Example" */
	struct str serial;          /* hexadecimal, upper case */
	struct str fingerprint;     /* SHA-256 of the certificate, hexadecimal, lower case */
};

/* 1; 0 when there is none; -ENOMEM. The texts are the arena's. */
int tls_peer(const struct tls *tls, struct arena *arena, struct tls_peer *ret_peer);
