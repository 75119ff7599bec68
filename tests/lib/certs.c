/* tests/lib/certs.c */
#include "tests/lib/certs.h"
#include "core/base/check.h"
#include <dirent.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

static void certs_remove(void)
{
	DIR *files = opendir(folder);
	struct dirent *file;

	while (files && (file = readdir(files)))
		unlinkat(dirfd(files), file->d_name, 0);
	if (files)
		closedir(files);
	rmdir(folder);
}

const char *certs_folder(void)
{
	if (folder[0])
		return folder;
	snprintf(folder, sizeof(folder), "/tmp/leat-certs-XXXXXX");
	check(mkdtemp(folder) != NULL);
	atexit(certs_remove);
	return folder;
}

const char *cert_path(const char *file, const char *suffix)
{
	static char paths[8][200];
	static unsigned at;
	char *path = paths[at++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s.%s", certs_folder(), file, suffix);
	return path;
}

void cert_write(const char *file, const char *suffix, const void *bytes, unsigned long size)
{
	FILE *stream = fopen(cert_path(file, suffix), "we");

	check(stream && fwrite(bytes, 1, size, stream) == size);
	fclose(stream);
}

static X509 *cert_read(const char *file)
{
	FILE *stream = fopen(cert_path(file, "pem"), "re");
	X509 *cert = stream ? PEM_read_X509(stream, NULL, NULL, NULL) : NULL;

	check(cert);
	fclose(stream);
	return cert;
}

static EVP_PKEY *cert_read_key(const char *file)
{
	FILE *stream = fopen(cert_path(file, "key"), "re");
	EVP_PKEY *key = stream ? PEM_read_PrivateKey(stream, NULL, NULL, NULL) : NULL;

	check(key);
	fclose(stream);
	return key;
}

static void cert_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	check(extension && X509_add_ext(cert, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static void cert_save(const struct cert_wish *wish, X509 *cert, EVP_PKEY *key)
{
	FILE *stream = fopen(cert_path(wish->file, "pem"), "we");

	check(stream && PEM_write_X509(stream, cert) == 1);
	if (wish->with_chain) {
		X509 *next = cert_read(wish->with_chain);

		check(PEM_write_X509(stream, next) == 1);
		X509_free(next);
	}
	fclose(stream);
	stream = fopen(cert_path(wish->file, "key"), "we");
	check(stream && PEM_write_PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(stream);
}

void cert_make(const struct cert_wish *wish)
{
	static long serial = 0x1000;
	EVP_PKEY *key = wish->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	EVP_PKEY *signer = wish->issuer ? cert_read_key(wish->issuer) : NULL;
	X509 *cert = X509_new(), *issuer = wish->issuer ? cert_read(wish->issuer) : NULL;
	bool dated = wish->from_days || wish->to_days;
	X509_NAME *name;

	check(key && cert);
	name = X509_get_subject_name(cert);
	check(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
					 (const unsigned char *)wish->subject, -1, -1, 0) == 1);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : name);
	X509_gmtime_adj(X509_getm_notBefore(cert), (dated ? wish->from_days : -1) * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(cert), (dated ? wish->to_days : 30) * 86400L);
	X509_set_pubkey(cert, key);
	cert_extend(cert, issuer ? issuer : cert, NID_basic_constraints,
		    wish->issuer ? "CA:FALSE" : "critical,CA:TRUE");
	if (wish->names)
		cert_extend(cert, cert, NID_subject_alt_name, wish->names);
	check(X509_sign(cert, signer ? signer : key, EVP_sha256()) > 0);
	cert_save(wish, cert, key);
	X509_free(cert);
	X509_free(issuer);
	EVP_PKEY_free(key);
	EVP_PKEY_free(signer);
}
