/* server/compress/coded_cache.h: bodies that never change, compressed once.
 *
 * Shared by all loops, without a lock: what is in it stays until the end. A body is known by where
 * its bytes are, so only those may be asked for that live as long as the cache. */
#pragma once
#include "server/compress/coder.h"

enum {
	CODED_CACHE_BUCKETS = 64,
	CODED_CACHE_MAX = 8 << 20, /* bytes of all */
	CODED_BODY_MAX = 1 << 20,  /* of one */
};

struct coded;

struct coded_cache {
	_Atomic(struct coded *) buckets[CODED_CACHE_BUCKETS];
	_Atomic size_t size;
};

void coded_cache_fini(struct coded_cache *cache); /* nobody looks any more */

/* .ptr NULL: it is not there. */
struct str coded_cache_find(const struct coded_cache *cache, struct str body, enum coding coding);

/* A copy of `bytes`; when there is room. */
void coded_cache_add(struct coded_cache *cache, struct str body, enum coding coding,
		     struct str bytes);
