/* tests/server/auth/jwt.c: tokens, right ones and wrong ones. */
#include "tests/server/auth/token.h"
#include <openssl/err.h>

static const int64_t second = 1000000000;
static const int64_t now = INT64_C(1700000000) * 1000000000;
static struct arena arena;

static struct jwt_rules any_rules(void)
{
	return (struct jwt_rules){ .algs = UINT32_MAX, .exp_optional = true };
}

static enum jwt_fault try_at(struct str token, const struct jwks *jwks,
			     const struct jwt_rules *rules, int64_t at, struct jwt *jwt)
{
	enum jwt_fault fault = jwt_read(jwt, token, rules, &arena);

	if (fault == JWT_FINE)
		fault = jwt_verify(jwt, jwks);
	if (fault == JWT_FINE)
		fault = jwt_judge(jwt, rules, at, &arena);
	return fault;
}

static enum jwt_fault try_token(struct str token, const struct jwks *jwks,
				const struct jwt_rules *rules)
{
	struct jwt jwt;

	return try_at(token, jwks, rules, now, &jwt);
}

static enum jwt_fault try_any(struct str token, const struct jwks *jwks)
{
	struct jwt_rules rules = any_rules();

	return try_token(token, jwks, &rules);
}

/* With a secret, by HS256: for what is not about keys. */
static enum jwt_fault try_claims(const char *payload, const struct jwt_rules *rules)
{
	struct jwks *jwks = jwks_of_secret(test_secret);
	struct str token = make_token(NULL, alg_find(STR("HS256")), "{\"alg\":\"HS256\"}", payload);
	enum jwt_fault fault = try_token(token, jwks, rules);

	jwks_unref(jwks);
	return fault;
}

static enum jwt_fault try_header(const char *header)
{
	struct jwks *jwks = jwks_of_secret(test_secret);
	struct str token = make_token(NULL, alg_find(STR("HS256")), header, "{}");
	enum jwt_fault fault = try_any(token, jwks);

	jwks_unref(jwks);
	return fault;
}

/* ------------------------------------------------------------ vectors of the RFCs */

/* The keys of RFC 7515 A.1, A.2, A.3 and RFC 8037 A. */
#define KEY_A1                                                                                     \
	"{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0" \
	"iPS4hcgUuTwjAzZr1Z9CAow\"}"
#define KEY_A2                                                                                     \
	"{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"                              \
	"wWJcyQoTbji9k0l8W26mPddxHmfHQp"                                                           \
	"-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGz" \
	"jb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uD" \
	"Zlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9g" \
	"b54h4FRWyuXpoQ\",\"e\":\"AQAB\"}"
#define KEY_A3                                                                                     \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define KEY_8037                                                                                   \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"                              \
	"7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"

#define PAYLOAD_A                                                                                  \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
	"cnVlfQ"
#define TOKEN_A1                                                                                   \
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." PAYLOAD_A                                      \
	".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define TOKEN_A2                                                                                   \
	"eyJhbGciOiJSUzI1NiJ9." PAYLOAD_A                                                          \
	".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8" \
	"W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvk" \
	"SjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCn" \
	"vWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define TOKEN_A3                                                                                   \
	"eyJhbGciOiJFUzI1NiJ9." PAYLOAD_A                                                          \
	".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define TOKEN_8037                                                                                 \
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"                                 \
	".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

/* So much of the RFC's examples as is a token: their times have passed. */
static void the_examples_of_the_rfcs_verify(void)
{
	static const char *const pairs[][2] = { { KEY_A1, TOKEN_A1 },
						{ KEY_A2, TOKEN_A2 },
						{ KEY_A3, TOKEN_A3 } };
	const int64_t then = INT64_C(1300819379) * 1000000000;
	struct jwt_rules rules = any_rules();
	struct value root;
	struct jwt jwt;

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct jwks *jwks = one_key_set(str_of(pairs[i][0]));

		check(jwks);
		is_int(try_at(str_of(pairs[i][1]), jwks, &rules, then, &jwt), JWT_FINE);
		is_true(value_member(jwt.claims, STR("http://example.com/is_root"), &root) &&
			root.kind == VALUE_BOOL && root.boolean);
		is_int(try_at(str_of(pairs[i][1]), jwks, &rules, then + second, &jwt), JWT_EXPIRED);
		jwks_unref(jwks);
	}
}

