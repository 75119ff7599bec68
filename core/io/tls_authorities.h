/* core/io/tls_authorities.h: whose certificates are believed. Internal to core/io.
 *
 * Read one by one: OpenSSL's own loaders may leave out what they had no memory for, and say that all
 * went well. */
#pragma once
#include "core/io/tls_cert.h"
#include <openssl/ssl.h>

/* All certificates of a PEM file are added to the store, and their names, each once, to `names` (or
 * NULL). 0, or -EINVAL with *ret_fault, of the kind `what`. */
int tls_authorities_load(const char *file, X509_STORE *store, STACK_OF(X509_NAME) * names, int what,
			 struct tls_fault *ret_fault);
