/* core/io/tls_server.c
 *
 * Names are looked up in a map: "www.example.com" as it is, then as "*.example.com". What is found
 * is a set of certificates with keys of different kinds, of which OpenSSL takes what the client
 * can verify.
 *
 * A session that is resumed skips the client's certificate. So tickets are only good where the
 * same is asked of clients: that is what the session's context says, a hash of it. */
#include "core/io/tls_server.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/base/memory.h"
#include "core/io/tls_authorities.h"
#include "core/io/tls_settings.h"
#include "core/io/tls_tickets.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
	NAME_MAX_LEN = 255,
	/* a session with a client's certificate */
	CLIENT_SESSION_S = 3600,
};

/* What one name has. */
struct tls_set {
	struct tls_set *next; /* in the server's list of all */
	const struct tls_cert *certs[TLS_KEY_KINDS];
};

struct tls_server {
	atomic_uint refs;
	SSL_CTX *ctx;
	struct map names; /* to struct tls_set; the names are the certificates' */
	struct tls_set *sets;
	struct tls_cert **certs;
	size_t n_certs;
};

/* ------------------------------------------------------------ callbacks of a handshake */

/* The longest text that matches: itself, or the wildcard for its first label. */
static const struct tls_set *tls_server_find(const struct tls_server *server, const char *name)
{
	char lower[NAME_MAX_LEN + 1];
	size_t len = strlen(name);
	const struct tls_set *set;
	const char *dot;

	if (len == 0 || len > NAME_MAX_LEN)
		return NULL;
	for (size_t i = 0; i < len; i++)
		lower[i] = char_lower(name[i]);
	if (lower[len - 1] == '.')
		len--;
	set = map_find(&server->names, (struct str){ lower, len });
	dot = memchr(lower, '.', len);
	if (set || !dot || dot == lower)
		return set;
	lower[dot - lower - 1] = '*';
	return map_find(&server->names, str_range(dot - 1, lower + len));
}

/* It is acknowledged, and kept with the session. */
static int tls_server_on_name(SSL *ssl, int *alert, void *arg)
{
	(void)arg;
	*alert = SSL_AD_UNRECOGNIZED_NAME; /* is not sent: no name is refused */
	return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) ? SSL_TLSEXT_ERR_OK
								  : SSL_TLSEXT_ERR_NOACK;
}

/* The certificates for the name that the client asks for. */
static int tls_server_on_cert(SSL *ssl, void *arg)
{
	const struct tls_server *server = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_set *set = name ? tls_server_find(server, name) : NULL;

	if (!set)
		return 1; /* the first, which the context has */
	SSL_certs_clear(ssl);
	for (size_t kind = 0; kind < TLS_KEY_KINDS; kind++) {
		const struct tls_cert *cert = set->certs[kind];

		if (cert && SSL_use_cert_and_key(ssl, cert->leaf, cert->key, cert->chain, 1) != 1)
			return 0;
	}
	return 1;
}

static int tls_server_on_protocols(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
				   const unsigned char *offered, unsigned len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1\x08http/1.0";

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)ret, ret_len, ours, sizeof(ours) - 1,
				  offered, len) == OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* What is stapled to the certificate that was chosen, while it is good. */
static int tls_server_on_status(SSL *ssl, void *arg)
{
	const struct tls_server *server = arg;
	const X509 *leaf = SSL_get_certificate(ssl);
	const struct tls_cert *cert = NULL;
	unsigned char *copy;

	for (size_t i = 0; i < server->n_certs && !cert; i++)
		if (server->certs[i]->leaf == leaf)
			cert = server->certs[i];
	if (!cert || !cert->ocsp || clock_wall_ns() / (int64_t)NS_PER_S >= cert->ocsp_ends_s)
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(cert->ocsp, cert->ocsp_size);
	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)cert->ocsp_size);
	return SSL_TLSEXT_ERR_OK;
}

/* Each resumption gives a new ticket, so a session could be handed on past the end of the
 * certificate that it began with: then it is a full handshake again, which looks at it. */