static void the_example_of_ed25519_verifies_and_is_no_token(void)
{
	struct jwks *jwks = one_key_set(STR(KEY_8037));
	struct jwt_rules rules = any_rules();
	struct jwt jwt;

	check(jwks);
	is_int(jwt_read(&jwt, STR(TOKEN_8037), &rules, &arena), JWT_FINE);
	is_int(jwt_verify(&jwt, jwks), JWT_FINE);
	is_int(jwt_judge(&jwt, &rules, now, &arena), JWT_CLAIMS);
	jwks_unref(jwks);
}

/* ------------------------------------------------------------ keys and signatures */

static struct str header_of(const struct alg *alg)
{
	return arena_printf(&token_arena, "{\"alg\":\"%.*s\"}", STR_ARG(alg->name));
}

/* With another byte at `at` of the signature. */
static struct str with_other_byte(struct str token, size_t from_end)
{
	char *copy = arena_strdup(&token_arena, token.ptr);
	char *at = copy + token.len - from_end;

	*at = *at == 'A' ? 'B' : 'A';
	return (struct str){ copy, token.len };
}

/* By its last three bytes, and as base64url all the same. */
static struct str with_shorter_signature(struct str token)
{
	size_t n_digits = 0;

	while (token.ptr[token.len - 1 - n_digits] != '.')
		n_digits++;
	return str_first(token, token.len - n_digits + (n_digits / 4 - 1) * 4);
}

static void every_algorithm_verifies_its_own_and_no_other_signature(void)
{
	for (size_t i = 0; i < n_algs; i++) {
		EVP_PKEY *pkey = make_key(&algs[i]);
		struct jwks *jwks = one_key_set(jwk_text(pkey, &algs[i], ""));
		struct str token = make_token(pkey, &algs[i], header_of(&algs[i]).ptr, "{}");

		check(jwks);
		is_int(try_any(token, jwks), JWT_FINE);
		is_int(try_any(with_other_byte(token, 8), jwks), JWT_SIGNATURE);
		is_int(try_any(with_other_byte(token, 30), jwks), JWT_SIGNATURE);
		is_int(try_any(with_shorter_signature(token), jwks), JWT_SIGNATURE);
		jwks_unref(jwks);
		EVP_PKEY_free(pkey);
	}
	is_int((int64_t)ERR_peek_error(), 0);
}

static void a_signature_of_one_algorithm_is_none_of_another(void)
{
	const struct alg *rs = alg_find(STR("RS256")), *ps = alg_find(STR("PS256"));
	EVP_PKEY *pkey = make_key(rs);
	struct jwks *jwks = one_key_set(jwk_text(pkey, rs, ""));

	is_int(try_any(make_token(pkey, ps, "{\"alg\":\"RS256\"}", "{}"), jwks), JWT_SIGNATURE);
	is_int(try_any(make_token(pkey, rs, "{\"alg\":\"PS256\"}", "{}"), jwks), JWT_SIGNATURE);
	is_int(try_any(make_token(pkey, rs, "{\"alg\":\"RS512\"}", "{}"), jwks), JWT_SIGNATURE);
	is_int(try_any(make_token(pkey, rs, "{\"alg\":\"ES256\"}", "{}"), jwks), JWT_KEY_UNKNOWN);
	jwks_unref(jwks);
	EVP_PKEY_free(pkey);
}

/* The attack: the public key, in any form, as the secret of HS256. */
static void a_public_key_is_never_a_secret(void)
{
	const struct alg *rs = alg_find(STR("RS256"));
	EVP_PKEY *pkey = make_key(rs);
	struct str jwk = jwk_text(pkey, rs, "");
	struct jwks *jwks = one_key_set(jwk);
	struct str input = arena_printf(&token_arena, "%.*s.%.*s",
					STR_ARG(base64url(STR("{\"alg\":\"HS256\"}"))),
					STR_ARG(base64url(STR("{}"))));
	struct str mac = base64url(sign_secret(alg_find(STR("HS256")), input, jwk));
	struct str token = arena_printf(&token_arena, "%.*s.%.*s", STR_ARG(input), STR_ARG(mac));

	is_int(try_any(token, jwks), JWT_KEY_UNKNOWN);
	jwks_unref(jwks);
	EVP_PKEY_free(pkey);
}

