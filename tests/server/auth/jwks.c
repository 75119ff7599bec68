/* tests/server/auth/jwks.c: key sets in JSON and PEM, and which key is taken. */
#include "server/auth/jwks.h"
#include "tests/server/auth/token.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static struct jwks_report report;

/* A set of these keys, as JSON. */
static struct jwks *set_of(const char *keys)
{
	return jwks_read(arena_printf(&token_arena, "{\"keys\":[%s]}", keys), &report);
}

/* Why a set of this one key is refused. */
static struct str refusal(const char *key)
{
	struct jwks *jwks = set_of(key);

	is_null(jwks);
	jwks_unref(jwks);
	return str_of(report.problem);
}

static const struct alg *es256(void)
{
	return alg_find(STR("ES256"));
}

static void keys_of_every_kind_are_read(void)
{
	static const char *const names[] = { "RS256", "ES256", "ES384", "ES512", "EdDSA", "HS512" };
	struct buf keys;
	struct jwks *jwks;

	buf_init_arena(&keys, &token_arena);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct alg *alg = alg_find(str_of(names[i]));
		EVP_PKEY *pkey = make_key(alg);

		if (i)
			buf_add_char(&keys, ',');
		buf_add(&keys,
			jwk_text(pkey, alg,
				 ",\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"],\"kid\":"
				 "\"k\",\"x5t\":\"unknown is ignored\""));
		EVP_PKEY_free(pkey);
	}
	buf_add_char(&keys, '\0');
	jwks = set_of(keys.data);
	check(jwks);
	is_int((int64_t)jwks->n_keys, (int64_t)ARRAY_LEN(names));
	is_int((int64_t)report.n_skipped, 0);
	for (size_t i = 0; i < jwks->n_keys; i++) {
		is_true(key_fits(&jwks->keys[i], alg_find(str_of(names[i]))));
		is_str(jwks->keys[i].kid, STR("k"));
	}
	jwks_unref(jwks);
}

static void keys_that_are_not_for_verifying_are_skipped(void)
{
	EVP_PKEY *pkey = make_key(es256());
	static const char *const bad[] = {
		",\"use\":\"enc\"",        ",\"use\":7",
		",\"key_ops\":[\"sign\"]", ",\"key_ops\":\"verify\"",
		",\"alg\":\"ECDH-ES\"",    ",\"alg\":\"RS256\"",
		",\"alg\":null",           ",\"kid\":7",
		",\"x\":\"AA\"", /* a second one */
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		is_true(refusal(jwk_text(pkey, es256(), bad[i]).ptr).len > 0);
		is_int((int64_t)report.n_skipped, 1);
	}
	EVP_PKEY_free(pkey);
	is_str(refusal("{\"kty\":\"AKP\",\"pub\":\"AA\"}"),
	       STR("key 1: its kty is none of RSA, EC, OKP and oct"));
	is_true(refusal("7").len > 0);
	is_true(refusal("{}").len > 0);
}

static void the_good_keys_of_a_set_with_bad_ones_are_taken(void)
{
	EVP_PKEY *pkey = make_key(es256());
	struct jwks *jwks =
		set_of(arena_printf(&token_arena, "{\"kty\":\"X\"},%s,{\"kty\":\"oct\"}",
				    jwk_text(pkey, es256(), "").ptr)
			       .ptr);

	check(jwks);
	is_int((int64_t)jwks->n_keys, 1);
	is_int((int64_t)report.n_skipped, 2);
	is_str(str_of(report.problem), STR("key 1: its kty is none of RSA, EC, OKP and oct"));
	jwks_unref(jwks);
	EVP_PKEY_free(pkey);
}

static void what_is_no_set_is_refused(void)
{
	static const char *const bad[] = {
		"",
		"7",
		"[]",
		"{}",
		"{\"keys\":{}}",
		"{\"keys\":[]}",
		"{\"keys\":[],\"keys\":[]}",
		"{\"keys\":[}",
		"null",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		is_null(jwks_read(str_of(bad[i]), &report));
		is_true(report.problem[0] != '\0');
	}
}

static struct str rsa_jwk(int bits, unsigned exponent)
{
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *e = BN_new();
	struct str text;

	check(BN_set_word(e, exponent) && EVP_PKEY_keygen_init(ctx) == 1);
	check(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits) == 1);
	check(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) == 1);
	check(EVP_PKEY_generate(ctx, &pkey) == 1);
	text = jwk_text(pkey, alg_find(STR("RS256")), "");
	EVP_PKEY_free(pkey);
	EVP_PKEY_CTX_free(ctx);
	BN_free(e);
	return text;
}

static void rsa_keys_have_2048_bits_or_more(void)
{
	is_str(refusal(rsa_jwk(1024, 65537).ptr),
	       STR("key 1: an RSA key of less than 2048 bits is too short"));
}

