/* server/auth/alg.h: the algorithms of signatures (RFC 7518 §3, RFC 8037 §3.1, RFC 9864 §2.2).
 *
 * "none" is not among them. An algorithm goes with one kind of key only, so that a public key is
 * never taken for a secret (RFC 8725 §3.1). */
#pragma once
#include "core/base/str.h"
#include <openssl/types.h>

enum key_kind {
	KEY_SECRET,  /* HS*: bytes that both sides know */
	KEY_RSA,     /* RS*, PS* */
	KEY_EC,      /* ES*: on the curve that the algorithm names */
	KEY_ED25519, /* EdDSA */
};

struct alg {
	struct str name;
	enum key_kind kind;
	const EVP_MD *(*digest)(void); /* NULL: the algorithm's own */
	size_t digest_size;
	bool pss;
	const char *curve;  /* of KEY_EC, as JWK names it */
	const char *group;  /* the same, as OpenSSL names it */
	size_t number_size; /* of KEY_EC: bytes of a coordinate, and of r and s */
	bool slow;          /* takes about a millisecond: not on a loop */
};

/* Sets of algorithms are masks of 1 << the number in this table. */
extern const struct alg algs[];
extern const size_t n_algs;

const struct alg *alg_find(struct str name); /* NULL; names differ by case */

static inline uint32_t alg_bit(const struct alg *alg)
{
	return UINT32_C(1) << (alg - algs);
}

/* All algorithms of secrets, and all of public keys. */
uint32_t algs_of_secrets(void);
uint32_t algs_of_public_keys(void);
