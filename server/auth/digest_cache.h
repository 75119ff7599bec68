/* server/auth/digest_cache.h: digests of what was found to be good, for a while.
 *
 * A table of fixed size: a digest has four places, and takes that of the one that would go first
 * when none is free. So it is bounded, and adding cannot fail. It is for one thread at a time. The
 * digests must be such that nobody can choose them at will and gain by it: those of signed tokens,
 * or keyed ones. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32, DIGEST_WAYS = 4 };

struct digest_slot {
	unsigned char digest[DIGEST_SIZE];
	uint64_t until_ns; /* on the monotonic clock; 0: free */
};

struct digest_cache {
	size_t n_sets;             /* a power of two */
	struct digest_slot *slots; /* NULL until something is added */
};

void digest_cache_init(struct digest_cache *cache, size_t n_slots); /* a power of two, from 4 */
void digest_cache_fini(struct digest_cache *cache);

bool digest_cache_has(const struct digest_cache *cache, const unsigned char digest[DIGEST_SIZE],
		      uint64_t now_ns);

/* Until then; without memory for the table it is not remembered. */
void digest_cache_add(struct digest_cache *cache, const unsigned char digest[DIGEST_SIZE],
		      uint64_t until_ns);
