/* core/io/tls_client.h: what the client's side of TLS shares: whom it believes, and what it says
 * of itself. Made at load, fixed from then on, used by all loops. */
#pragma once
#include "core/io/tls.h"
#include "core/io/tls_cert.h"

struct tls_client;

struct tls_client_settings {
	bool no_verify;         /* any certificate will do */
	const char *ca;         /* PEM file of whom it believes; NULL: the system's */
	const char *cert, *key; /* PEM files of its own, for servers that ask; or NULL */
};

/* 0, or -EINVAL with *ret_fault. */
int tls_client_create(struct tls_client **ret_client, const struct tls_client_settings *settings,
		      struct tls_fault *ret_fault);
struct tls_client *tls_client_ref(struct tls_client *client);
void tls_client_unref(struct tls_client *client); /* any thread; NULL is accepted */

/* For core/io/tls.c: NULL without memory. */
SSL *tls_client_session(struct tls_client *client, struct str host,
			const struct tls_memory *memory);
