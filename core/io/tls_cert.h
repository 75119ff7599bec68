/* core/io/tls_cert.h: a certificate with its chain, its key, and what is stapled to it. */
#pragma once
#include "core/base/str.h"
#include <openssl/ssl.h>
#include <stdbool.h>

/* The kinds of keys of which a name may have one each. */
enum tls_key_kind {
	TLS_KEY_RSA,
	TLS_KEY_EC,
	TLS_KEY_ED,
	TLS_KEY_KINDS,
};

struct tls_cert {
	X509 *leaf;
	STACK_OF(X509) * chain; /* what is sent behind it; or NULL */
	EVP_PKEY *key;
	enum tls_key_kind kind;
	struct str *names; /* lower case, "*.example.com" among them */
	size_t n_names;
	int64_t begins_s, ends_s; /* of its validity: Unix time */
	unsigned char *ocsp;      /* DER; or NULL */
	size_t ocsp_size;
	int64_t ocsp_ends_s; /* then it is not sent any more; INT64_MAX: it does not say */
};

/* What is wrong with what file, as a part of a sentence: "is encrypted; …". */
struct tls_fault {
	enum { TLS_FAULT_CERT, TLS_FAULT_KEY, TLS_FAULT_OCSP, TLS_FAULT_CA, TLS_FAULT_OTHER } what;
	char text[240];
};

/* Reads PEM files. 0, or a negative errno with *ret_fault. The key never gets into a text. */
int tls_cert_load(struct tls_cert **ret_cert, const char *cert_file, const char *key_file,
		  struct tls_fault *ret_fault);

/* An OCSP response (DER) for it. As tls_cert_load(). */
int tls_cert_load_ocsp(struct tls_cert *cert, const char *file, struct tls_fault *ret_fault);
void tls_cert_destroy(struct tls_cert *cert); /* NULL is accepted */

/* A regular file that can be read; else NULL and *fault: "cannot be read: Permission denied". */
BIO *tls_fault_open(const char *file, struct tls_fault *fault, int what);

/* What OpenSSL says, behind a text; -EINVAL. */
int tls_fault_set(struct tls_fault *fault, int what, const char *otherwise);
