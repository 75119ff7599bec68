/* server/auth/logins.c
 *
 * Locking: logins.lock guards `right`; nothing else is done with it held. */
#include "server/auth/logins.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/thread/lock.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/random.h>

enum { KEYS_WAITING_MAX = 1024 };

struct logins {
	struct pool_queue *passwords, *keys;
	unsigned char secret[DIGEST_SIZE];
	struct lock lock;
	struct digest_cache right;
};

struct logins *logins_create(struct pool *pool)
{
	struct logins *logins = mem_zalloc(sizeof(*logins));
	const struct pool_limits limits = {
		.running_max = MAX(pool_n_threads(pool) / 2, 1u),
		.waiting_max = LOGINS_WAITING_MAX,
	};

	check(getrandom(logins->secret, sizeof(logins->secret), 0) == sizeof(logins->secret));
	logins->passwords = pool_queue_open(pool, STR("leat.passwords"), &limits);
	logins->keys = pool_queue_open(pool, STR("leat.keys"),
				       &(struct pool_limits){ .waiting_max = KEYS_WAITING_MAX });
	lock_init(&logins->lock);
	digest_cache_init(&logins->right, LOGINS_REMEMBERED);
	return logins;
}

void logins_destroy(struct logins *logins)
{
	if (!logins)
		return;
	digest_cache_fini(&logins->right);
	lock_fini(&logins->lock);
	free(logins);
}

struct pool_queue *logins_queue(struct logins *logins)
{
	return logins->passwords;
}

struct pool_queue *logins_keys_queue(struct logins *logins)
{
	return logins->keys;
}

/* With their lengths before them, so that no other ones give the same bytes. */
void login_digest(const struct logins *logins, const struct login *login, const struct user *user,
		  uint64_t ms, unsigned char out[DIGEST_SIZE])
{
	unsigned char bytes[1024];
	const struct str time = { (const char *)&ms, sizeof(ms) };
	const struct str parts[] = { login->user, login->password, user->hash, time };
	size_t size = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		uint32_t len = (uint32_t)parts[i].len;

		check(size + sizeof(len) + len <= sizeof(bytes));
		memcpy(bytes + size, &len, sizeof(len));
		if (len)
			memcpy(bytes + size + sizeof(len), parts[i].ptr, len);
		size += sizeof(len) + len;
	}
	check(HMAC(EVP_sha256(), logins->secret, sizeof(logins->secret), bytes, size, out, NULL));
	OPENSSL_cleanse(bytes, size);
}

bool logins_know(struct logins *logins, const unsigned char digest[DIGEST_SIZE])
{
	bool known;

	lock_acquire(&logins->lock);
	known = digest_cache_has(&logins->right, digest, clock_monotonic_ns());
	lock_release(&logins->lock);
	return known;
}

void logins_remember(struct logins *logins, const unsigned char digest[DIGEST_SIZE], uint64_t ms)
{
	if (ms == 0)
		return;
	lock_acquire(&logins->lock);
	digest_cache_add(&logins->right, digest, clock_monotonic_ns() + ms * NS_PER_MS);
	lock_release(&logins->lock);
}
