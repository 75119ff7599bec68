/* server/peers/peer_auth.c */
#include "server/peers/peer_auth.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

bool peer_auth_nonce(unsigned char out[PEER_NONCE_SIZE])
{
	return getrandom(out, PEER_NONCE_SIZE, 0) == PEER_NONCE_SIZE;
}

static bool auth_make(const struct peer_auth *auth, struct str key, const char *label,
		      unsigned char out[32])
{
	struct buf said;
	bool ok;

	buf_init(&said, 4096);
	peer_put_text(&said, STR(PEER_PROTOCOL), 1);
	peer_put_text(&said, str_of(label), 1);
	peer_put_text(&said, auth->from, 1);
	peer_put_text(&said, auth->to, 1);
	for (unsigned side = 0; side < 2; side++) {
		peer_put(&said, auth->instances[side], 8);
		buf_add(&said, (struct str){ (const char *)auth->nonces[side], PEER_NONCE_SIZE });
	}
	ok = !said.error && HMAC(EVP_sha256(), key.len ? key.ptr : "", (int)key.len,
				 (const unsigned char *)said.data, said.len, out, NULL);
	buf_fini(&said);
	return ok;
}

static const char *auth_label(enum peer_side side)
{
	return side == PEER_CONNECTS ? "connects" : "accepts";
}

bool peer_auth_prove(const struct peer_auth *auth, enum peer_side side,
		     unsigned char out[PEER_PROOF_SIZE])
{
	return auth_make(auth, auth->key, auth_label(side), out);
}

static bool auth_is_of(const struct peer_auth *auth, struct str key, enum peer_side side,
		       struct str proofs)
{
	unsigned char right[PEER_PROOF_SIZE];
	bool found = false;

	if (key.len == 0 || !auth_make(auth, key, auth_label(side), right))
		return false;
	for (size_t at = 0; at + PEER_PROOF_SIZE <= proofs.len; at += PEER_PROOF_SIZE)
		found |= CRYPTO_memcmp(right, proofs.ptr + at, PEER_PROOF_SIZE) == 0;
	return found;
}

bool peer_auth_settle(struct peer_auth *auth, enum peer_side side, struct str proofs)
{
	if (proofs.len == 0 || proofs.len % PEER_PROOF_SIZE != 0)
		return false;
	if (auth->key.len == 0 || auth_is_of(auth, auth->key, side, proofs))
		return true;
	if (!auth_is_of(auth, auth->old_key, side, proofs))
		return false;
	auth->key = auth->old_key;
	return true;
}

bool peer_auth_seal(const struct peer_auth *auth, enum peer_side side, struct peer_seal *ret_seal)
{
	*ret_seal = (struct peer_seal){ .on = auth->key.len > 0 };
	return !ret_seal->on ||
	       auth_make(auth, auth->key,
			 side == PEER_CONNECTS ? "seals of who connects" : "seals of who accepts",
			 ret_seal->key);
}
