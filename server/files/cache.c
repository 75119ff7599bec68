/* server/files/cache.c */
#include "server/files/cache.h"
#include "core/base/check.h"
#include <stdlib.h>

static void file_list_init(struct file_list *files)
{
	*files = (struct file_list){ 0 };
	list_init(&files->files);
}

void file_cache_init(struct file_cache *cache)
{
	*cache = (struct file_cache){ .bytes_max = FILE_CACHE_BYTES_MAX };
	map_init(&cache->map);
	file_list_init(&cache->files);
	file_list_init(&cache->misses);
}

static struct file *file_list_last(const struct file_list *files)
{
	return list_is_empty(&files->files) ? NULL
					    : container_of(files->files.prev, struct file, link);
}

void file_cache_fini(struct file_cache *cache)
{
	struct file *file;

	while ((file = file_list_last(&cache->files)) || (file = file_list_last(&cache->misses)))
		file_cache_remove(cache, file);
	map_fini(&cache->map);
}

static struct file_list *file_cache_list(struct file_cache *cache, const struct file *file)
{
	return file->error ? &cache->misses : &cache->files;
}

struct file *file_cache_find(struct file_cache *cache, struct str key)
{
	struct file *file = map_find(&cache->map, key);
	struct list *files = file ? &file_cache_list(cache, file)->files : NULL;

	if (file && files->next != &file->link) {
		list_remove(&file->link);
		list_add_first(files, &file->link);
	}
	return file;
}

static void file_list_count(struct file_list *files, const struct file *file, bool more)
{
	size_t sign = more ? 1 : SIZE_MAX;

	files->n_files += sign;
	files->n_fds += file->disk ? sign : 0;
	files->n_bytes += sign * file->charged;
}

void file_cache_remove(struct file_cache *cache, struct file *file)
{
	if (!file || !file->cached)
		return;
	file->cached = false;
	cache->epoch++;
	map_remove(&cache->map, file->key);
	list_remove(&file->link);
	file_list_count(file_cache_list(cache, file), file, false);
	file_unref(file);
}

static bool file_cache_is_over(const struct file_cache *cache)
{
	const struct file_list *files = &cache->files;

	return files->n_files > FILE_CACHE_MAX || files->n_fds > FILE_CACHE_FDS_MAX ||
	       files->n_bytes > cache->bytes_max;
}

static void file_cache_trim(struct file_cache *cache)
{
	while (file_cache_is_over(cache))
		file_cache_remove(cache, file_list_last(&cache->files));
	while (cache->misses.n_files > FILE_CACHE_MISSES_MAX ||
	       cache->misses.n_bytes > cache->bytes_max / 4)
		file_cache_remove(cache, file_list_last(&cache->misses));
}

void file_cache_add(struct file_cache *cache, struct str key, struct file *file)
{
	struct file *before = map_find(&cache->map, key);
	char *copy;

	check(!file->cached && !file->key.ptr);
	if (before)
		file_cache_remove(cache, before);
	if (key.len > FILE_CACHE_KEY_MAX || !file_charge(file, key.len))
		return; /* it is served all the same */
	copy = malloc(key.len);
	if (!copy)
		return;
	memcpy(copy, key.ptr, key.len);
	file->key = (struct str){ copy, key.len };
	file->cached = true;
	file_ref(file);
	map_set(&cache->map, file->key, file);
	list_add_first(&file_cache_list(cache, file)->files, &file->link);
	file_list_count(file_cache_list(cache, file), file, true);
	file_cache_trim(cache);
}

void file_cache_add_coded(struct file_cache *cache, struct file *file, enum coding coding,
			  struct str bytes)
{
	struct file_coded *coded = &file->coded[coding];

	if (!file->cached || coded->bytes || bytes.len == 0 || !file_charge(file, bytes.len))
		return;
	cache->files.n_bytes += bytes.len; /* as what is charged, it goes with the file */
	coded->bytes = malloc(bytes.len);
	if (!coded->bytes)
		return;
	memcpy(coded->bytes, bytes.ptr, bytes.len);
	coded->len = bytes.len;
	file_cache_trim(cache);
}

void file_cache_drop_fds(struct file_cache *cache)
{
	struct file *file;

	list_each(file, &cache->files.files, struct file, link)
		if (file->disk && file->n_refs == 1)
			file_cache_remove(cache, file);
}
