/* server/files/cache.c */
#include "server/files/cache.h"
#include "core/base/check.h"
#include <stdlib.h>

void file_cache_init(struct file_cache *cache)
{
	*cache = (struct file_cache){ 0 };
	map_init(&cache->map);
	list_init(&cache->files);
}

void file_cache_fini(struct file_cache *cache)
{
	struct file *file;

	while ((file = list_first(&cache->files, struct file, link)))
		file_cache_remove(cache, file);
	map_fini(&cache->map);
}

struct file *file_cache_find(struct file_cache *cache, struct str key)
{
	struct file *file = map_find(&cache->map, key);

	if (file && cache->files.next != &file->link) {
		list_remove(&file->link);
		list_add_first(&cache->files, &file->link);
	}
	return file;
}

void file_cache_remove(struct file_cache *cache, struct file *file)
{
	if (!file->cached)
		return;
	file->cached = false;
	map_remove(&cache->map, file->key);
	list_remove(&file->link);
	cache->n_files--;
	cache->n_fds -= file->fd >= 0;
	cache->n_bytes -= file->bytes ? file->size : 0;
	file_unref(file);
}

static bool file_cache_is_over(const struct file_cache *cache)
{
	return cache->n_files > FILE_CACHE_MAX || cache->n_fds > FILE_CACHE_FDS_MAX ||
	       cache->n_bytes > FILE_CACHE_BYTES_MAX;
}

void file_cache_add(struct file_cache *cache, struct str key, struct file *file)
{
	struct file *before = map_find(&cache->map, key);
	char *copy = malloc(key.len + 1);

	if (!copy)
		return; /* it is served all the same */
	check(!file->cached && !file->key.ptr);
	if (before)
		file_cache_remove(cache, before);
	memcpy(copy, key.ptr, key.len);
	file->key = (struct str){ copy, key.len };
	file->cached = true;
	file_ref(file);
	map_set(&cache->map, file->key, file);
	list_add_first(&cache->files, &file->link);
	cache->n_files++;
	cache->n_fds += file->fd >= 0;
	cache->n_bytes += file->bytes ? file->size : 0;
	while (file_cache_is_over(cache))
		file_cache_remove(cache, container_of(cache->files.prev, struct file, link));
}
