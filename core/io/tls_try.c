/* core/io/tls_try.c: a handshake of a server with itself, in memory. */
#include "core/io/tls_server.h"
#include <openssl/err.h>
#include <openssl/ssl.h>

enum { TRY_STEPS_MAX = 20 }; /* of either side; a handshake of 1.2 takes three */

static SSL_CTX *try_client_create(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx && SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0") == 1 &&
	    SSL_CTX_set_min_proto_version(ctx, version) == 1 &&
	    SSL_CTX_set_max_proto_version(ctx, version) == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* Each reads what the other writes. False without memory. */
static bool try_connect(SSL *client, SSL *server)
{
	BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());

	if (!up || !down || BIO_up_ref(up) != 1 || BIO_up_ref(down) != 1) {
		BIO_free(up);
		BIO_free(down);
		return false;
	}
	SSL_set_bio(client, down, up);
	SSL_set_bio(server, up, down);
	return true;
}

/* One step of a side. False when it has failed. */
static bool try_step(SSL *ssl)
{
	int r = SSL_do_handshake(ssl);

	return r == 1 || SSL_get_error(ssl, r) == SSL_ERROR_WANT_READ;
}

/* Until both are done, and the client has read what comes behind the handshake (tickets). */
static bool try_shake(SSL *client, SSL *server)
{
	char byte;

	for (int n = 0; n < TRY_STEPS_MAX && try_step(client) && try_step(server); n++) {
		if (!SSL_is_init_finished(client) || !SSL_is_init_finished(server))
			continue;
		SSL_read(client, &byte, 1);
		return true;
	}
	return false;
}

static bool try_version(struct tls_server *server, int version)
{
	SSL_CTX *ctx = try_client_create(version);
	SSL *client = ctx ? SSL_new(ctx) : NULL, *ssl = tls_server_session(server);
	bool shaken = false;

	if (client && ssl && try_connect(client, ssl)) {
		SSL_set_connect_state(client);
		SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL); /* this client has no certificate */
		shaken = try_shake(client, ssl);
	}
	SSL_free(client);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return shaken;
}

int tls_server_try(struct tls_server *server, bool has_tls12, struct tls_fault *ret_fault)
{
	ERR_clear_error();
	if (!try_version(server, TLS1_3_VERSION))
		return tls_fault_set(ret_fault, TLS_FAULT_OTHER,
				     "lets no handshake come to an end");
	if (has_tls12 && !try_version(server, TLS1_2_VERSION))
		return tls_fault_set(
			ret_fault, TLS_FAULT_OTHER,
			"lets no handshake of TLS 1.2 come to an end; name ciphers that "
			"go with the kind of key, or say min: \"1.3\"");
	return 0;
}
