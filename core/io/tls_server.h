/* core/io/tls_server.h: what the server's side of TLS shares: certificates by name, settings.
 *
 * Made by one thread, step by step, at load; fixed from its first session on, and then used by
 * all loops. It lives as long as its last session: a reload makes a new one for new connections. */
#pragma once
#include "core/base/str.h"
#include "core/io/tls_cert.h"
#include <stdbool.h>

struct tls_server;

struct tls_server_settings {
	bool no_tls12;   /* 1.3 only */
	bool no_tickets; /* every handshake is a full one */
	const char *
		ciphers; /* OpenSSL's names with ':' between; "TLS_…" are those of 1.3; NULL: ours */
	const char *
		client_ca; /* PEM file: clients may show a certificate of these; NULL: none is asked for */
	bool require_client; /* and must */
};

/* 0, or -EINVAL with *ret_fault. No session may be made before it has a certificate. */
int tls_server_create(struct tls_server **ret_server, const struct tls_server_settings *settings,
		      struct tls_fault *ret_fault);

/* The first is also for clients that ask for no name, or for one that no certificate has. The
 * certificate is the server's from now on, also when it is refused: -EINVAL. -EEXIST and
 * *ret_name: another certificate with a key of the same kind has that name, which keeps it. */
int tls_server_add(struct tls_server *server, struct tls_cert *cert, struct str *ret_name,
		   struct tls_fault *ret_fault);

/* When it has all of them: shakes hands with itself, in each version. What cannot serve is found at
 * load; and so is that OpenSSL lacks the memory for what it makes once in a process, at its first
 * handshake, and never again when that fails. 0, or -EINVAL with *ret_fault. */
int tls_server_try(struct tls_server *server, bool has_tls12, struct tls_fault *ret_fault);

struct tls_server *tls_server_ref(struct tls_server *server);
void tls_server_unref(struct tls_server *server); /* any thread; NULL is accepted */

/* For core/io/tls.c: NULL without memory. */
SSL *tls_server_session(struct tls_server *server);
