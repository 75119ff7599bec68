/* core/io/tls_cert.c */
#include "core/io/tls_cert.h"
#include "core/base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { OCSP_MAX = 64 << 10 };

/* ------------------------------------------------------------ what is wrong */

__attribute__((format(printf, 3, 4))) static int tls_fault_say(struct tls_fault *fault, int what,
							       const char *format, ...)
{
	va_list args;

	fault->what = what;
	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	ERR_clear_error();
	return -EINVAL;
}

int tls_fault_set(struct tls_fault *fault, int what, const char *otherwise)
{
	unsigned long error = ERR_peek_last_error();
	const char *reason = error ? ERR_reason_error_string(error) : NULL;

	if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE)
		return tls_fault_say(fault, what, "%s", otherwise);
	return tls_fault_say(fault, what, "%s%s%s", otherwise, reason ? ": " : "",
			     reason ? reason : "");
}

BIO *tls_fault_open(const char *file, struct tls_fault *fault, int what)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait */
	int error = fd < 0 ? errno : 0;
	struct stat stat;
	FILE *stream;
	BIO *bio;

	if (!error && (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode)))
		error = S_ISDIR(stat.st_mode) ? EISDIR : EINVAL;
	stream = error ? NULL : fdopen(fd, "r");
	bio = stream ? BIO_new_fp(stream, BIO_CLOSE) : NULL;
	if (bio)
		return bio;
	if (stream)
		fclose(stream);
	else if (fd >= 0)
		close(fd);
	tls_fault_say(fault, what, "cannot be read: %s", strerror(error ? error : ENOMEM));
	return NULL;
}

/* ------------------------------------------------------------ the certificate */

static void tls_cert_add_name(struct tls_cert *cert, const char *text, size_t len)
{
	char *name;

	if (len == 0 || len > 255 || memchr(text, '\0', len))
		return;
	name = mem_strndup(text, len);
	for (size_t i = 0; i < len; i++)
		name[i] = char_lower(name[i]);
	cert->names = mem_realloc_array(cert->names, cert->n_names + 1, sizeof(cert->names[0]));
	cert->names[cert->n_names++] = (struct str){ name, len };
}

static void tls_cert_common_name(struct tls_cert *cert)
{
	const X509_NAME *subject = X509_get_subject_name(cert->leaf);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	const X509_NAME_ENTRY *entry = at >= 0 ? X509_NAME_get_entry(subject, at) : NULL;
	unsigned char *text = NULL;
	int len = entry ? ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry)) : -1;

	if (len > 0)
		tls_cert_add_name(cert, (const char *)text, (size_t)len);
	OPENSSL_free(text);
}

/* Its DNS names; where it has no alternative names at all, its common name. */
static void tls_cert_find_names(struct tls_cert *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert->leaf, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			tls_cert_add_name(cert,
					  (const char *)ASN1_STRING_get0_data(name->d.dNSName),
					  (size_t)ASN1_STRING_length(name->d.dNSName));
	}
	if (!names)
		tls_cert_common_name(cert);
	GENERAL_NAMES_free(names);
}

static int64_t tls_cert_time(const ASN1_TIME *time, int64_t otherwise)
{
	struct tm tm;

	return time && ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : otherwise;
}

static int tls_cert_read_chain(struct tls_cert *cert, BIO *bio, struct tls_fault *fault)
{
	X509 *next;
	unsigned long error;

	cert->chain = sk_X509_new_null();
	while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (cert->chain && sk_X509_push(cert->chain, next) > 0)
			continue;
		X509_free(next);
		return tls_fault_say(fault, TLS_FAULT_CERT, "cannot be read: out of memory");
	}
	error = ERR_peek_last_error();
	if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
		return tls_fault_set(fault, TLS_FAULT_CERT, "has a chain that cannot be read");
	ERR_clear_error();
	return 0;
}

static int tls_cert_read(struct tls_cert *cert, const char *file, struct tls_fault *fault)
{
	BIO *bio = tls_fault_open(file, fault, TLS_FAULT_CERT);
	int r;

	if (!bio)
		return -EINVAL;
	cert->leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	r = cert->leaf ? tls_cert_read_chain(cert, bio, fault)
		       : tls_fault_set(fault, TLS_FAULT_CERT,
				       "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)");
	BIO_free(bio);
	return r;
}

/* ------------------------------------------------------------ the key */

/* Nobody is there to be asked. */
static int tls_cert_on_password(char *to, int size, int writing, void *asked)
{
	(void)writing;
	if (size > 0)
		to[0] = '\0';
	*(bool *)asked = true;
	return -1;
}

static int tls_cert_read_key(struct tls_cert *cert, const char *file, struct tls_fault *fault)
{
	BIO *bio = tls_fault_open(file, fault, TLS_FAULT_KEY);
	bool encrypted = false;

	if (!bio)
		return -EINVAL;
	cert->key = PEM_read_bio_PrivateKey(bio, NULL, tls_cert_on_password, &encrypted);
	BIO_free(bio);
	if (encrypted)
		return tls_fault_say(fault, TLS_FAULT_KEY,
				     "is encrypted; store it without a password, readable by the "
				     "server alone (openssl pkey -in KEY -out NEW)");
	if (!cert->key)
		return tls_fault_say(fault, TLS_FAULT_KEY, "holds no private key in PEM");
	return 0;
}

