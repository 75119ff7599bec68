/* server/auth/key.h: one key that signatures are verified with, and verifying by it.
 *
 * Immutable once made; any thread verifies. */
#pragma once
#include "core/base/arena.h"
#include "server/auth/alg.h"

enum {
	KEY_RSA_BITS_MIN = 2048,
	KEY_RSA_BITS_MAX = 8192, /* a larger one takes longer than a loop may */
};

struct key {
	enum key_kind kind;
	struct str kid;         /* .ptr NULL: it has none */
	const struct alg *only; /* the one algorithm that it is for; or NULL */
	const char *curve;      /* of KEY_EC */
	struct str secret;      /* of KEY_SECRET */
	EVP_PKEY *pkey;         /* of the others; the key's own */
};

/* Takes `pkey` (freed when it is refused): its kind is found, and its strength is looked at.
 * NULL, or why it is of no use (static). */
const char *key_set_public(struct key *key, EVP_PKEY *pkey);
void key_fini(struct key *key);

/* It is of the algorithm's kind, curve and size. */
bool key_fits(const struct key *key, const struct alg *alg);

/* The signature (as JWS has it: r and s of ECDSA side by side) is of these bytes. The key must fit. */
bool key_verify(const struct key *key, const struct alg *alg, struct str bytes,
		struct str signature);