static void numbers_that_make_no_key_are_refused(void)
{
	is_true(refusal("{\"kty\":\"RSA\",\"n\":\"AQAB\"}").len > 0);
	is_true(refusal("{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB=\"}").len > 0);
	is_true(refusal("{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":7}").len > 0);
	is_true(refusal("{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}").len > 0);
	is_true(refusal("{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAAAAAAAAAB\"}").len > 0);
	/* an even modulus */
	is_str(refusal(arena_printf(
			       &token_arena, "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"AQAB\"}",
			       STR_ARG(base64url((struct str){
				       memset(arena_alloc(&token_arena, 256), 0xfe, 256), 256 })))
			       .ptr),
	       STR("key 1: it is no valid public key"));
	is_true(refusal("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapi"
			"MlrwIaaPcHURo\"}")
			.len > 0);
	is_true(refusal("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS\"}").len > 0);
	is_true(refusal("{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}").len > 0);
	is_int((int64_t)ERR_peek_error(), 0);
}

static void a_point_that_is_not_on_its_curve_is_refused(void)
{
	is_str(refusal("{\"kty\":\"EC\",\"crv\":\"P-256\","
		       "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		       "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1\"}"),
	       STR("key 1: x or y is missing, no base64url, or of the wrong length"));
	is_str(refusal("{\"kty\":\"EC\",\"crv\":\"P-256\","
		       "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		       "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5aw\"}"),
	       STR("key 1: x and y are no point of its curve"));
	is_str(refusal("{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}"),
	       STR("key 1: its curve is none of P-256, P-384 and P-521"));
}

static void a_set_has_at_most_64_keys(void)
{
	EVP_PKEY *pkey = make_key(es256());
	struct str jwk = jwk_text(pkey, es256(), "");
	struct buf keys;

	buf_init_arena(&keys, &token_arena);
	for (int i = 0; i < JWKS_KEYS_MAX; i++)
		buf_printf(&keys, "%s%.*s", i ? "," : "", STR_ARG(jwk));
	jwks_unref(set_of(arena_str(&token_arena, buf_str(&keys)).ptr));
	is_int((int64_t)report.n_skipped, 0);
	is_text(report.problem, "");
	buf_printf(&keys, ",%.*s", STR_ARG(jwk));
	is_str(refusal(arena_str(&token_arena, buf_str(&keys)).ptr),
	       STR("it has more than 64 keys"));
	EVP_PKEY_free(pkey);
}

/* ------------------------------------------------------------ which key */

static size_t n_fitting(const struct jwks *jwks, const char *header)
{
	const struct key *keys[JWT_TRIES_MAX];
	struct jwt_rules rules = { .algs = UINT32_MAX };
	struct str token =
		arena_printf(&token_arena, "%.*s.e30.AA", STR_ARG(base64url(str_of(header))));
	struct jwt jwt;

	is_int(jwt_read(&jwt, token, &rules, &token_arena), JWT_FINE);
	return jwt_find_keys(&jwt, jwks, keys);
}

static void keys_are_chosen_by_kid_and_algorithm(void)
{
	const struct alg *ed = alg_find(STR("EdDSA"));
	EVP_PKEY *a = make_key(es256()), *b = make_key(ed);
	struct jwks *jwks =
		set_of(arena_printf(&token_arena, "%s,%s,%s,%s",
				    jwk_text(a, es256(), ",\"kid\":\"1\"").ptr,
				    jwk_text(a, es256(), ",\"kid\":\"2\",\"alg\":\"ES256\"").ptr,
				    jwk_text(b, ed, ",\"kid\":\"1\"").ptr,
				    jwk_text(b, ed, ",\"alg\":\"Ed25519\"").ptr)
			       .ptr);

	check(jwks);
	is_int((int64_t)n_fitting(jwks, "{\"alg\":\"ES256\"}"), 2);
	is_int((int64_t)n_fitting(jwks, "{\"alg\":\"ES256\",\"kid\":\"1\"}"), 1);
	is_int((int64_t)n_fitting(jwks, "{\"alg\":\"ES256\",\"kid\":\"3\"}"), 0);
	is_int((int64_t)n_fitting(jwks, "{\"alg\":\"ES384\",\"kid\":\"1\"}"), 0);
	is_int((int64_t)n_fitting(jwks, "{\"alg\":\"EdDSA\",\"kid\":\"1\"}"), 1);
	is_int((int64_t)n_fitting(jwks, "{\"alg\":\"EdDSA\",\"kid\":\"3\"}"), 0);
	is_int((int64_t)n_fitting(jwks, "{\"alg\":\"Ed25519\",\"kid\":\"3\"}"), 1);
	jwks_unref(jwks);
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
}

static void at_most_four_keys_are_tried_for_one_token(void)
{
	EVP_PKEY *pkey = make_key(es256());
	const char *jwk = jwk_text(pkey, es256(), "").ptr;
	struct jwks *jwks = set_of(
		arena_printf(&token_arena, "%s,%s,%s,%s,%s,%s", jwk, jwk, jwk, jwk, jwk, jwk).ptr);

	check(jwks);
	is_int((int64_t)n_fitting(jwks, "{\"alg\":\"ES256\"}"), 4);
	jwks_unref(jwks);
	EVP_PKEY_free(pkey);
}

/* ------------------------------------------------------------ PEM */

static struct str pem_of(EVP_PKEY *pkey, bool private)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct str text;
	char *data;
	long size;

	if (private)
		check(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1);
	else
		check(PEM_write_bio_PUBKEY(bio, pkey) == 1);
	size = BIO_get_mem_data(bio, &data);
	text = arena_str(&token_arena, (struct str){ data, (size_t)size });
	BIO_free(bio);
	return text;
}

