/* server/auth/digest_cache.c */
#include "server/auth/digest_cache.h"
#include "core/base/check.h"
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

void digest_cache_init(struct digest_cache *cache, size_t n_slots)
{
	check(n_slots >= DIGEST_WAYS && (n_slots & (n_slots - 1)) == 0);
	*cache = (struct digest_cache){ .n_sets = n_slots / DIGEST_WAYS };
}

void digest_cache_fini(struct digest_cache *cache)
{
	free(cache->slots);
	cache->slots = NULL;
}

static struct digest_slot *digest_set(const struct digest_cache *cache, const unsigned char *digest)
{
	uint64_t number;

	memcpy(&number, digest, sizeof(number));
	return &cache->slots[(number & (cache->n_sets - 1)) * DIGEST_WAYS];
}

bool digest_cache_has(const struct digest_cache *cache, const unsigned char digest[DIGEST_SIZE],
		      uint64_t now_ns)
{
	const struct digest_slot *set;

	if (!cache->slots)
		return false;
	set = digest_set(cache, digest);
	for (size_t i = 0; i < DIGEST_WAYS; i++)
		if (CRYPTO_memcmp(set[i].digest, digest, DIGEST_SIZE) == 0)
			return now_ns < set[i].until_ns;
	return false;
}

void digest_cache_add(struct digest_cache *cache, const unsigned char digest[DIGEST_SIZE],
		      uint64_t until_ns)
{
	struct digest_slot *set, *slot;

	if (!cache->slots)
		cache->slots = calloc(cache->n_sets * DIGEST_WAYS, sizeof(*cache->slots));
	if (!cache->slots)
		return;
	slot = set = digest_set(cache, digest);
	for (size_t i = 0; i < DIGEST_WAYS; i++) {
		if (memcmp(set[i].digest, digest, DIGEST_SIZE) == 0) {
			slot = &set[i];
			break;
		}
		if (set[i].until_ns < slot->until_ns)
			slot = &set[i];
	}
	memcpy(slot->digest, digest, DIGEST_SIZE);
	slot->until_ns = until_ns;
}
