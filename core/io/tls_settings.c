/* core/io/tls_settings.c: the defaults are Mozilla's "intermediate" of 2023, without finite-field
 * Diffie-Hellman. AES with 128 bits comes first: it is the cheaper one, and nobody breaks it; a
 * client without AES in hardware puts ChaCha20 first, and gets it. */
#include "core/io/tls_settings.h"
#include "core/base/memory.h"
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define CIPHERS_12                                                                                 \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                               \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                               \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"

static bool tls_settings_apply(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	/* idle connections hold no buffers; a write is never partial, but may move */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY); /* tls_read() counts what is not data */
	SSL_CTX_set_max_early_data(ctx, 0);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, CIPHERS_12) == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, CIPHERS_13) == 1 &&
	       SSL_CTX_set1_groups_list(ctx, GROUPS) == 1;
}

SSL_CTX *tls_settings_create(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx && tls_settings_apply(ctx))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* Appends "name:" to one of two lists. */
static void tls_settings_sort(char *lists[2], const char *name, size_t len)
{
	char **list = &lists[len > 4 && memcmp(name, "TLS_", 4) == 0];
	char *longer = mem_printf("%s%s%.*s", *list ? *list : "", *list ? ":" : "", (int)len, name);

	free(*list);
	*list = longer;
}

bool tls_settings_ciphers(SSL_CTX *ctx, const char *list)
{
	char *lists[2] = { NULL, NULL };
	bool understood;

	while (*list) {
		size_t len = strcspn(list, ": ,");

		if (len > 0)
			tls_settings_sort(lists, list, len);
		list += len + (list[len] != '\0');
	}
	understood = (lists[0] || lists[1]) &&
		     (!lists[0] || SSL_CTX_set_cipher_list(ctx, lists[0]) == 1) &&
		     (!lists[1] || SSL_CTX_set_ciphersuites(ctx, lists[1]) == 1);
	free(lists[0]);
	free(lists[1]);
	ERR_clear_error();
	return understood;
}
