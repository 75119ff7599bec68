/* server/auth/jwks.h: a set of keys that tokens are verified with.
 *
 * Made of a JSON Web Key Set (RFC 7517 §5), of public keys in PEM, or of a secret. Immutable and
 * counted: any thread reads it. Making one of public keys takes milliseconds: not on a loop. */
#pragma once
#include "server/auth/key.h"
#include <stdatomic.h>

enum {
	JWKS_KEYS_MAX = 64,
	JWKS_SIZE_MAX = 256 << 10, /* bytes of a file or of an answer */
	JWKS_ID_SIZE = 32,
};

struct jwks {
	atomic_uint refs;
	struct arena arena;
	unsigned char id[JWKS_ID_SIZE]; /* the same for the same keys, in any process */
	size_t n_keys;                  /* at least 1 */
	struct key keys[JWKS_KEYS_MAX];
};

/* What was found while reading. */
struct jwks_report {
	char problem[160]; /* why it was refused, or why the first of those skipped was */
	size_t n_skipped;  /* keys of the set that are of no use here */
};

/* A set, with one reference, or NULL. A key that is not understood or not for verifying is skipped;
 * a set without any other is refused. */
struct jwks *jwks_read(struct str text, struct jwks_report *ret_report);      /* JSON */
struct jwks *jwks_read_pem(struct str text, struct jwks_report *ret_report);  /* one or several */
struct jwks *jwks_read_file(struct str text, struct jwks_report *ret_report); /* either */
struct jwks *jwks_of_secret(struct str secret);

struct jwks *jwks_ref(struct jwks *jwks);
void jwks_unref(struct jwks *jwks); /* NULL is accepted */
