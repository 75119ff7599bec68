/* server/files/file.h: a file as it was found: opened beneath its root, small ones read.
 *
 * file_load() blocks, and runs on a thread of the pool. What it gives belongs to one loop from
 * then on: the count of references is not locked. */
#pragma once
#include "core/base/list.h"
#include "core/base/str.h"
#include "server/http/status.h"
#include <sys/types.h>

enum {
	FILE_SMALL_MAX = 64 << 10, /* kept as bytes; larger ones as a descriptor */
	FILE_CODINGS_MAX = 3,
};

struct file_coding {
	struct str name, suffix; /* "gzip", ".gz" */
};

struct file {
	unsigned n_refs;
	struct list link; /* in the cache, most recently used first */
	struct str key;   /* of the cache; its bytes are the file's */
	bool cached, checking;
	uint64_t checked_ns; /* it was still the same then */
	dev_t dev;
	ino_t ino;
	uint64_t size;
	int64_t mtime_ns, ctime_ns;
	int fd;      /* of a large one; else -1 */
	char *bytes; /* of a small one; else NULL */
	struct str type;
	const struct file_coding *coding; /* NULL: as it is */
	uint8_t etag_len;
	char etag[40];
	char modified[HTTP_DATE_LEN];
};

void file_ref(struct file *file);
void file_unref(struct file *file); /* NULL is accepted */

/* What to look for. */
struct file_query {
	const char *root;  /* a folder */
	const char *path;  /* beneath it; "." is the root itself */
	const char *index; /* of a folder */
	size_t n_codings;  /* in the order of preference; what is there first is taken */
	const struct file_coding *codings[FILE_CODINGS_MAX];
};

/* 0 with a file; -EISDIR: a folder, asked for without its '/'; or another negative errno. */
int file_load(const struct file_query *query, struct file **ret_file);

/* 0 when file_load() would find the same, unchanged file; else another loading is due. */
int file_check(const struct file_query *query, const struct file *file);

/* Whether the kernel keeps a path beneath its root: 0 or a negative errno, of the root too. */
int file_check_root(const char *root);
