/* server/cache/entry.c */
#include "server/cache/entry.h"
#include "core/base/clock.h"
#include <stdlib.h>

enum { ENTRY_OVERHEAD = 48 }; /* the allocator's, and its place in the table */

static struct str entry_put(char **at, struct str bytes)
{
	struct str copy = { *at, bytes.len };

	if (bytes.len)
		memcpy(*at, bytes.ptr, bytes.len);
	*at += bytes.len;
	return copy;
}

struct cache_entry *cache_entry_create(const struct cache_parts *parts)
{
	size_t size = sizeof(struct cache_entry) + parts->key.len + parts->head.len +
		      (parts->own_body ? 0 : parts->body.len);
	size_t charged = size + (parts->own_body ? parts->body.len : 0) + ENTRY_OVERHEAD;
	struct cache_entry *entry = NULL;
	char *at;

	if (arena_budget_take(parts->budget, charged)) {
		entry = malloc(size);
		if (!entry)
			arena_budget_give_back(parts->budget, charged);
	}
	if (!entry)
		return NULL;
	*entry = (struct cache_entry){ .n_refs = 1,
				       .kind = parts->kind,
				       .status = parts->status,
				       .hash = 0,
				       .budget = parts->budget,
				       .charged = charged,
				       .times = parts->times,
				       .own_body = parts->own_body };
	list_init(&entry->link);
	at = entry->bytes;
	entry->key = entry_put(&at, parts->key);
	entry->head = entry_put(&at, parts->head);
	entry->body = parts->own_body ? (struct str){ parts->own_body, parts->body.len }
				      : entry_put(&at, parts->body);
	return entry;
}

void cache_entry_unref(struct cache_entry *entry)
{
	if (!entry || atomic_fetch_sub_explicit(&entry->n_refs, 1, memory_order_acq_rel) > 1)
		return;
	arena_budget_give_back(entry->budget, entry->charged);
	free(entry->own_body);
	free(entry);
}

struct cache_entry *cache_entry_renew(const struct cache_entry *entry, struct str head,
				      const struct cache_times *times)
{
	const struct cache_parts parts = { .key = entry->key,
					   .head = head,
					   .body = entry->body,
					   .times = *times,
					   .kind = entry->kind,
					   .status = entry->status,
					   .budget = entry->budget };

	return cache_entry_create(&parts);
}

static uint64_t times_after(uint64_t from_ns, uint64_t ms)
{
	return ms > (UINT64_MAX - from_ns) / NS_PER_MS ? UINT64_MAX : from_ns + ms * NS_PER_MS;
}

struct cache_times cache_times_from(uint64_t now_ns, uint64_t ttl_ms, uint64_t revalidate_ms,
				    uint64_t error_ms)
{
	struct cache_times times = { .born_ns = (int64_t)now_ns,
				     .fresh_ns = times_after(now_ns, ttl_ms) };

	times.revalidate_ns = times_after(times.fresh_ns, revalidate_ms);
	times.error_ns = times_after(times.fresh_ns, error_ms);
	return times;
}
