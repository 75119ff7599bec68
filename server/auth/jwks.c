/* server/auth/jwks.c */
#include "server/auth/jwks.h"
#include "core/base/memory.h"
#include "server/auth/jwk.h"
#include "server/auth/object.h"
#include "server/expr/json.h"
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

static struct jwks *jwks_create(struct str text)
{
	struct jwks *jwks = mem_zalloc(sizeof(*jwks));

	atomic_init(&jwks->refs, 1);
	arena_init_required(&jwks->arena);
	check(EVP_Digest(text.ptr, text.len, jwks->id, NULL, EVP_sha256(), NULL) == 1);
	return jwks;
}

struct jwks *jwks_ref(struct jwks *jwks)
{
	atomic_fetch_add_explicit(&jwks->refs, 1, memory_order_relaxed);
	return jwks;
}

void jwks_unref(struct jwks *jwks)
{
	if (!jwks || atomic_fetch_sub_explicit(&jwks->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < jwks->n_keys; i++)
		key_fini(&jwks->keys[i]);
	arena_fini(&jwks->arena);
	free(jwks);
}

/* ------------------------------------------------------------ what is wrong */

static void report_skip(struct jwks_report *report, size_t number, const char *problem)
{
	if (report->n_skipped++ == 0)
		snprintf(report->problem, sizeof(report->problem), "key %zu: %s", number, problem);
}

/* The set, when it is good for something. */
static struct jwks *jwks_finish(struct jwks *jwks, struct jwks_report *report, const char *problem)
{
	if (!problem && jwks->n_keys > 0)
		return jwks;
	if (problem)
		snprintf(report->problem, sizeof(report->problem), "%s", problem);
	else if (report->n_skipped == 0)
		snprintf(report->problem, sizeof(report->problem), "there is no key in it");
	jwks_unref(jwks);
	return NULL;
}

/* ------------------------------------------------------------ JSON */

static void jwks_add(struct jwks *jwks, struct value object, size_t number,
		     struct jwks_report *report)
{
	const char *problem = jwk_read(object, &jwks->arena, &jwks->keys[jwks->n_keys]);

	if (problem)
		report_skip(report, number, problem);
	else
		jwks->n_keys++;
}

/* The values stay slices of `text`; what is kept of them is copied. */
static const char *jwks_read_json(struct jwks *jwks, struct str text, struct arena *arena,
				  struct jwks_report *report)
{
	struct value set, list;

	if (json_read(text, arena, &set, NULL) < 0)
		return "it is no JSON";
	if (!object_is_plain(set, JWK_MEMBERS_MAX) || !value_member(set, STR("keys"), &list))
		return "it is no JSON Web Key Set: {\"keys\": [...]}";
	if (list.kind != VALUE_LIST)
		return "its keys are no list";
	if (list.len > JWKS_KEYS_MAX)
		return "it has more than 64 keys";
	for (size_t i = 0; i < list.len; i++)
		jwks_add(jwks, list.items[i], i + 1, report);
	return NULL;
}

struct jwks *jwks_read(struct str text, struct jwks_report *ret_report)
{
	struct jwks *jwks;
	struct arena arena;
	const char *problem;

	*ret_report = (struct jwks_report){ 0 };
	if (text.len > JWKS_SIZE_MAX)
		text = STR_NONE; /* no JSON either */
	jwks = jwks_create(text);
	arena_init(&arena, (size_t)JWKS_SIZE_MAX * 32);
	problem = jwks_read_json(jwks, text, &arena, ret_report);
	arena_fini(&arena);
	return jwks_finish(jwks, ret_report, problem);
}

/* ------------------------------------------------------------ PEM */

static EVP_PKEY *public_of_certificate(const unsigned char *der, long size)
{
	X509 *certificate = d2i_X509(NULL, &der, size);
	EVP_PKEY *pkey = certificate ? X509_get_pubkey(certificate) : NULL;

	X509_free(certificate);
	return pkey;
}

/* One block. NULL, or why it is of no use. */
static const char *pem_read_block(const char *name, const unsigned char *der, long size,
				  struct key *key)
{
	EVP_PKEY *pkey;

	if (strstr(name, "PRIVATE KEY"))
		return "it is a private key, which verifying does not need; write its public one "
		       "(openssl pkey -in FILE -pubout)";
	if (strcmp(name, "CERTIFICATE") == 0)
		pkey = public_of_certificate(der, size);
	else if (strcmp(name, "PUBLIC KEY") == 0)
		pkey = d2i_PUBKEY(NULL, &der, size);
	else
		return "it is neither a PUBLIC KEY nor a CERTIFICATE";
	return pkey ? key_set_public(key, pkey) : "it cannot be read";
}

static void jwks_add_block(struct jwks *jwks, const char *name, const unsigned char *der, long size,
			   struct jwks_report *report, size_t number)
{
	const char *problem = "64 keys are the most";

	if (jwks->n_keys < JWKS_KEYS_MAX)
		problem = pem_read_block(name, der, size, &jwks->keys[jwks->n_keys]);
	if (problem)
		report_skip(report, number, problem);
	else
		jwks->n_keys++;
}

static void jwks_read_blocks(struct jwks *jwks, BIO *bio, struct jwks_report *report)
{
	char *name, *header;
	unsigned char *der;
	long size;

	for (size_t number = 1; PEM_read_bio(bio, &name, &header, &der, &size) == 1; number++) {
		jwks_add_block(jwks, name, der, size, report, number);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)size);
	}
}

struct jwks *jwks_read_pem(struct str text, struct jwks_report *ret_report)
{
	BIO *bio = BIO_new_mem_buf(text.ptr, (int)MIN(text.len, (size_t)JWKS_SIZE_MAX));
	struct jwks *jwks = jwks_create(text);

	*ret_report = (struct jwks_report){ 0 };
	if (bio)
		jwks_read_blocks(jwks, bio, ret_report);
	BIO_free(bio);
	ERR_clear_error();
	return jwks_finish(jwks, ret_report, NULL);
}

struct jwks *jwks_read_file(struct str text, struct jwks_report *ret_report)
{
	if (str_find(text, STR("-----BEGIN ")) >= 0)
		return jwks_read_pem(text, ret_report);
	return jwks_read(text, ret_report);
}

/* ------------------------------------------------------------ a secret */

struct jwks *jwks_of_secret(struct str secret)
{
	struct jwks *jwks = jwks_create(secret);

	jwks->keys[jwks->n_keys++] = (struct key){
		.kind = KEY_SECRET,
		.secret = arena_str(&jwks->arena, secret),
	};
	return jwks;
}
