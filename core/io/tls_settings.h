/* core/io/tls_settings.h: what servers and clients have in common. Internal to core/io. */
#pragma once
#include <openssl/ssl.h>
#include <stdbool.h>

/* TLS 1.2 and later, ephemeral keys and authenticated ciphers only, no compression, no
 * renegotiation, no early data. NULL without memory. */
SSL_CTX *tls_settings_create(const SSL_METHOD *method);

/* "TLS_…" are the suites of 1.3, the others those of 1.2; a list that has none of a version leaves
 * ours. False when it is not understood. */
bool tls_settings_ciphers(SSL_CTX *ctx, const char *list);
