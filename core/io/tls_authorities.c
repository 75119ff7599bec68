/* core/io/tls_authorities.c */
#include "core/io/tls_authorities.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* False without memory. */
static bool authorities_add_name(STACK_OF(X509_NAME) * names, const X509 *cert)
{
	const X509_NAME *name = X509_get_subject_name(cert);
	X509_NAME *copy;

	for (int i = 0; i < sk_X509_NAME_num(names); i++)
		if (X509_NAME_cmp(sk_X509_NAME_value(names, i), name) == 0)
			return true;
	copy = X509_NAME_dup(name);
	if (copy && sk_X509_NAME_push(names, copy) > 0)
		return true;
	X509_NAME_free(copy);
	return false;
}

/* Whether its own key verifies it, where that has signed it. */
static bool authorities_verifies_itself(X509 *cert, EVP_PKEY *key)
{
	switch (X509_check_issued(cert, cert)) {
	case X509_V_OK:
		return (X509_get_extension_flags(cert) & EXFLAG_SS) && X509_verify(cert, key) == 1;
	case X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH: /* of the same name, and yet of another kind */
	case X509_V_ERR_UNSPECIFIED:
		return false;
	default: /* another has signed it */
		return true;
	}
}

/* A key that was not read, or not all of it, for lack of memory says so nowhere else: it has no
 * strength, or does not verify what it has signed. What OpenSSL keeps of the extensions is made now:
 * later such a lack would make the certificate invalid for good. */
static bool authorities_is_whole(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);

	return key && EVP_PKEY_get_security_bits(key) > 0 && X509_check_purpose(cert, -1, 0) == 1 &&
	       authorities_verifies_itself(cert, key);
}

/* The store finds it by its name: one whose comparable form was lost is found by nobody. */
static bool authorities_is_found(X509_STORE *store, X509 *cert)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool found = ctx && X509_STORE_CTX_init(ctx, store, cert, NULL) == 1;

	if (found) {
		X509_STORE_CTX_set_flags(ctx,
					 X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
		found = X509_verify_cert(ctx) == 1;
	}
	X509_STORE_CTX_free(ctx);
	return found;
}

static bool authorities_add(X509_STORE *store, STACK_OF(X509_NAME) * names, X509 *cert)
{
	return authorities_is_whole(cert) && X509_STORE_add_cert(store, cert) == 1 &&
	       authorities_is_found(store, cert) && (!names || authorities_add_name(names, cert));
}

/* The file has no more: that is how reading it ends. */
static bool authorities_at_end(void)
{
	unsigned long error = ERR_peek_last_error();

	return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

int tls_authorities_load(const char *file, X509_STORE *store, STACK_OF(X509_NAME) * names, int what,
			 struct tls_fault *ret_fault)
{
	BIO *bio = tls_fault_open(file, ret_fault, what);
	bool good = true;
	size_t n = 0;
	X509 *cert;

	if (!bio)
		return -EINVAL;
	ERR_clear_error();
	while (good && (cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL))) {
		good = authorities_add(store, names, cert);
		X509_free(cert);
		n++;
	}
	BIO_free(bio);
	if (good && n > 0 && authorities_at_end()) {
		ERR_clear_error();
		return 0;
	}
	return tls_fault_set(ret_fault, what,
			     n > 0 ? "holds a certificate that cannot be read"
				   : "holds no certificate that can be read");
}