static SSL_TICKET_RETURN tls_server_on_ticket(SSL *ssl, SSL_SESSION *session,
					      const unsigned char *name, size_t name_len,
					      SSL_TICKET_STATUS status, void *arg)
{
	time_t now = (time_t)(clock_wall_ns() / (int64_t)NS_PER_S);
	X509 *cert = session ? SSL_SESSION_get0_peer(session) : NULL;

	(void)ssl;
	(void)name;
	(void)name_len;
	(void)arg;
	if ((status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) ||
	    (cert && X509_cmp_time(X509_get0_notAfter(cert), &now) < 0))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* ------------------------------------------------------------ making */

/* See the head of the file. */
static bool tls_server_set_context(struct tls_server *server,
				   const struct tls_server_settings *settings)
{
	const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(server->ctx);
	STACK_OF(X509_OBJECT) *objects =
		X509_STORE_get0_objects(SSL_CTX_get_cert_store(server->ctx));
	unsigned char hash[EVP_MAX_MD_SIZE], one[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool made = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(md, settings->require_client ? "must" : "may ", 4) == 1 &&
		    EVP_DigestUpdate(md, names ? "ask" : "not", 3) == 1;

	for (int i = 0; made && settings->client_ca && i < sk_X509_OBJECT_num(objects); i++) {
		const X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

		made = !ca || (X509_digest(ca, EVP_sha256(), one, &size) == 1 &&
			       EVP_DigestUpdate(md, one, size) == 1);
	}
	made = made && EVP_DigestFinal_ex(md, hash, &size) == 1 &&
	       SSL_CTX_set_session_id_context(server->ctx, hash, size) == 1;
	EVP_MD_CTX_free(md);
	return made;
}

static int tls_server_ask_clients(SSL_CTX *ctx, const struct tls_server_settings *settings,
				  struct tls_fault *fault)
{
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
	int r;

	if (!names)
		return tls_fault_set(fault, TLS_FAULT_CA, "cannot be read: no memory");
	SSL_CTX_set_client_CA_list(ctx, names);
	r = tls_authorities_load(settings->client_ca, SSL_CTX_get_cert_store(ctx), names,
				 TLS_FAULT_CA, fault);
	if (r < 0)
		return r;
	SSL_CTX_set_session_ticket_cb(ctx, NULL, tls_server_on_ticket, NULL);
	SSL_CTX_set_verify(ctx,
			   SSL_VERIFY_PEER |
				   (settings->require_client ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
			   NULL);
	return 0;
}

static void tls_server_set_callbacks(struct tls_server *server, bool no_tickets)
{
	SSL_CTX *ctx = server->ctx;

	SSL_CTX_set_cert_cb(ctx, tls_server_on_cert, server);
	SSL_CTX_set_tlsext_servername_callback(ctx, tls_server_on_name);
	SSL_CTX_set_alpn_select_cb(ctx, tls_server_on_protocols, NULL);
	SSL_CTX_set_tlsext_status_cb(ctx, tls_server_on_status);
	SSL_CTX_set_tlsext_status_arg(ctx, server);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (no_tickets) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ctx, 0);
	} else {
		SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tls_tickets_on_key);
	}
}

static int tls_server_set(struct tls_server *server, const struct tls_server_settings *settings,
			  struct tls_fault *fault)
{
	int r = 0;

	server->ctx = tls_settings_create(TLS_server_method());
	if (!server->ctx)
		return tls_fault_set(fault, TLS_FAULT_OTHER, "OpenSSL makes no context");
	if (settings->no_tls12)
		SSL_CTX_set_min_proto_version(server->ctx, TLS1_3_VERSION);
	if (settings->ciphers && !tls_settings_ciphers(server->ctx, settings->ciphers))
		return tls_fault_set(fault, TLS_FAULT_OTHER,
				     "no such cipher; \"openssl ciphers\" lists them");
	if (settings->client_ca)
		r = tls_server_ask_clients(server->ctx, settings, fault);
	if (r < 0)
		return r;
	tls_server_set_callbacks(server, settings->no_tickets);
	SSL_CTX_set_timeout(server->ctx,
			    settings->client_ca ? CLIENT_SESSION_S : TLS_TICKETS_TURN_S);
	if (!tls_server_set_context(server, settings))
		return tls_fault_set(fault, TLS_FAULT_OTHER, "OpenSSL makes no hash");
	return 0;
}

int tls_server_create(struct tls_server **ret_server, const struct tls_server_settings *settings,
		      struct tls_fault *ret_fault)
{
	struct tls_server *server = mem_zalloc(sizeof(*server));
	int r;

	atomic_init(&server->refs, 1);
	map_init(&server->names);
	ERR_clear_error();
	r = tls_server_set(server, settings, ret_fault);
	if (r < 0) {
		tls_server_unref(server);
		return r;
	}
	*ret_server = server;
	return 0;
}

static struct tls_set *tls_server_set_of(struct tls_server *server, struct str name)
{
	struct tls_set *set = map_find(&server->names, name);

	if (set)
		return set;
	set = mem_zalloc(sizeof(*set));
	set->next = server->sets;
	server->sets = set;
	map_set(&server->names, name, set);
	return set;
}

int tls_server_add(struct tls_server *server, struct tls_cert *cert, struct str *ret_name,
		   struct tls_fault *ret_fault)
{
	bool first = server->n_certs == 0;
	int r = 0;

	server->certs =
		mem_realloc_array(server->certs, server->n_certs + 1, sizeof(struct tls_cert *));
	server->certs[server->n_certs++] = cert;
	if (first &&
	    SSL_CTX_use_cert_and_key(server->ctx, cert->leaf, cert->key, cert->chain, 1) != 1)
		return tls_fault_set(ret_fault, TLS_FAULT_CERT, "cannot be used");
	for (size_t i = 0; i < cert->n_names; i++) {
		struct tls_set *set = tls_server_set_of(server, cert->names[i]);

		if (set->certs[cert->kind] && set->certs[cert->kind] != cert) {
			*ret_name = cert->names[i];
			r = -EEXIST;
			continue;
		}
		set->certs[cert->kind] = cert;
	}
	return r;
}

struct tls_server *tls_server_ref(struct tls_server *server)
{
	atomic_fetch_add(&server->refs, 1);
	return server;
}

void tls_server_unref(struct tls_server *server)
{
	if (!server || atomic_fetch_sub(&server->refs, 1) != 1)
		return;
	SSL_CTX_free(server->ctx);
	for (struct tls_set *set = server->sets; set;) {
		struct tls_set *next = set->next;

		free(set);
		set = next;
	}
	map_fini(&server->names);
	for (size_t i = 0; i < server->n_certs; i++)
		tls_cert_destroy(server->certs[i]);
	free(server->certs);
	free(server);
}

SSL *tls_server_session(struct tls_server *server)
{
	SSL *ssl = SSL_new(server->ctx);

	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}
