/* server/auth/jwk.c */
#include "server/auth/jwk.h"
#include "core/base/base64.h"
#include "server/auth/object.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

/* A member in base64url, decoded into the arena; .ptr NULL when it is missing or wrong. */
static struct str jwk_bytes(struct value object, const char *name, struct arena *arena)
{
	struct str digits = object_text(object, str_of(name));
	char *out;

	if (!digits.ptr || digits.len == 0 || digits.len > JWK_NUMBER_MAX)
		return STR_NONE;
	out = arena_alloc(arena, base64_size(digits.len) + 1);
	if (!base64_decode(digits, BASE64_URL, out))
		return STR_NONE;
	return (struct str){ out, base64_size(digits.len) };
}

static EVP_PKEY *public_of(const char *type, OSSL_PARAM_BLD *bld)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY *pkey = NULL;

	if (ctx && params && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params);
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static EVP_PKEY *rsa_of(struct str n, struct str e)
{
	BIGNUM *modulus = BN_bin2bn((const unsigned char *)n.ptr, (int)n.len, NULL);
	BIGNUM *exponent = BN_bin2bn((const unsigned char *)e.ptr, (int)e.len, NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;

	if (modulus && exponent && bld &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
		pkey = public_of("RSA", bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(modulus);
	BN_free(exponent);
	return pkey;
}

/* The exponent is what a verification costs: 65537 has 17 bits, and 64 are the most that anybody
 * uses. */
static const char *jwk_read_rsa(struct value object, struct arena *arena, struct key *key)
{
	struct str n = jwk_bytes(object, "n", arena), e = jwk_bytes(object, "e", arena);
	EVP_PKEY *pkey;

	if (!n.ptr || !e.ptr)
		return "n or e is missing, or no base64url";
	if (e.len > 8)
		return "its exponent is longer than 64 bits";
	pkey = rsa_of(n, e);
	return pkey ? key_set_public(key, pkey) : "n and e make no RSA key";
}

/* The point as it is, uncompressed (SEC 1 §2.3.3). */
static EVP_PKEY *ec_of(const char *group, struct str x, struct str y, struct arena *arena)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	size_t size = 1 + x.len + y.len;
	char *point = arena_alloc(arena, size);
	EVP_PKEY *pkey = NULL;
	bool filled;

	point[0] = POINT_CONVERSION_UNCOMPRESSED;
	memcpy(point + 1, x.ptr, x.len);
	memcpy(point + 1 + x.len, y.ptr, y.len);
	filled = bld &&
		 OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1 &&
		 OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, size) == 1;
	if (filled)
		pkey = public_of("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

static const struct alg *alg_of_curve(struct str curve)
{
	for (size_t i = 0; i < n_algs; i++)
		if (algs[i].kind == KEY_EC && str_eq(str_of(algs[i].curve), curve))
			return &algs[i];
	return NULL;
}

/* RFC 7518 §6.2.1.2: the coordinates have their full length. */
static const char *jwk_read_ec(struct value object, struct arena *arena, struct key *key)
{
	struct str x = jwk_bytes(object, "x", arena), y = jwk_bytes(object, "y", arena);
	const struct alg *alg = alg_of_curve(object_text(object, STR("crv")));
	EVP_PKEY *pkey;

	if (!alg)
		return "its curve is none of P-256, P-384 and P-521";
	if (!x.ptr || !y.ptr || x.len != alg->number_size || y.len != alg->number_size)
		return "x or y is missing, no base64url, or of the wrong length";
	pkey = ec_of(alg->group, x, y, arena);
	return pkey ? key_set_public(key, pkey) : "x and y are no point of its curve";
}

static const char *jwk_read_okp(struct value object, struct arena *arena, struct key *key)
{
	struct str x = jwk_bytes(object, "x", arena);
	EVP_PKEY *pkey;

	if (!str_eq(object_text(object, STR("crv")), STR("Ed25519")))
		return "its curve is not Ed25519";
	if (!x.ptr || x.len != 32)
		return "x is missing, no base64url, or not of 32 bytes";
	pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, (const unsigned char *)x.ptr,
					      x.len);
	return pkey ? key_set_public(key, pkey) : "x is no key of Ed25519";
}

static const char *jwk_read_secret(struct value object, struct arena *arena, struct key *key)
{
	struct str k = jwk_bytes(object, "k", arena);

	if (!k.ptr)
		return "k is missing, or no base64url";
	if (k.len < 32)
		return "a secret of less than 32 bytes is too short";
	key->kind = KEY_SECRET;
	key->secret = k;
	return NULL;
}

/* RFC 7517 §4.2, §4.3: what the key is for, where it says so. */
static bool jwk_verifies(struct value object)
{
	struct value use, operations;

	if (value_member(object, STR("use"), &use) &&
	    (use.kind != VALUE_TEXT || !str_eq(value_str(use), STR("sig"))))
		return false;
	if (!value_member(object, STR("key_ops"), &operations))
		return true;
	if (operations.kind != VALUE_LIST)
		return false;
	for (size_t i = 0; i < operations.len; i++)
		if (operations.items[i].kind == VALUE_TEXT &&
		    str_eq(value_str(operations.items[i]), STR("verify")))
			return true;
	return false;
}

static const char *jwk_read_kind(struct value object, struct arena *arena, struct key *key)
{
	struct str kty = object_text(object, STR("kty"));

	if (str_eq(kty, STR("RSA")))
		return jwk_read_rsa(object, arena, key);
	if (str_eq(kty, STR("EC")))
		return jwk_read_ec(object, arena, key);
	if (str_eq(kty, STR("OKP")))
		return jwk_read_okp(object, arena, key);
	if (str_eq(kty, STR("oct")))
		return jwk_read_secret(object, arena, key);
	return "its kty is none of RSA, EC, OKP and oct";
}

/* `kid` and `alg`, where there are such. */
static const char *jwk_read_common(struct value object, struct arena *arena, struct key *key)
{
	struct value kid, alg;

	if (value_member(object, STR("kid"), &kid)) {
		if (kid.kind != VALUE_TEXT)
			return "its kid is no text";
		key->kid = arena_str(arena, value_str(kid));
	}
	if (value_member(object, STR("alg"), &alg)) {
		key->only = alg.kind == VALUE_TEXT ? alg_find(value_str(alg)) : NULL;
		if (!key->only)
			return "its alg is not known";
	}
	return NULL;
}

const char *jwk_read(struct value object, struct arena *arena, struct key *ret_key)
{
	struct key key = { 0 };
	const char *problem;

	if (!object_is_plain(object, JWK_MEMBERS_MAX))
		return "it is no object, or has two members of one name";
	if (!jwk_verifies(object))
		return "it is not for signatures";
	problem = jwk_read_common(object, arena, &key);
	if (!problem)
		problem = jwk_read_kind(object, arena, &key);
	ERR_clear_error(); /* of what OpenSSL could not make a key of */
	if (!problem && key.only && key.only->kind != key.kind) {
		key_fini(&key);
		problem = "its alg does not go with its kty";
	}
	if (!problem)
		*ret_key = key;
	return problem;
}
