/* server/auth/asking_jwt.c: who sent it, by a signed token. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/auth/asking.h"
#include "server/auth/logins.h"
#include "server/request.h"
#include "server/server.h"
#include <openssl/evp.h>
#include <stdlib.h>

/* Of the token and the keys: the same token under other keys is another matter. */
static void token_digest(const struct asking *asking, struct str token, unsigned char *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	check(ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	      EVP_DigestUpdate(ctx, asking->jwks->id, JWKS_ID_SIZE) == 1 &&
	      EVP_DigestUpdate(ctx, token.ptr, token.len) == 1 &&
	      EVP_DigestFinal_ex(ctx, out, NULL) == 1);
	EVP_MD_CTX_free(ctx);
}

static enum verdict asking_fault(struct asking *asking, enum jwt_fault fault)
{
	return asking_say(asking, fault == JWT_MEMORY ? VERDICT_UNABLE : VERDICT_BAD,
			  jwt_fault_text(fault));
}

static void token_remember(struct asking *asking)
{
	digest_cache_add(&asking->run->request->worker->tokens, asking->digest, UINT64_MAX);
}

static enum verdict asking_judge(struct asking *asking)
{
	const struct auth_jwt *jwt = asking->auth->jwt;
	struct str sub = STR_NONE;
	struct value value;
	enum jwt_fault fault =
		jwt_judge(&asking->jwt, &jwt->rules, clock_wall_ns(), &asking->run->request->arena);

	if (fault != JWT_FINE)
		return asking_fault(asking, fault);
	if (value_member(asking->jwt.claims, STR("sub"), &value) && value.kind == VALUE_TEXT)
		sub = value_str(value);
	asking->identity =
		(struct identity){ .kind = IDENTITY_JWT,
				   .user = sub,
				   .claims = asking->jwt.claims,
				   .until_wall_ns = jwt->outlived ? 0 : asking->jwt.until_wall_ns };
	return VERDICT_GOOD;
}

static void asking_on_keys(struct key_wait *wait)
{
	struct asking *asking = container_of(wait, struct asking, wait);

	asking->waits_for_keys = false;
	asking_resume(asking);
}

static enum verdict asking_keys(struct asking *asking);

/* The keys that are there (`jwks`, or none) are not enough. Once only. */
static enum verdict asking_wait_for_keys(struct asking *asking)
{
	const struct auth_jwt *jwt = asking->auth->jwt;
	struct request *request = asking->run->request;
	enum keys keys = KEYS_SAME;

	asking->wait.on_keys = asking_on_keys;
	if (jwt->source && !asking->fetched)
		keys = key_source_wait(jwt->source, asking->jwks, &asking->wait, &jwt->times,
				       &request->worker->fetches, &request->context);
	asking->fetched = true;
	switch (keys) {
	case KEYS_COMING:
		asking->waits_for_keys = true;
		return VERDICT_WAITS;
	case KEYS_CHANGED:
		return asking_keys(asking);
	case KEYS_SAME:
		break;
	}
	if (!asking->jwks)
		return asking_say(asking, VERDICT_UNABLE, "its keys could not be fetched");
	return asking_fault(asking, JWT_KEY_UNKNOWN);
}

/* What a signature that takes a millisecond needs on the pool, where nothing of the request is. */
struct verifying {
	struct jwks *jwks;
	struct jwt jwt;
	char *bytes; /* that its texts point into */
	enum jwt_fault fault;
};

static void verifying_run(void *data)
{
	struct verifying *verifying = data;

	verifying->fault = jwt_verify(&verifying->jwt, verifying->jwks);
}

static void verifying_release(void *data)
{
	struct verifying *verifying = data;

	jwks_unref(verifying->jwks);
	free(verifying->bytes);
}

static char *verifying_copy(struct str *text, char *to)
{
	if (text->len)
		memcpy(to, text->ptr, text->len);
	if (text->ptr)
		text->ptr = to;
	return to + text->len;
}

static enum verdict asking_verify_slowly(struct asking *asking)
{
	struct offload *offload =
		offload_create(sizeof(struct verifying), verifying_run, verifying_release);
	struct verifying *verifying = offload_data(offload);
	const struct jwt *jwt = &asking->jwt;
	char *at;

	verifying->jwks = jwks_ref(asking->jwks);
	verifying->jwt = (struct jwt){
		.alg = jwt->alg, .kid = jwt->kid, .input = jwt->input, .signature = jwt->signature
	};
	at = verifying->bytes = mem_alloc(jwt->kid.len + jwt->input.len + jwt->signature.len);
	at = verifying_copy(&verifying->jwt.kid, at);
	at = verifying_copy(&verifying->jwt.input, at);
	verifying_copy(&verifying->jwt.signature, at);
	return asking_compute(
		asking, logins_keys_queue(asking->run->request->worker->server->logins), offload);
}

static enum verdict asking_verified_slowly(struct asking *asking)
{
	const struct verifying *verifying = asking_computed(asking);

	if (!verifying)
		return asking_say(asking, VERDICT_UNABLE, "no thread to verify it");
	if (verifying->fault != JWT_FINE)
		return asking_fault(asking, verifying->fault);
	token_remember(asking);
	return asking_judge(asking);
}

static enum verdict asking_verify_here(struct asking *asking)
{
	enum jwt_fault fault = jwt_verify(&asking->jwt, asking->jwks);

	return fault == JWT_FINE ? asking_judge(asking) : asking_fault(asking, fault);
}

/* An HMAC costs no more than the digest by which it would be remembered. */
static enum verdict asking_verify(struct asking *asking)
{
	const struct key *keys[JWT_TRIES_MAX];
	enum verdict verdict;

	if (jwt_find_keys(&asking->jwt, asking->jwks, keys) == 0)
		return asking_wait_for_keys(asking);
	if (asking->jwt.alg->kind == KEY_SECRET)
		return asking_verify_here(asking);
	token_digest(asking, asking->jwt.token, asking->digest);
	if (digest_cache_has(&asking->run->request->worker->tokens, asking->digest, 0))
		return asking_judge(asking);
	if (asking->jwt.alg->slow)
		return asking_verify_slowly(asking);
	verdict = asking_verify_here(asking);
	if (verdict == VERDICT_GOOD)
		token_remember(asking);
	return verdict;
}

static enum verdict asking_keys(struct asking *asking)
{
	const struct auth_jwt *jwt = asking->auth->jwt;
	struct request *request = asking->run->request;

	jwks_unref(take(&asking->jwks));
	asking->jwks = jwt->source ? key_source_get(jwt->source) : jwks_ref(jwt->jwks);
	if (!asking->jwks)
		return asking_wait_for_keys(asking);
	if (jwt->source)
		key_source_refresh(jwt->source, &jwt->times, &request->worker->fetches,
				   &request->context);
	return asking_verify(asking);
}

enum verdict asking_jwt(struct asking *asking)
{
	const struct auth_jwt *jwt = asking->auth->jwt;
	struct request *request = asking->run->request;
	enum jwt_fault fault;
	enum verdict verdict;
	struct str token;

	if (!jwt)
		return VERDICT_NOTHING;
	if (asking->again)
		return asking->computed ? asking_verified_slowly(asking) : asking_keys(asking);
	if (!asking_shows(asking, credential_find(request, &jwt->from, &token), &verdict))
		return verdict;
	asking->token_shown = true;
	fault = jwt_read(&asking->jwt, token, &jwt->rules, &request->arena);
	return fault == JWT_FINE ? asking_keys(asking) : asking_fault(asking, fault);
}
