/* core/io/tls_tickets.c
 *
 * Locking: tickets.lock guards all of `tickets`; a key is copied out under it, and used and
 * cleaned after it. */
#include "core/io/tls_tickets.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/thread/lock.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <string.h>

struct ticket_key {
	unsigned char name[16], aes[32], hmac[32];
	uint64_t made_ns; /* 0: there is none */
};

static struct {
	struct lock lock;
	struct ticket_key now, before;
} tickets = { .lock = LOCK_INIT };

/* The keys as they must be at this moment. False when no random bytes can be had. */
static bool tls_tickets_turn(void) HOLDS(tickets.lock)
{
	const uint64_t turn_ns = TLS_TICKETS_TURN_S * NS_PER_S;
	uint64_t now_ns = MAX(clock_monotonic_ns(), (uint64_t)1);
	struct ticket_key next;

	if (tickets.before.made_ns && now_ns - tickets.before.made_ns >= 2 * turn_ns)
		OPENSSL_cleanse(&tickets.before, sizeof(tickets.before));
	if (tickets.now.made_ns && now_ns - tickets.now.made_ns < turn_ns)
		return true;
	if (RAND_bytes(next.name, sizeof(next.name)) != 1 ||
	    RAND_priv_bytes(next.aes, sizeof(next.aes)) != 1 ||
	    RAND_priv_bytes(next.hmac, sizeof(next.hmac)) != 1)
		return false;
	next.made_ns = now_ns;
	tickets.before = tickets.now;
	if (now_ns - tickets.before.made_ns >= 2 * turn_ns)
		OPENSSL_cleanse(&tickets.before, sizeof(tickets.before));
	tickets.now = next;
	OPENSSL_cleanse(&next, sizeof(next));
	return true;
}

/* 1: today's; 2: the one before; 0: none. */
static int tls_tickets_find(const unsigned char *name, struct ticket_key *ret_key)
{
	int found = 0;

	lock_acquire(&tickets.lock);
	if (tls_tickets_turn()) {
		if (!name || memcmp(name, tickets.now.name, 16) == 0)
			found = 1;
		else if (tickets.before.made_ns && memcmp(name, tickets.before.name, 16) == 0)
			found = 2;
		if (found)
			*ret_key = found == 1 ? tickets.now : tickets.before;
	}
	lock_release(&tickets.lock);
	return found;
}

static bool tls_tickets_use(struct ticket_key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
			    EVP_MAC_CTX *mac, bool making)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->hmac, sizeof(key->hmac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1 &&
	       EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv, making) == 1;
}

int tls_tickets_on_key(SSL *ssl, unsigned char name[16], unsigned char iv[EVP_MAX_IV_LENGTH],
		       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int making)
{
	struct ticket_key key;
	int found = tls_tickets_find(making ? NULL : name, &key);
	bool used;

	if (!found)
		return making ? -1 : 0;
	if (making) {
		memcpy(name, key.name, sizeof(key.name));
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			found = 0;
	}
	used = found && tls_tickets_use(&key, iv, cipher, mac, making);
	OPENSSL_cleanse(&key, sizeof(key));
	if (!used)
		return -1;
	/* clients of 1.3 use a ticket once: they get another */
	return found == 2 || (!making && SSL_version(ssl) == TLS1_3_VERSION) ? 2 : 1;
}

/* ------------------------------------------------------------ for another process */

static unsigned char *ticket_key_save(const struct ticket_key *key, unsigned char *out)
{
	memcpy(out, key->name, 16);
	memcpy(out + 16, key->aes, 32);
	memcpy(out + 48, key->hmac, 32);
	memcpy(out + 80, &key->made_ns, 8);
	return out + 88;
}

static const unsigned char *ticket_key_restore(struct ticket_key *key, const unsigned char *in)
{
	memcpy(key->name, in, 16);
	memcpy(key->aes, in + 16, 32);
	memcpy(key->hmac, in + 48, 32);
	memcpy(&key->made_ns, in + 80, 8);
	if (key->made_ns > clock_monotonic_ns())
		OPENSSL_cleanse(key, sizeof(*key));
	return in + 88;
}

void tls_tickets_save(unsigned char out[TLS_TICKETS_KEYS_SIZE])
{
	memset(out, 0, TLS_TICKETS_KEYS_SIZE);
	lock_acquire(&tickets.lock);
	if (tickets.now.made_ns) {
		out = ticket_key_save(&tickets.now, out);
		ticket_key_save(&tickets.before, out);
	}
	lock_release(&tickets.lock);
}

void tls_tickets_restore(const unsigned char in[TLS_TICKETS_KEYS_SIZE])
{
	lock_acquire(&tickets.lock);
	in = ticket_key_restore(&tickets.now, in);
	ticket_key_restore(&tickets.before, in);
	if (!tickets.now.made_ns)
		OPENSSL_cleanse(&tickets.before, sizeof(tickets.before));
	lock_release(&tickets.lock);
}
