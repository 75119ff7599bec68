/* server/sql/sql_cache.c */
#include "server/sql/sql_cache.h"
#include "core/base/memory.h"
#include <stdlib.h>

struct cache_entry {
	struct list link;
	void *statement;
	struct str text;
	char bytes[];
};

void sql_cache_init(struct sql_cache *cache, size_t n_max, sql_drop_fn *drop, void *owner)
{
	*cache = (struct sql_cache){ .n_max = n_max, .drop = drop, .owner = owner };
	list_init(&cache->used);
	map_init(&cache->by_text);
}

static void cache_drop(struct sql_cache *cache, struct cache_entry *entry)
{
	list_remove(&entry->link);
	map_remove(&cache->by_text, entry->text);
	cache->drop(cache->owner, entry->statement);
	free(entry);
}

void sql_cache_clear(struct sql_cache *cache)
{
	while (!list_is_empty(&cache->used))
		cache_drop(cache, container_of(cache->used.prev, struct cache_entry, link));
	map_fini(&cache->by_text);
	map_init(&cache->by_text);
}

void *sql_cache_find(struct sql_cache *cache, struct str text)
{
	struct cache_entry *entry = map_find(&cache->by_text, text);

	if (!entry)
		return NULL;
	list_remove(&entry->link);
	list_add_first(&cache->used, &entry->link);
	return entry->statement;
}

void sql_cache_trim(struct sql_cache *cache, size_t n_max)
{
	while (cache->by_text.n_items > n_max)
		cache_drop(cache, container_of(cache->used.prev, struct cache_entry, link));
}

bool sql_cache_add(struct sql_cache *cache, struct str text, void *statement)
{
	struct cache_entry *entry;

	if (cache->n_max == 0)
		return false;
	sql_cache_trim(cache, cache->n_max - 1);
	entry = mem_alloc(sizeof(*entry) + text.len);
	memcpy(entry->bytes, text.ptr, text.len);
	entry->text = (struct str){ entry->bytes, text.len };
	entry->statement = statement;
	list_add_first(&cache->used, &entry->link);
	check(!map_set(&cache->by_text, entry->text, entry));
	return true;
}

void sql_cache_remove(struct sql_cache *cache, struct str text)
{
	struct cache_entry *entry = map_find(&cache->by_text, text);

	if (entry)
		cache_drop(cache, entry);
}
