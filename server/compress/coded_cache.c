/* server/compress/coded_cache.c: a table of lists to which one only adds. */
#include "server/compress/coded_cache.h"
#include <stdatomic.h>
#include <stdlib.h>

struct coded {
	struct coded *next; /* immutable, as the rest, once it is in a list */
	struct str body;    /* whose it is */
	enum coding coding;
	size_t len;
	char bytes[];
};

static size_t coded_bucket(struct str body)
{
	return (size_t)((uintptr_t)body.ptr * UINT64_C(0x9e3779b97f4a7c15) >> 58) %
	       CODED_CACHE_BUCKETS;
}

static bool coded_is(const struct coded *coded, struct str body, enum coding coding)
{
	return coded->body.ptr == body.ptr && coded->body.len == body.len &&
	       coded->coding == coding;
}

void coded_cache_fini(struct coded_cache *cache)
{
	for (size_t i = 0; i < CODED_CACHE_BUCKETS; i++) {
		struct coded *coded = atomic_exchange(&cache->buckets[i], NULL);

		while (coded) {
			struct coded *next = coded->next;

			free(coded);
			coded = next;
		}
	}
}

struct str coded_cache_find(const struct coded_cache *cache, struct str body, enum coding coding)
{
	const struct coded *coded =
		atomic_load_explicit(&cache->buckets[coded_bucket(body)], memory_order_acquire);

	for (; coded; coded = coded->next)
		if (coded_is(coded, body, coding))
			return (struct str){ coded->bytes, coded->len };
	return STR_NONE;
}

/* Two loops may add the same at once: both stay, the later one is found. */
void coded_cache_add(struct coded_cache *cache, struct str body, enum coding coding,
		     struct str bytes)
{
	size_t size = sizeof(struct coded) + bytes.len;
	size_t before = atomic_fetch_add_explicit(&cache->size, size, memory_order_relaxed);
	_Atomic(struct coded *) *bucket = &cache->buckets[coded_bucket(body)];
	struct coded *coded = before + size <= CODED_CACHE_MAX ? malloc(size) : NULL;

	if (!coded) {
		atomic_fetch_sub_explicit(&cache->size, size, memory_order_relaxed);
		return;
	}
	*coded = (struct coded){ .body = body, .coding = coding, .len = bytes.len };
	memcpy(coded->bytes, bytes.ptr, bytes.len);
	coded->next = atomic_load_explicit(bucket, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(bucket, &coded->next, coded,
						      memory_order_release, memory_order_relaxed))
		;
}
