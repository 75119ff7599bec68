/* server/files/cache.h: the files that were served last, of one loop, and the paths where there
 * was none: each bounded in number, the files also in bytes and descriptors. */
#pragma once
#include "core/base/map.h"
#include "server/files/file.h"

enum {
	FILE_CACHE_MAX = 1024,
	FILE_CACHE_BYTES_MAX = 16 << 20, /* at most; see file_cache.bytes_max */
	FILE_CACHE_FDS_MAX = 64,
	FILE_CACHE_MISSES_MAX = 1024, /* so that many wrong paths drop no file */
	FILE_CACHE_KEY_MAX = 1024,    /* what has a longer one is not kept */
	FILE_CACHE_FRESH_MS = 1000,   /* then it is looked at again, and served meanwhile */
	FILE_CACHE_STALE_MS = 2000,   /* then it is not served before it was looked at */
};

struct file_list {
	struct list files; /* most recently used first */
	size_t n_files, n_fds;
	size_t n_bytes; /* as charged */
};

struct file_cache {
	struct map map;
	struct file_list files, misses;
	size_t bytes_max; /* of the files; misses may have a quarter of it */
	uint64_t epoch;   /* another number after anything was removed */
};

void file_cache_init(struct file_cache *cache);
void file_cache_fini(struct file_cache *cache);
struct file *file_cache_find(struct file_cache *cache, struct str key); /* or NULL */

/* In place of what has that key. Takes a reference of its own. */
void file_cache_add(struct file_cache *cache, struct str key, struct file *file);
void file_cache_remove(struct file_cache *cache, struct file *file); /* NULL, or gone: no effect */

/* A copy of the file's bytes as they are compressed, kept with it; no effect on a file that is not
 * in the cache. May drop files that were used long ago. */
void file_cache_add_coded(struct file_cache *cache, struct file *file, enum coding coding,
			  struct str bytes);

/* Closes the files that are kept open, as far as nobody is sent them: descriptors are short. */
void file_cache_drop_fds(struct file_cache *cache);
