/* tests/fuzz/jwt.c: a token from anybody. Whatever it is, it is refused, or was signed by the secret
 * (which only the corpus was); and what is accepted is accepted in one form only.
 *
 * The rest of the input that follows a NUL is taken for the payload of a token that is well signed,
 * so that claims of all kinds are judged. */
#include "server/auth/jwt.h"
#include <openssl/err.h>
#include <openssl/hmac.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str secret = STR_INIT("0123456789abcdef0123456789abcdef");

static struct jwt_rules rules_of(struct str *issuer, struct str *audience)
{
	return (struct jwt_rules){
		.algs = UINT32_MAX,
		.n_issuers = 1,
		.issuers = issuer,
		.n_audiences = 1,
		.audiences = audience,
		.leeway_ms = 5000,
	};
}

static bool accepts(struct str token, const struct jwks *jwks, struct jwt *jwt, struct arena *arena)
{
	struct str issuer = STR("i"), audience = STR("a");
	struct jwt_rules rules = rules_of(&issuer, &audience);
	enum jwt_fault fault = jwt_read(jwt, token, &rules, arena);

	if (fault == JWT_FINE)
		fault = jwt_verify(jwt, jwks);
	if (fault == JWT_FINE)
		fault = jwt_judge(jwt, &rules, INT64_C(1700000000000000000), arena);
	check(fault < N_JWT_FAULTS && jwt_fault_text(fault));
	check(ERR_peek_error() == 0);
	return fault == JWT_FINE;
}

/* The secret's own signature of what was accepted is the one that it has. */
static void check_signed(const struct jwt *jwt)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned size;

	check(jwt->alg->kind == KEY_SECRET && jwt->claims.kind == VALUE_OBJECT);
	check(HMAC(jwt->alg->digest(), secret.ptr, (int)secret.len,
		   (const unsigned char *)jwt->input.ptr, jwt->input.len, mac, &size));
	check(jwt->signature.len == size && memcmp(mac, jwt->signature.ptr, size) == 0);
}

/* One byte changed: no longer accepted. */
static void check_only_form(struct str token, const struct jwks *jwks, struct arena *arena)
{
	struct jwt jwt;

	for (size_t i = 0; i < token.len; i += 1 + token.len / 16) {
		struct str copy = arena_str(arena, token);

		check(copy.ptr);
		((char *)(uintptr_t)copy.ptr)[i] ^= 1;
		check(!accepts(copy, jwks, &jwt, arena));
	}
	check(!accepts(str_first(token, token.len - 1), jwks, &jwt, arena));
}

static void judge_claims(struct str payload, struct arena *arena)
{
	struct str issuer = STR("i"), audience = STR("a");
	struct jwt_rules rules = rules_of(&issuer, &audience);
	struct jwt jwt = { .payload = payload };

	jwt_judge(&jwt, &rules, INT64_C(1700000000000000000), arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	ptrdiff_t nul = str_find_char(text, '\0');
	struct jwks *jwks = jwks_of_secret(secret);
	struct arena arena, small;
	struct jwt jwt;

	arena_init(&arena, 8 << 20);
	arena_init(&small, size);
	if (nul >= 0) {
		judge_claims(str_skip(text, (size_t)nul + 1), &arena);
	} else if (accepts(text, jwks, &jwt, &arena)) {
		check_signed(&jwt);
		check_only_form(text, jwks, &arena);
	}
	accepts(text, jwks, &jwt, &small);
	arena_fini(&small);
	arena_fini(&arena);
	jwks_unref(jwks);
	return 0;
}
