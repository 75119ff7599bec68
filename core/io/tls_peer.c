/* core/io/tls_peer.c: the texts of the peer's certificate. */
#include "core/io/tls_session.h"
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

static struct str tls_peer_copy(struct arena *arena, BIO *bio)
{
	char *bytes = NULL;
	long len = BIO_get_mem_data(bio, &bytes);

	return arena_str(arena, (struct str){ bytes, len > 0 ? (size_t)len : 0 });
}

/* RFC 2253 escapes what would be read as another part; UTF-8 is left as it is. */
static struct str tls_peer_name(struct arena *arena, const X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct str text = STR_NONE;

	if (bio && X509_NAME_print_ex(bio, name, 0,
				      XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0)
		text = tls_peer_copy(arena, bio);
	BIO_free(bio);
	return text;
}

static struct str tls_peer_serial(struct arena *arena, const X509 *cert)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *text = number ? BN_bn2hex(number) : NULL;
	struct str serial = text ? arena_str(arena, str_of(text)) : STR_NONE;

	OPENSSL_free(text);
	BN_free(number);
	return serial;
}

static struct str tls_peer_fingerprint(struct arena *arena, const X509 *cert)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	char *text;

	if (X509_digest(cert, EVP_sha256(), hash, &size) != 1)
		return STR_NONE;
	text = arena_alloc(arena, (size_t)2 * size);
	if (!text)
		return STR_NONE;
	for (unsigned i = 0; i < size; i++) {
		text[2 * i] = digits[hash[i] >> 4];
		text[2 * i + 1] = digits[hash[i] & 15];
	}
	return (struct str){ text, (size_t)2 * size };
}

int tls_peer(const struct tls *tls, struct arena *arena, struct tls_peer *ret_peer)
{
	const X509 *cert = SSL_get0_peer_certificate(tls->ssl);
	struct tls_peer peer;

	if (!cert || SSL_get_verify_result(tls->ssl) != X509_V_OK)
		return 0;
	peer.subject = tls_peer_name(arena, X509_get_subject_name(cert));
	peer.issuer = tls_peer_name(arena, X509_get_issuer_name(cert));
	peer.serial = tls_peer_serial(arena, cert);
	peer.fingerprint = tls_peer_fingerprint(arena, cert);
	if (!peer.subject.ptr || !peer.issuer.ptr || !peer.serial.ptr || !peer.fingerprint.ptr)
		return -ENOMEM;
	*ret_peer = peer;
	return 1;
}