static void public_keys_in_pem_are_read(void)
{
	EVP_PKEY *a = make_key(es256()), *b = make_key(alg_find(STR("RS256")));
	struct str text = arena_printf(&token_arena, "# two keys\n%s%s", pem_of(a, false).ptr,
				       pem_of(b, false).ptr);
	struct jwks *jwks = jwks_read_file(text, &report);

	check(jwks);
	is_int((int64_t)jwks->n_keys, 2);
	is_true(key_fits(&jwks->keys[0], es256()));
	is_true(key_fits(&jwks->keys[1], alg_find(STR("PS384"))));
	is_int((int64_t)n_fitting(jwks, "{\"alg\":\"ES256\",\"kid\":\"any\"}"), 1);
	jwks_unref(jwks);
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
}

static void a_certificate_gives_its_key(void)
{
	EVP_PKEY *pkey = make_key(es256());
	X509 *certificate = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	struct jwks *jwks;
	char *data;
	long size;

	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 60);
	X509_set_pubkey(certificate, pkey);
	check(X509_sign(certificate, pkey, EVP_sha256()) > 0);
	check(PEM_write_bio_X509(bio, certificate) == 1);
	size = BIO_get_mem_data(bio, &data);
	jwks = jwks_read_file((struct str){ data, (size_t)size }, &report);
	check(jwks);
	is_true(key_fits(&jwks->keys[0], es256()));
	jwks_unref(jwks);
	BIO_free(bio);
	X509_free(certificate);
	EVP_PKEY_free(pkey);
}

static void a_private_key_in_pem_is_refused(void)
{
	EVP_PKEY *pkey = make_key(es256());

	is_null(jwks_read_file(pem_of(pkey, true), &report));
	is_true(str_find(str_of(report.problem), STR("private key")) >= 0);
	is_null(jwks_read_file(STR("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
			       &report));
	is_null(jwks_read_file(STR("-----BEGIN "), &report));
	is_int((int64_t)ERR_peek_error(), 0);
	EVP_PKEY_free(pkey);
}

static void a_set_is_known_by_what_it_was_made_of(void)
{
	EVP_PKEY *a = make_key(es256()), *b = make_key(es256());
	struct jwks *one = set_of(jwk_text(a, es256(), "").ptr);
	struct jwks *same = set_of(jwk_text(a, es256(), "").ptr);
	struct jwks *other = set_of(jwk_text(b, es256(), "").ptr);

	check(one && same && other);
	is_int(memcmp(one->id, same->id, JWKS_ID_SIZE), 0);
	is_true(memcmp(one->id, other->id, JWKS_ID_SIZE) != 0);
	jwks_unref(jwks_ref(one));
	jwks_unref(one);
	jwks_unref(same);
	jwks_unref(other);
	jwks_unref(NULL);
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
}

int main(void)
{
	arena_init_required(&token_arena);
	TEST(keys_of_every_kind_are_read);
	TEST(keys_that_are_not_for_verifying_are_skipped);
	TEST(the_good_keys_of_a_set_with_bad_ones_are_taken);
	TEST(what_is_no_set_is_refused);
	TEST(rsa_keys_have_2048_bits_or_more);
	TEST(numbers_that_make_no_key_are_refused);
	TEST(a_point_that_is_not_on_its_curve_is_refused);
	TEST(a_set_has_at_most_64_keys);
	TEST(keys_are_chosen_by_kid_and_algorithm);
	TEST(at_most_four_keys_are_tried_for_one_token);
	TEST(public_keys_in_pem_are_read);
	TEST(a_certificate_gives_its_key);
	TEST(a_private_key_in_pem_is_refused);
	TEST(a_set_is_known_by_what_it_was_made_of);
	arena_fini(&token_arena);
	return tap_done();
}
