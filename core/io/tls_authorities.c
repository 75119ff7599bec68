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

/* A key that was not read for lack of memory is none, without an error. What OpenSSL keeps of the
 * extensions is made now: later such a lack would make the certificate an invalid one for good. */
static bool authorities_add(X509_STORE *store, STACK_OF(X509_NAME) * names, X509 *cert)
{
	return X509_get0_pubkey(cert) && X509_check_purpose(cert, -1, 0) == 1 &&
	       X509_STORE_add_cert(store, cert) == 1 &&
	       (!names || authorities_add_name(names, cert));
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