static void none_is_no_algorithm(void)
{
	struct jwks *jwks = jwks_of_secret(test_secret);
	struct str payload = base64url(STR("{}"));
	static const char *const names[] = { "none", "None", "NONE", "", "hs256" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct str header =
			arena_printf(&token_arena, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", names[i]);
		struct str token = arena_printf(&token_arena, "%.*s.%.*s.",
						STR_ARG(base64url(header)), STR_ARG(payload));

		is_int(try_any(token, jwks), JWT_ALG_UNKNOWN);
	}
	jwks_unref(jwks);
}

static void an_algorithm_that_is_not_listed_is_refused(void)
{
	struct jwt_rules rules = { .algs = alg_bit(alg_find(STR("RS256"))), .exp_optional = true };

	is_int(try_claims("{}", &rules), JWT_ALG_REFUSED);
	rules.algs = alg_bit(alg_find(STR("HS256")));
	is_int(try_claims("{}", &rules), JWT_FINE);
}

static void a_key_of_another_curve_does_not_fit(void)
{
	EVP_PKEY *pkey = EVP_EC_gen("secp384r1");
	struct jwks *jwks = one_key_set(jwk_text(pkey, alg_find(STR("ES384")), ""));

	is_int(try_any(make_token(pkey, alg_find(STR("ES384")), "{\"alg\":\"ES256\"}", "{}"), jwks),
	       JWT_KEY_UNKNOWN);
	jwks_unref(jwks);
	EVP_PKEY_free(pkey);
}

/* RFC 7518 §3.2: HS512 asks for 64 bytes. */
static void a_secret_that_is_too_short_for_its_hash_does_not_fit(void)
{
	struct str secret = str_first(test_secret, 40);
	struct jwks *jwks = jwks_of_secret(secret);
	struct jwt_rules rules = any_rules();
	struct jwt jwt;

	is_int(jwt_read(&jwt, make_token(NULL, alg_find(STR("HS512")), "{\"alg\":\"HS512\"}", "{}"),
			&rules, &arena),
	       JWT_FINE);
	is_int(jwt_verify(&jwt, jwks), JWT_KEY_UNKNOWN);
	jwks_unref(jwks);
	jwks = jwks_of_secret(str_first(test_secret, 32));
	is_true(key_fits(&jwks->keys[0], alg_find(STR("HS256"))));
	is_false(key_fits(&jwks->keys[0], alg_find(STR("HS384"))));
	jwks_unref(jwks);
}

/* r and s are of full length, each; DER is not what JWS has. */
static void ecdsa_has_r_and_s_of_full_length(void)
{
	const struct alg *alg = alg_find(STR("ES256"));
	EVP_PKEY *pkey = make_key(alg);
	struct jwks *jwks = one_key_set(jwk_text(pkey, alg, ""));
	struct str input = arena_printf(&token_arena, "%.*s.%.*s",
					STR_ARG(base64url(STR("{\"alg\":\"ES256\"}"))),
					STR_ARG(base64url(STR("{}"))));
	struct str pair = sign(pkey, alg, input);
	struct str longer = arena_printf(&token_arena, "%.*s%c", STR_ARG(pair), 0);
	char zeros[64] = { 0 };

	is_true(key_verify(&jwks->keys[0], alg, input, pair));
	is_false(key_verify(&jwks->keys[0], alg, input, (struct str){ longer.ptr, 65 }));
	is_false(key_verify(&jwks->keys[0], alg, input, str_first(pair, 63)));
	is_false(key_verify(&jwks->keys[0], alg, input, str_first(pair, 0)));
	is_false(key_verify(&jwks->keys[0], alg, input, (struct str){ zeros, sizeof(zeros) }));
	jwks_unref(jwks);
	EVP_PKEY_free(pkey);
}

/* ------------------------------------------------------------ the form */

static void a_token_has_three_parts_in_strict_base64url(void)
{
	struct jwks *jwks = jwks_of_secret(test_secret);
	struct str good = make_token(NULL, alg_find(STR("HS256")), "{\"alg\":\"HS256\"}", "{}");
	static const char *const bad[] = { "", ".", "..", "...", "a.b", "a.b.c.d", "eyJ9", " " };

	is_int(try_any(good, jwks), JWT_FINE);
	is_int(try_any(STR_NONE, jwks), JWT_MALFORMED);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(try_any(str_of(bad[i]), jwks), JWT_MALFORMED);
	is_int(try_any(arena_printf(&token_arena, "%.*s.", STR_ARG(good)), jwks), JWT_MALFORMED);
	is_int(try_any(arena_printf(&token_arena, ".%.*s", STR_ARG(good)), jwks), JWT_MALFORMED);
	is_int(try_any(arena_printf(&token_arena, "%.*s=", STR_ARG(good)), jwks), JWT_MALFORMED);
	is_int(try_any(arena_printf(&token_arena, "%.*s\n", STR_ARG(good)), jwks), JWT_MALFORMED);
	is_int(try_any(arena_printf(&token_arena, " %.*s", STR_ARG(good)), jwks), JWT_MALFORMED);
	jwks_unref(jwks);
}

/* The last digit of 32 bytes has two bits that belong to none: three other digits would give the
 * same bytes. */
static void a_signature_has_one_form_only(void)
{
	struct jwks *jwks = jwks_of_secret(test_secret);
	struct str good = make_token(NULL, alg_find(STR("HS256")), "{\"alg\":\"HS256\"}", "{}");
	char *copy = arena_strdup(&token_arena, good.ptr);

	copy[good.len - 1]++; /* each of the allowed ones (A E I … 8) has a digit behind it */
	is_int(try_any((struct str){ copy, good.len }, jwks), JWT_MALFORMED);
	copy[good.len - 1]--;
	is_int(try_any((struct str){ copy, good.len }, jwks), JWT_FINE);
	jwks_unref(jwks);
}

static void headers_are_strict(void)
{
	is_int(try_header("{\"alg\":\"HS256\"}"), JWT_FINE);
	is_int(try_header("{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"a\"}"), JWT_FINE);
	is_int(try_header("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}"), JWT_CRITICAL);
	is_int(try_header("{\"alg\":\"HS256\",\"crit\":[]}"), JWT_CRITICAL);
	is_int(try_header("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}"), JWT_CRITICAL);
	is_int(try_header("{\"alg\":\"HS256\",\"alg\":\"HS256\"}"), JWT_MALFORMED);
	is_int(try_header("{\"alg\":\"HS256\",\"\\u0061lg\":\"HS256\"}"), JWT_MALFORMED);
	is_int(try_header("{\"alg\":\"HS256\",\"kid\":\"a\",\"kid\":\"b\"}"), JWT_MALFORMED);
	is_int(try_header("{\"alg\":\"HS256\",\"kid\":7}"), JWT_MALFORMED);
	is_int(try_header("{\"alg\":\"HS256\"} x"), JWT_MALFORMED);
	is_int(try_header("[\"HS256\"]"), JWT_MALFORMED);
	is_int(try_header("{}"), JWT_ALG_UNKNOWN);
	is_int(try_header("{\"alg\":[\"HS256\"]}"), JWT_ALG_UNKNOWN);
	is_int(try_header("{\"alg\":\"RS256\"}"), JWT_KEY_UNKNOWN);
}

static void typ_is_compared_where_it_is_asked_for(void)
{
	struct jwks *jwks = jwks_of_secret(test_secret);
	struct jwt_rules rules = any_rules();
	static const char *const right[] = { "at+jwt", "AT+JWT", "application/at+jwt" };

	rules.typ = STR("at+jwt");
	for (size_t i = 0; i < ARRAY_LEN(right); i++) {
		struct str header =
			arena_printf(&token_arena, "{\"alg\":\"HS256\",\"typ\":\"%s\"}", right[i]);

		is_int(try_token(make_token(NULL, alg_find(STR("HS256")), header.ptr, "{}"), jwks,
				 &rules),
		       JWT_FINE);
	}
	is_int(try_claims("{}", &rules), JWT_TYPE);
	is_int(try_token(make_token(NULL, alg_find(STR("HS256")),
				    "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", "{}"),
			 jwks, &rules),
	       JWT_TYPE);
	jwks_unref(jwks);
}

static void huge_tokens_and_headers_are_refused(void)
{
	struct jwks *jwks = jwks_of_secret(test_secret);
	struct buf header;
	char *huge = arena_alloc(&token_arena, JWT_SIZE_MAX + 2);

	memset(huge, 'A', JWT_SIZE_MAX + 1);
	huge[JWT_SIZE_MAX + 1] = '\0';
	is_int(try_any(str_of(huge), jwks), JWT_TOO_LARGE);
	huge[10] = huge[20] = '.';
	is_int(try_any((struct str){ huge, JWT_SIZE_MAX }, jwks), JWT_MALFORMED);
	buf_init_arena(&header, &token_arena);
	buf_printf(&header, "{\"alg\":\"HS256\"");
	for (int i = 0; i < JWT_HEADER_MEMBERS_MAX; i++)
		buf_printf(&header, ",\"%d\":%d", i, i);
	buf_printf(&header, "}%c", 0);
	is_int(try_header(header.data), JWT_MALFORMED);
	jwks_unref(jwks);
}

/* ------------------------------------------------------------ the claims */

static void times_are_judged_with_leeway(void)
{
	struct jwt_rules rules = any_rules();

	is_int(try_claims("{\"exp\":1700000001}", &rules), JWT_FINE);
	is_int(try_claims("{\"exp\":1700000000}", &rules), JWT_EXPIRED);
	is_int(try_claims("{\"exp\":1700000000.5}", &rules), JWT_FINE);
	is_int(try_claims("{\"exp\":1.7e9}", &rules), JWT_EXPIRED);
	is_int(try_claims("{\"exp\":-1}", &rules), JWT_EXPIRED);
	is_int(try_claims("{\"nbf\":1700000000}", &rules), JWT_FINE);
	is_int(try_claims("{\"nbf\":1700000001}", &rules), JWT_NOT_YET);
	is_int(try_claims("{\"iat\":1700000000}", &rules), JWT_FINE);
	is_int(try_claims("{\"iat\":1700000001}", &rules), JWT_ISSUED_LATER);
	rules.leeway_ms = 30000;
	is_int(try_claims("{\"exp\":1699999971}", &rules), JWT_FINE);
	is_int(try_claims("{\"exp\":1699999970}", &rules), JWT_EXPIRED);
	is_int(try_claims("{\"nbf\":1700000030}", &rules), JWT_FINE);
	is_int(try_claims("{\"nbf\":1700000031}", &rules), JWT_NOT_YET);
	is_int(try_claims("{\"iat\":1700000031}", &rules), JWT_ISSUED_LATER);
}

static void a_time_that_is_no_number_is_refused(void)
{
	struct jwt_rules rules = any_rules();

	is_int(try_claims("{\"exp\":\"1700000001\"}", &rules), JWT_CLAIMS);
	is_int(try_claims("{\"exp\":null}", &rules), JWT_CLAIMS);
	is_int(try_claims("{\"exp\":true}", &rules), JWT_CLAIMS);
	is_int(try_claims("{\"nbf\":[0]}", &rules), JWT_CLAIMS);
	is_int(try_claims("{\"iat\":{}}", &rules), JWT_CLAIMS);
	is_int(try_claims("{\"exp\":1e400}", &rules), JWT_CLAIMS);
	is_int(try_claims("{\"exp\":99999999999999999999}", &rules), JWT_CLAIMS);
}

static void a_token_without_exp_is_refused_unless_that_is_allowed(void)
{
	struct jwt_rules rules = any_rules();

	is_int(try_claims("{}", &rules), JWT_FINE);
	rules.exp_optional = false;
	is_int(try_claims("{}", &rules), JWT_EXP_MISSING);
	is_int(try_claims("{\"exp\":1700000001}", &rules), JWT_FINE);
}

static void claims_have_each_name_once(void)
{
	struct jwt_rules rules = any_rules();

	is_int(try_claims("{\"exp\":1,\"exp\":1800000000}", &rules), JWT_CLAIMS);
	is_int(try_claims("{\"sub\":\"a\",\"sub\":\"b\"}", &rules), JWT_CLAIMS);
	is_int(try_claims("{\"sub\":\"a\",\"\\u0073ub\":\"b\"}", &rules), JWT_CLAIMS);
	is_int(try_claims("[]", &rules), JWT_CLAIMS);
	is_int(try_claims("", &rules), JWT_CLAIMS);
	is_int(try_claims("{\"a\":1}{}", &rules), JWT_CLAIMS);
	is_int(try_claims("{\"a\":\"\xff\"}", &rules), JWT_CLAIMS);
}

static void the_issuer_is_one_of_those_exactly(void)
{
	struct str issuers[] = { STR("https://a.example"), STR("https://b.example") };
	struct jwt_rules rules = any_rules();

	is_int(try_claims("{\"iss\":\"anybody\"}", &rules), JWT_FINE);
	rules.issuers = issuers;
	rules.n_issuers = 2;
	is_int(try_claims("{\"iss\":\"https://b.example\"}", &rules), JWT_FINE);
	is_int(try_claims("{\"iss\":\"https://b.example/\"}", &rules), JWT_ISSUER);
	is_int(try_claims("{\"iss\":\"HTTPS://b.example\"}", &rules), JWT_ISSUER);
	is_int(try_claims("{\"iss\":[\"https://b.example\"]}", &rules), JWT_ISSUER);
	is_int(try_claims("{}", &rules), JWT_ISSUER);
}

static void the_audience_is_a_text_or_a_list_with_ours(void)
{
	struct str audiences[] = { STR("api"), STR("web") };
	struct jwt_rules rules = any_rules();

	is_int(try_claims("{}", &rules), JWT_FINE);
	is_int(try_claims("{\"aud\":\"api\"}", &rules), JWT_AUDIENCE);
	is_int(try_claims("{\"aud\":[]}", &rules), JWT_AUDIENCE);
	rules.audiences = audiences;
	rules.n_audiences = 2;
	is_int(try_claims("{\"aud\":\"api\"}", &rules), JWT_FINE);
	is_int(try_claims("{\"aud\":[\"x\",\"web\"]}", &rules), JWT_FINE);
	is_int(try_claims("{\"aud\":[\"x\",7]}", &rules), JWT_AUDIENCE);
	is_int(try_claims("{\"aud\":[[\"web\"]]}", &rules), JWT_AUDIENCE);
	is_int(try_claims("{\"aud\":\"apis\"}", &rules), JWT_AUDIENCE);
	is_int(try_claims("{\"aud\":{\"api\":1}}", &rules), JWT_AUDIENCE);
	is_int(try_claims("{}", &rules), JWT_AUDIENCE);
}

static void without_memory_it_says_so(void)
{
	struct jwks *jwks = jwks_of_secret(test_secret);
	struct str token = make_token(NULL, alg_find(STR("HS256")), "{\"alg\":\"HS256\"}", "{}");
	struct jwt_rules rules = any_rules();
	struct arena none;
	struct jwt jwt;

	arena_init(&none, 0);
	is_int(jwt_read(&jwt, token, &rules, &none), JWT_MEMORY);
	is_int(jwt_read(&jwt, token, &rules, &arena), JWT_FINE);
	is_int(jwt_judge(&jwt, &rules, now, &none), JWT_MEMORY);
	jwks_unref(jwks);
	arena_fini(&none);
}

static void every_fault_has_a_text(void)
{
	for (int fault = 0; fault < N_JWT_FAULTS; fault++)
		is_true(jwt_fault_text((enum jwt_fault)fault) != NULL);
}

int main(void)
{
	arena_init_required(&token_arena);
	arena_init(&arena, 64 << 20);
	TEST(the_examples_of_the_rfcs_verify);
	TEST(the_example_of_ed25519_verifies_and_is_no_token);
	TEST(every_algorithm_verifies_its_own_and_no_other_signature);
	TEST(a_signature_of_one_algorithm_is_none_of_another);
	TEST(a_public_key_is_never_a_secret);
	TEST(none_is_no_algorithm);
	TEST(an_algorithm_that_is_not_listed_is_refused);
	TEST(a_key_of_another_curve_does_not_fit);
	TEST(a_secret_that_is_too_short_for_its_hash_does_not_fit);
	TEST(ecdsa_has_r_and_s_of_full_length);
	TEST(a_token_has_three_parts_in_strict_base64url);
	TEST(a_signature_has_one_form_only);
	TEST(headers_are_strict);
	TEST(typ_is_compared_where_it_is_asked_for);
	TEST(huge_tokens_and_headers_are_refused);
	TEST(times_are_judged_with_leeway);
	TEST(a_time_that_is_no_number_is_refused);
	TEST(a_token_without_exp_is_refused_unless_that_is_allowed);
	TEST(claims_have_each_name_once);
	TEST(the_issuer_is_one_of_those_exactly);
	TEST(the_audience_is_a_text_or_a_list_with_ours);
	TEST(without_memory_it_says_so);
	TEST(every_fault_has_a_text);
	arena_fini(&arena);
	arena_fini(&token_arena);
	return tap_done();
}
