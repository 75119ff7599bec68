/* server/auth/jwt.h: signed tokens: JWS in its compact form with claims (RFC 7515, 7519, 8725).
 *
 * 	jwt_read()     the form, the header; nothing is believed yet
 * 	jwt_verify()   the signature, by a key that the set has for it
 * 	jwt_judge()    the claims: times, issuer, audience
 *
 * What is not understood is refused: encrypted tokens, `crit`, two members of one name, base64url
 * that is not the only form of its bytes. Keys that a token brings along (`jwk`, `jku`, `x5c`) are
 * never used. */
#pragma once
#include "server/auth/jwks.h"
#include "server/expr/value.h"

enum {
	JWT_SIZE_MAX = 16 << 10,
	JWT_HEADER_MEMBERS_MAX = 32,
	JWT_CLAIMS_MAX = 256,
	JWT_TRIES_MAX = 4, /* keys that are tried for one token */
};

enum jwt_fault {
	JWT_FINE,
	JWT_MEMORY, /* the arena is full */
	JWT_TOO_LARGE,
	JWT_MALFORMED,   /* not three parts in base64url with JSON in them */
	JWT_CRITICAL,    /* it has `crit` */
	JWT_ALG_UNKNOWN, /* none, or one that leat has not */
	JWT_ALG_REFUSED, /* one that the configuration does not allow */
	JWT_TYPE,        /* `typ` is another one */
	JWT_KEY_UNKNOWN, /* no key of the set is for it */
	JWT_SIGNATURE,   /* it is not what the key signed */
	JWT_CLAIMS,      /* the claims are no object, or one has a wrong type */
	JWT_EXPIRED,
	JWT_EXP_MISSING,
	JWT_NOT_YET,      /* nbf is in the future */
	JWT_ISSUED_LATER, /* iat is in the future */
	JWT_ISSUER,
	JWT_AUDIENCE,
	N_JWT_FAULTS,
};

const char *jwt_fault_text(enum jwt_fault fault); /* for the log */

struct jwt_rules {
	uint32_t algs;    /* alg_bit()s */
	struct str typ;   /* .ptr NULL: any */
	size_t n_issuers; /* 0: any */
	struct str *issuers;
	size_t n_audiences; /* 0: then a token that names an audience is refused (RFC 7519 §4.1.3) */
	struct str *audiences;
	uint64_t leeway_ms;
	bool exp_optional;
};

struct jwt {
	struct str token;
	const struct alg *alg;
	struct str kid;        /* .ptr NULL: none */
	struct str input;      /* what is signed: slices of the token */
	struct str payload;    /* still encoded */
	struct str signature;  /* decoded */
	struct value claims;   /* after jwt_judge(): an object */
	int64_t until_wall_ns; /* then: its exp, with leeway; 0: it has no end */
};

/* The token must live as long as the jwt; the rest is in `arena`. */
enum jwt_fault jwt_read(struct jwt *jwt, struct str token, const struct jwt_rules *rules,
			struct arena *arena);

/* The keys that may have signed it: of its kid, where both have one, and of its algorithm. */
size_t jwt_find_keys(const struct jwt *jwt, const struct jwks *jwks,
		     const struct key *ret_keys[JWT_TRIES_MAX]);

/* JWT_FINE, JWT_KEY_UNKNOWN or JWT_SIGNATURE. */
enum jwt_fault jwt_verify(const struct jwt *jwt, const struct jwks *jwks);

/* Only after its signature was found to be good. */
enum jwt_fault jwt_judge(struct jwt *jwt, const struct jwt_rules *rules, int64_t now_wall_ns,
			 struct arena *arena);
