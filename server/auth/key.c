/* server/auth/key.c */
#include "server/auth/key.h"
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

static const unsigned char *bytes_of(struct str text)
{
	return (const unsigned char *)text.ptr;
}

/* ------------------------------------------------------------ what a key is */

static const char *key_set_rsa(struct key *key)
{
	int bits = EVP_PKEY_get_bits(key->pkey);

	if (bits < KEY_RSA_BITS_MIN)
		return "an RSA key of less than 2048 bits is too short";
	if (bits > KEY_RSA_BITS_MAX)
		return "an RSA key of more than 8192 bits is too long";
	key->kind = KEY_RSA;
	return NULL;
}

static const char *key_set_ec(struct key *key)
{
	char group[32];
	size_t len;

	if (EVP_PKEY_get_group_name(key->pkey, group, sizeof(group), &len) != 1)
		return "its curve is none of P-256, P-384 and P-521";
	for (size_t i = 0; i < n_algs; i++) {
		if (algs[i].kind != KEY_EC || strcmp(algs[i].group, group) != 0)
			continue;
		key->kind = KEY_EC;
		key->curve = algs[i].curve;
		return NULL;
	}
	return "its curve is none of P-256, P-384 and P-521";
}

/* That a point is on its curve, and a modulus no even number. */
static bool key_is_sound(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool sound = ctx && EVP_PKEY_public_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	if (!sound)
		ERR_clear_error();
	return sound;
}

static const char *key_judge(struct key *key)
{
	const char *problem = NULL;

	if (EVP_PKEY_is_a(key->pkey, "RSA"))
		problem = key_set_rsa(key);
	else if (EVP_PKEY_is_a(key->pkey, "EC"))
		problem = key_set_ec(key);
	else if (EVP_PKEY_is_a(key->pkey, "ED25519"))
		key->kind = KEY_ED25519;
	else
		problem = "it is neither RSA nor EC nor Ed25519";
	if (!problem && !key_is_sound(key->pkey))
		problem = "it is no valid public key";
	return problem;
}

const char *key_set_public(struct key *key, EVP_PKEY *pkey)
{
	const char *problem;

	key->pkey = pkey;
	problem = key_judge(key);
	if (problem)
		key_fini(key);
	return problem;
}

void key_fini(struct key *key)
{
	EVP_PKEY_free(key->pkey);
	key->pkey = NULL;
	if (key->secret.len)
		OPENSSL_cleanse((char *)(uintptr_t)key->secret.ptr, key->secret.len);
	key->secret = STR_NONE;
}

bool key_fits(const struct key *key, const struct alg *alg)
{
	if (key->kind != alg->kind || (key->only && key->only != alg))
		return false;
	switch (alg->kind) {
	case KEY_SECRET: /* RFC 7518 §3.2: not shorter than what the hash gives */
		return key->secret.len >= alg->digest_size;
	case KEY_EC:
		return strcmp(key->curve, alg->curve) == 0;
	case KEY_RSA:
	case KEY_ED25519:
		return true;
	}
	unreachable();
}

/* ------------------------------------------------------------ verifying */

static bool key_verify_secret(const struct key *key, const struct alg *alg, struct str bytes,
			      struct str signature)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (!HMAC(alg->digest(), key->secret.ptr, (int)key->secret.len, bytes_of(bytes), bytes.len,
		  mac, &size))
		return false;
	return signature.len == size && CRYPTO_memcmp(mac, signature.ptr, size) == 0;
}

/* JWS has r and s, each with all its leading zeros; OpenSSL wants them as DER. Returns its length,
 * 0 when that is not possible. */
static size_t signature_to_der(struct str signature, size_t number_size, unsigned char **ret_der)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r, *s;
	int size = 0;

	if (!pair || signature.len != 2 * number_size) {
		ECDSA_SIG_free(pair);
		return 0;
	}
	r = BN_bin2bn(bytes_of(signature), (int)number_size, NULL);
	s = BN_bin2bn(bytes_of(signature) + number_size, (int)number_size, NULL);
	*ret_der = NULL;
	if (r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
		size = i2d_ECDSA_SIG(pair, ret_der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(pair);
	return size > 0 ? (size_t)size : 0;
}

static bool key_set_padding(EVP_PKEY_CTX *ctx, const struct alg *alg)
{
	if (alg->kind != KEY_RSA)
		return true;
	if (!alg->pss)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, alg->digest()) == 1;
}

static bool key_verify_by(const struct key *key, const struct alg *alg, struct str bytes,
			  const unsigned char *signature, size_t size)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters; /* ctx's own */
	bool good = ctx &&
		    EVP_DigestVerifyInit(ctx, &parameters, alg->digest ? alg->digest() : NULL, NULL,
					 key->pkey) == 1 &&
		    key_set_padding(parameters, alg) &&
		    EVP_DigestVerify(ctx, signature, size, bytes_of(bytes), bytes.len) == 1;

	EVP_MD_CTX_free(ctx);
	if (!good)
		ERR_clear_error(); /* nobody else is to find it there, TLS least of all */
	return good;
}

static bool key_verify_ec(const struct key *key, const struct alg *alg, struct str bytes,
			  struct str signature)
{
	unsigned char *der = NULL;
	size_t size = signature_to_der(signature, alg->number_size, &der);
	bool good = size && key_verify_by(key, alg, bytes, der, size);

	OPENSSL_free(der);
	return good;
}

bool key_verify(const struct key *key, const struct alg *alg, struct str bytes,
		struct str signature)
{
	check(key_fits(key, alg));
	switch (alg->kind) {
	case KEY_SECRET:
		return key_verify_secret(key, alg, bytes, signature);
	case KEY_EC:
		return key_verify_ec(key, alg, bytes, signature);
	case KEY_RSA:
	case KEY_ED25519:
		return key_verify_by(key, alg, bytes, bytes_of(signature), signature.len);
	}
	unreachable();
}
