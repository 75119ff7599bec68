/* core/io/file_tree.h: what is done to files beneath a root, as jobs (core/io/file_io.h).
 *
 * The kernel resolves each path from the root's descriptor (openat2: beneath it, no magic links, no
 * symbolic links unless they are allowed), so nothing that is renamed or linked meanwhile leads out.
 * What goes by a name (making, renaming, removing) is done on the descriptor of its folder.
 *
 * A job that was left stops before the next call, and puts away what it had begun: a file that is
 * stored is there whole, or as it was before. */
#pragma once
#include "core/base/str.h"
#include "core/io/file_handle.h"
#include "core/io/file_io.h"

struct arena_block;

/* A descriptor of the folder (O_PATH), or a negative errno. Blocks. */
int file_root_open(const char *path);

/* Whether the kernel keeps paths beneath it: 0 or a negative errno. Blocks. */
int file_root_check(int fd);

/* Relative, without a NUL, without parts that are empty, "." or "..": what a root takes. "." alone is
 * the root itself. */
bool file_path_is_proper(struct str path);

struct file_place {
	struct file_handle *root;
	bool links;      /* symbolic links are followed as long as they stay beneath the root */
	struct str path; /* proper; copied */
};

/* Each of these returns NULL without memory. `budget` may be NULL. */

/* Opens a regular file to be read by parts. Then: its descriptor, which is the caller's. */
struct file_job *file_open_create(const struct file_place *place, struct arena_budget *budget);
int file_open_take(struct file_job *job);
const struct statx *file_open_stat(const struct file_job *job);

/* Reads bytes of a regular file: `length` of them from `offset`, or fewer where it ends. More than
 * `max` is -EMSGSIZE, and nothing is read. The bytes are a block for an arena (arena_adopt()), or the
 * caller's to destroy; NULL: there are none. */
struct file_range {
	uint64_t offset, length, max;
};
struct file_job *file_load_create(const struct file_place *place, const struct file_range *range,
				  struct arena_budget *budget);
struct arena_block *file_load_take(struct file_job *job, size_t *ret_size);
const struct statx *file_load_stat(const struct file_job *job);

/* What it is; of a symbolic link that is not followed, the link. */
struct file_job *file_stat_create(const struct file_place *place, struct arena_budget *budget);
const struct statx *file_stat_found(const struct file_job *job);

enum { FILE_MODE_DEFAULT = -1 }; /* 0666 and the umask; of a file that is replaced, its own */

struct file_change {
	bool durable; /* synced, with the folders whose names have changed, before it is over */
	bool replace; /* what has the name already; else -EEXIST */
	bool folders; /* those of the path that are missing are made */
	int mode;     /* of a file that is made: 0 to 0777, or FILE_MODE_DEFAULT */
};

/* Makes a file of these bytes (copied), or of those of another file: written to one without a name,
 * synced, and then given the name: whoever opens it sees the old one or the new one, whole. Where the
 * filesystem has no files without a name, one with a name of leat's own, which is removed when it
 * fails. */
struct file_job *file_store_create(const struct file_place *place, const struct file_change *change,
				   struct str bytes, struct arena_budget *budget);
struct file_job *file_copy_create(const struct file_place *place, const struct file_change *change,
				  const char *from, struct arena_budget *budget);
uint64_t file_store_size(const struct file_job *job); /* bytes that were written */

/* Writes behind the end of a file, which is made when it is not there. Not synced: it leaves an open
 * descriptor for that (core/io/file_sync.h), or -1 when `change` is not durable. When a part only
 * could be written (a full disk), that part stays. */
struct file_job *file_append_create(const struct file_place *place,
				    const struct file_change *change, struct str bytes,
				    struct arena_budget *budget);
int file_append_take(struct file_job *job);
const struct statx *file_append_stat(const struct file_job *job); /* before the write */

/* A file, a link, or an empty folder. */
struct file_job *file_remove_create(const struct file_place *place, bool durable,
				    struct arena_budget *budget);
struct file_job *file_rename_create(const struct file_place *from, struct str to,
				    const struct file_change *change, struct arena_budget *budget);
/* A file or a folder, to the disk. */
struct file_job *file_flush_create(const struct file_place *place, struct arena_budget *budget);

struct file_entry {
	const char *name;
	uint64_t size;
	int64_t mtime_ns;
	mode_t mode; /* with its type */
};

struct file_list_spec {
	size_t n_max; /* more is -EMSGSIZE */
	bool hidden;  /* those that begin with a dot, too */
	/* Their order, as of qsort_r(), with `order` as the last argument; NULL: none. Any thread. */
	int (*compare)(const void *a, const void *b, void *order);
	int order;
};

/* The entries of a folder, without "." and "..". */
struct file_job *file_list_create(const struct file_place *place, const struct file_list_spec *spec,
				  struct arena_budget *budget);
size_t file_list_entries(const struct file_job *job, const struct file_entry **ret_entries);
