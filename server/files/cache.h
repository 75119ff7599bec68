/* server/files/cache.h: the files that were served last, of one worker: bounded in number, bytes
 * and descriptors. */
#pragma once
#include "core/base/map.h"
#include "server/files/file.h"

enum {
	FILE_CACHE_MAX = 1024,
	FILE_CACHE_BYTES_MAX = 16 << 20,
	FILE_CACHE_FDS_MAX = 64,
	FILE_CACHE_FRESH_MS = 1000, /* then it is looked at again */
};

struct file_cache {
	struct map map;
	struct list files;
	size_t n_files, n_fds;
	uint64_t n_bytes;
};

void file_cache_init(struct file_cache *cache);
void file_cache_fini(struct file_cache *cache);
struct file *file_cache_find(struct file_cache *cache, struct str key); /* or NULL */

/* In place of what has that key. Takes a reference of its own. */
void file_cache_add(struct file_cache *cache, struct str key, struct file *file);
void file_cache_remove(struct file_cache *cache, struct file *file);