static int tls_cert_check_key(struct tls_cert *cert, struct tls_fault *fault)
{
	switch (EVP_PKEY_get_base_id(cert->key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		cert->kind = TLS_KEY_RSA;
		break;
	case EVP_PKEY_EC:
		cert->kind = TLS_KEY_EC;
		break;
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		cert->kind = TLS_KEY_ED;
		break;
	default:
		return tls_fault_say(fault, TLS_FAULT_KEY,
				     "is of a kind that TLS does not use; make an RSA or EC key");
	}
	if (X509_check_private_key(cert->leaf, cert->key) == 1)
		return 0;
	return tls_fault_say(fault, TLS_FAULT_KEY,
			     "is not the key of that certificate; the first certificate of the "
			     "file must be the server's own");
}

/* ------------------------------------------------------------ */

int tls_cert_load(struct tls_cert **ret_cert, const char *cert_file, const char *key_file,
		  struct tls_fault *ret_fault)
{
	struct tls_cert *cert = mem_zalloc(sizeof(*cert));
	int r = tls_cert_read(cert, cert_file, ret_fault);

	if (r == 0)
		r = tls_cert_read_key(cert, key_file, ret_fault);
	if (r == 0)
		r = tls_cert_check_key(cert, ret_fault);
	if (r < 0) {
		tls_cert_destroy(cert);
		return r;
	}
	tls_cert_find_names(cert);
	cert->begins_s = tls_cert_time(X509_get0_notBefore(cert->leaf), INT64_MIN);
	cert->ends_s = tls_cert_time(X509_get0_notAfter(cert->leaf), INT64_MAX);
	*ret_cert = cert;
	return 0;
}

void tls_cert_destroy(struct tls_cert *cert)
{
	if (!cert)
		return;
	for (size_t i = 0; i < cert->n_names; i++)
		free((char *)(uintptr_t)cert->names[i].ptr);
	free(cert->names);
	X509_free(cert->leaf);
	sk_X509_pop_free(cert->chain, X509_free);
	EVP_PKEY_free(cert->key);
	free(cert->ocsp);
	free(cert);
}

/* ------------------------------------------------------------ OCSP */

static int tls_cert_read_file(const char *file, unsigned char **ret_bytes, size_t *ret_size,
			      struct tls_fault *fault)
{
	BIO *bio = tls_fault_open(file, fault, TLS_FAULT_OCSP);
	unsigned char *bytes;
	int n;

	if (!bio)
		return -EINVAL;
	bytes = mem_alloc(OCSP_MAX);
	n = BIO_read(bio, bytes, OCSP_MAX);
	BIO_free(bio);
	if (n <= 0 || n == OCSP_MAX) {
		free(bytes);
		return tls_fault_say(fault, TLS_FAULT_OCSP, n <= 0 ? "is empty" : "is too long");
	}
	*ret_bytes = bytes;
	*ret_size = (size_t)n;
	return 0;
}

/* The answer in `basic` that is about the certificate. A hash of the issuer is in it, too, but
 * the issuer may not be at hand; the serial number is. */
static OCSP_SINGLERESP *tls_cert_find_single(const struct tls_cert *cert, OCSP_BASICRESP *basic)
{
	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
		ASN1_INTEGER *serial = NULL;

		OCSP_id_get0_info(NULL, NULL, NULL, &serial,
				  (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single));
		if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(cert->leaf)) == 0)
			return single;
	}
	return NULL;
}

static int tls_cert_check_ocsp(struct tls_cert *cert, OCSP_BASICRESP *basic,
			       struct tls_fault *fault)
{
	OCSP_SINGLERESP *single = basic ? tls_cert_find_single(cert, basic) : NULL;
	ASN1_GENERALIZEDTIME *next = NULL;
	int status;

	if (!single)
		return tls_fault_say(fault, TLS_FAULT_OCSP, "is not about that certificate");
	status = OCSP_single_get0_status(single, NULL, NULL, NULL, &next);
	if (status != V_OCSP_CERTSTATUS_GOOD)
		return tls_fault_say(fault, TLS_FAULT_OCSP,
				     "says that the certificate is %s; get a new one",
				     OCSP_cert_status_str(status));
	cert->ocsp_ends_s = tls_cert_time(next, INT64_MAX);
	return 0;
}

int tls_cert_load_ocsp(struct tls_cert *cert, const char *file, struct tls_fault *ret_fault)
{
	unsigned char *bytes = NULL;
	const unsigned char *at;
	size_t size = 0;
	OCSP_RESPONSE *response;
	OCSP_BASICRESP *basic;
	int r = tls_cert_read_file(file, &bytes, &size, ret_fault);

	if (r < 0)
		return r;
	at = bytes;
	response = d2i_OCSP_RESPONSE(NULL, &at, (long)size);
	if (!response || OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
		r = tls_fault_say(ret_fault, TLS_FAULT_OCSP,
				  "is not a successful OCSP response in DER "
				  "(openssl ocsp -respout FILE)");
	} else {
		basic = OCSP_response_get1_basic(response);
		r = tls_cert_check_ocsp(cert, basic, ret_fault);
		OCSP_BASICRESP_free(basic);
	}
	OCSP_RESPONSE_free(response);
	if (r < 0) {
		free(bytes);
		return r;
	}
	free(cert->ocsp);
	cert->ocsp = bytes;
	cert->ocsp_size = size;
	return 0;
}
