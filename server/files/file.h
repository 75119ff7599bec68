/* server/files/file.h: a file as it was found: opened beneath its root, small ones read.
 *
 * file_load() blocks, and runs on a thread of the pool. What it gives belongs to one loop from
 * then on: the count of references is not locked. That there is none is remembered as a file
 * with an error. */
#pragma once
#include "core/base/arena.h"
#include "core/base/list.h"
#include "core/io/disk_file.h"
#include "server/compress/coder.h"
#include "server/files/open.h"
#include "server/http/status.h"
#include "server/reply.h"
#include <sys/types.h>

enum {
	FILE_SMALL_MAX = 64 << 10, /* kept as bytes; larger ones as a descriptor */
	FILE_CODINGS_MAX = 3,
	FILE_PATH_SIZE = 4096,
};

struct file_coding {
	struct str name, suffix; /* "gzip", ".gz" */
};

enum file_listing { FILE_LISTING_NONE, FILE_LISTING_HTML, FILE_LISTING_JSON };

/* What to look for. */
struct file_query {
	const char *root;  /* a folder */
	const char *path;  /* beneath it; "." is the root itself */
	const char *index; /* of a folder */
	enum file_links links;
	enum file_listing listing; /* of a folder without an index */
	bool hidden;               /* a listing shows names that begin with a dot */
	size_t n_codings;          /* in the order of preference; what is there first is taken */
	const struct file_coding *codings[FILE_CODINGS_MAX];
	struct arena_budget *budget; /* of the memory of files; or NULL */
};

struct file {
	unsigned n_refs;
	struct list link; /* in the cache, most recently used first */
	struct str key;   /* of the cache; its bytes are the file's */
	bool cached;
	uint64_t checked_ns; /* it was still the same then */
	int error;           /* 0; or why there is none, and then there is nothing else */
	dev_t dev;
	ino_t ino;
	uint64_t size;
	int64_t mtime_ns, ctime_ns;
	struct disk_file *disk; /* of a large one; else NULL */
	char *bytes;            /* of a small one, or of a listing; else NULL */
	enum file_listing listing;
	const struct file_coding *coding; /* NULL: as it is */
	struct str name;                  /* its last part decides the type */
	uint8_t etag_len;
	char etag[40];
	char modified[HTTP_DATE_LEN];
	struct arena_budget *budget;
	size_t charged; /* bytes of the budget */
	/* `bytes` compressed, made by who serves them so (file_cache_add_coded()). */
	struct file_coded {
		char *bytes;
		size_t len;
	} coded[N_CODINGS];
	/* Made by who serves it (server/files/answer.h), in `text`; constant. */
	char *text;
	struct reply whole, unchanged;
	bool is_rendered;
};

void file_ref(struct file *file);
void file_unref(struct file *file); /* NULL is accepted */

/* Counts memory of this file; false: there is no more. */
bool file_charge(struct file *file, size_t size);

/* 0 with a file; or a negative errno. -EISDIR: a folder, asked for without its '/'. */
int file_load(const struct file_query *query, struct file **ret_file);

/* One that remembers an error of file_load(); NULL without memory. */
struct file *file_create_missing(const struct file_query *query, int error);

/* Whether an error says that nothing is there, as against not having been able to look. */
bool file_error_is_lasting(int error);

/* 0 when file_load() would find the same, unchanged file; else another loading is due. */
int file_check(const struct file_query *query, const struct file *file);
