/* core/io/tls_client.c */
#include "core/io/tls_client.h"
#include "core/base/memory.h"
#include "core/io/net.h"
#include "core/io/tls_authorities.h"
#include "core/io/tls_session.h"
#include "core/io/tls_settings.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>

struct tls_client {
	atomic_uint refs;
	SSL_CTX *ctx;
	bool verify;
};

/* A server gives sessions at any time: the newest is kept. The owner of the memory outlives the
 * session. */
static int tls_client_on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *tls = SSL_get_app_data(ssl);

	if (!tls || !tls->memory)
		return 0;
	tls_memory_forget(tls->memory);
	tls->memory->session = session;
	return 1;
}

static int tls_client_use_cert(SSL_CTX *ctx, const struct tls_client_settings *settings,
			       struct tls_fault *fault)
{
	struct tls_cert *cert;
	int r = tls_cert_load(&cert, settings->cert, settings->key, fault);

	if (r < 0)
		return r;
	if (SSL_CTX_use_cert_and_key(ctx, cert->leaf, cert->key, cert->chain, 1) != 1)
		r = tls_fault_set(fault, TLS_FAULT_CERT, "cannot be used");
	tls_cert_destroy(cert);
	return r;
}

static int tls_client_set(struct tls_client *client, const struct tls_client_settings *settings,
			  struct tls_fault *fault)
{
	SSL_CTX *ctx = client->ctx = tls_settings_create(TLS_client_method());

	if (!ctx)
		return tls_fault_set(fault, TLS_FAULT_OTHER, "OpenSSL makes no context");
	SSL_CTX_set_verify(ctx, client->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(ctx,
				       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(ctx, tls_client_on_session);
	if (settings->ca && tls_authorities_load(settings->ca, SSL_CTX_get_cert_store(ctx), NULL,
						 TLS_FAULT_CA, fault) < 0)
		return -EINVAL;
	if (!settings->ca && client->verify && SSL_CTX_set_default_verify_paths(ctx) != 1)
		return tls_fault_set(fault, TLS_FAULT_OTHER,
				     "the system's authorities cannot be read");
	return settings->cert ? tls_client_use_cert(ctx, settings, fault) : 0;
}

int tls_client_create(struct tls_client **ret_client, const struct tls_client_settings *settings,
		      struct tls_fault *ret_fault)
{
	struct tls_client *client = mem_zalloc(sizeof(*client));
	int r;

	atomic_init(&client->refs, 1);
	client->verify = !settings->no_verify;
	ERR_clear_error();
	r = tls_client_set(client, settings, ret_fault);
	if (r < 0) {
		tls_client_unref(client);
		return r;
	}
	*ret_client = client;
	return 0;
}

struct tls_client *tls_client_ref(struct tls_client *client)
{
	atomic_fetch_add(&client->refs, 1);
	return client;
}

void tls_client_unref(struct tls_client *client)
{
	if (!client || atomic_fetch_sub(&client->refs, 1) != 1)
		return;
	SSL_CTX_free(client->ctx);
	free(client);
}

/* Whom the certificate must name, and who is asked for (RFC 6066 §3: a name, never an address). */
static bool tls_client_expect(const struct tls_client *client, SSL *ssl, const char *host)
{
	struct net_addr addr;
	bool is_address = net_addr_from_host(str_of(host), 443, &addr) == 0;

	if (!is_address && SSL_set_tlsext_host_name(ssl, host) != 1)
		return false;
	if (!client->verify)
		return true;
	if (is_address)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1;
}

SSL *tls_client_session(struct tls_client *client, struct str host, const struct tls_memory *memory)
{
	static const unsigned char protocols[] = "\x08http/1.1";
	SSL *ssl = SSL_new(client->ctx);
	char text[256];

	if (!ssl)
		return NULL;
	SSL_set_connect_state(ssl);
	if (host.len > 1 && host.ptr[host.len - 1] == '.')
		host.len--; /* of the name in the DNS, not of the server's own */
	memcpy(text, host.ptr, MIN(host.len, sizeof(text) - 1));
	text[MIN(host.len, sizeof(text) - 1)] = '\0';
	if (host.len >= sizeof(text) || !tls_client_expect(client, ssl, text) ||
	    SSL_set_alpn_protos(ssl, protocols, sizeof(protocols) - 1) != 0 ||
	    (memory && memory->session && SSL_set_session(ssl, memory->session) != 1)) {
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	return ssl;
}
