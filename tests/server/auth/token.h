/* tests/server/auth/token.h: keys that are made on the spot, their JWK, and tokens signed by them. */
#pragma once
#include "core/base/arena.h"
#include "core/base/buf.h"
#include "server/auth/jwt.h"
#include "tests/lib/tap.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

static struct arena token_arena; /* arena_init_required() by main() */

static inline struct str base64url(struct str bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct buf out;
	uint32_t bits = 0;
	unsigned n_bits = 0;

	buf_init_arena(&out, &token_arena);
	for (size_t i = 0; i < bytes.len; i++) {
		bits = bits << 8 | (unsigned char)bytes.ptr[i];
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			buf_add_char(&out, digits[bits >> (n_bits - 6) & 63]);
	}
	if (n_bits)
		buf_add_char(&out, digits[bits << (6 - n_bits) & 63]);
	return out.len ? buf_str(&out) : STR("");
}

static inline struct str number_param(EVP_PKEY *pkey, const char *param, int size)
{
	char *bytes = arena_alloc(&token_arena, 2048);
	BIGNUM *number = NULL;

	check(EVP_PKEY_get_bn_param(pkey, param, &number) == 1);
	if (size == 0)
		size = BN_num_bytes(number);
	check(BN_bn2binpad(number, (unsigned char *)bytes, size) == size);
	BN_free(number);
	return base64url((struct str){ bytes, (size_t)size });
}

static inline EVP_PKEY *make_key(const struct alg *alg)
{
	switch (alg->kind) {
	case KEY_RSA:
		return EVP_RSA_gen(2048);
	case KEY_EC:
		return EVP_EC_gen(alg->group);
	case KEY_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	case KEY_SECRET:
		return NULL;
	}
	return NULL;
}

static const struct str test_secret =
	STR_INIT("an HS512 secret has 64 bytes or more, as RFC 7518 section 3.2 asks for..");

/* The members of its JWK but for the braces; `more` is put behind. */
static inline struct str jwk_text(EVP_PKEY *pkey, const struct alg *alg, const char *more)
{
	size_t size = 32;
	char raw[32];

	switch (alg->kind) {
	case KEY_SECRET:
		return arena_printf(&token_arena, "{\"kty\":\"oct\",\"k\":\"%.*s\"%s}",
				    STR_ARG(base64url(test_secret)), more);
	case KEY_RSA:
		return arena_printf(&token_arena,
				    "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"%.*s\"%s}",
				    STR_ARG(number_param(pkey, OSSL_PKEY_PARAM_RSA_N, 0)),
				    STR_ARG(number_param(pkey, OSSL_PKEY_PARAM_RSA_E, 0)), more);
	case KEY_EC:
		return arena_printf(
			&token_arena,
			"{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%.*s\",\"y\":\"%.*s\"%s}",
			alg->curve,
			STR_ARG(number_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X,
					     (int)alg->number_size)),
			STR_ARG(number_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y,
					     (int)alg->number_size)),
			more);
	case KEY_ED25519:
		check(EVP_PKEY_get_raw_public_key(pkey, (unsigned char *)raw, &size) == 1);
		return arena_printf(&token_arena,
				    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%.*s\"%s}",
				    STR_ARG(base64url((struct str){ raw, size })), more);
	}
	unreachable();
}

static inline struct jwks *one_key_set(struct str jwk)
{
	struct jwks_report report;
	struct str text = arena_printf(&token_arena, "{\"keys\":[%.*s]}", STR_ARG(jwk));

	return jwks_read(text, &report);
}

static inline struct str sign_secret(const struct alg *alg, struct str input, struct str secret)
{
	unsigned char *mac = arena_alloc(&token_arena, EVP_MAX_MD_SIZE);
	unsigned size;

	check(HMAC(alg->digest(), secret.ptr, (int)secret.len, (const unsigned char *)input.ptr,
		   input.len, mac, &size));
	return (struct str){ (const char *)mac, size };
}

static inline struct str der_to_pair(const unsigned char *der, size_t size, size_t number_size)
{
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)size);
	unsigned char *out = arena_alloc(&token_arena, 2 * number_size);

	check(BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, (int)number_size) > 0);
	check(BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + number_size, (int)number_size) > 0);
	ECDSA_SIG_free(pair);
	return (struct str){ (const char *)out, 2 * number_size };
}

/* As JWS has it. */
static inline struct str sign(EVP_PKEY *pkey, const struct alg *alg, struct str input)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters;
	size_t size = 2048;
	unsigned char *out = arena_alloc(&token_arena, size);

	if (alg->kind == KEY_SECRET) {
		EVP_MD_CTX_free(ctx);
		return sign_secret(alg, input, test_secret);
	}
	check(EVP_DigestSignInit(ctx, &parameters, alg->digest ? alg->digest() : NULL, NULL,
				 pkey) == 1);
	if (alg->pss) {
		check(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1);
		check(EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1);
	}
	check(EVP_DigestSign(ctx, out, &size, (const unsigned char *)input.ptr, input.len) == 1);
	EVP_MD_CTX_free(ctx);
	if (alg->kind == KEY_EC)
		return der_to_pair(out, size, alg->number_size);
	return (struct str){ (const char *)out, size };
}

/* A token of any header and payload. */
static inline struct str make_token(EVP_PKEY *pkey, const struct alg *alg, const char *header,
				    const char *payload)
{
	struct str input = arena_printf(&token_arena, "%.*s.%.*s",
					STR_ARG(base64url(str_of(header))),
					STR_ARG(base64url(str_of(payload))));
	struct str signature = base64url(sign(pkey, alg, input));

	return arena_printf(&token_arena, "%.*s.%.*s", STR_ARG(input), STR_ARG(signature));
}
