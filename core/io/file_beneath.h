/* core/io/file_beneath.h: what the jobs of file_tree.h share. Internal to them. */
#pragma once
#include "core/io/file_tree.h"

enum { FILE_FDS = 4, FILE_PATH_MAX = 4095 };

/* The first field of each such job. */
struct file_beneath {
	struct file_job job;
	struct file_handle *root;
	bool links;
	unsigned state;    /* of the job's own */
	int fds[FILE_FDS]; /* -1, or open: closed at the end */
};

/* Allocates `size` bytes, cleared, that begin with a struct file_beneath; and counts them. */
void *file_beneath_create(size_t size, const struct file_job_ops *ops,
			  const struct file_place *place, struct arena_budget *budget);
void file_beneath_release(struct file_beneath *own); /* frees it */

/* The bytes of a path, with a NUL, into memory behind a struct. */
const char *file_path_copy(char *to, struct str path);

/* The call that opens `path` beneath the root. */
bool file_beneath_open(struct file_beneath *own, const char *path, uint64_t flags, mode_t mode);
bool file_beneath_stat(struct file_beneath *own, int fd, struct statx *stat);
bool file_beneath_sync(struct file_beneath *own, int fd);

/* The call that closes the next of the descriptors; false: there is none any more. */
bool file_beneath_close(struct file_beneath *own);

/* 0, or why it cannot be read as a file: -EISDIR, -EINVAL. */
int file_check_regular(const struct statx *stat);

/* ------------------------------------------------------------ the folder of a path */

/* Opens the folder that a path is in; those that are missing are made, from the top, when it may. */
struct file_parent {
	const char *name; /* of what is in it */
	char *folder;     /* its path; cut at `end` while one of its parts is made */
	size_t len;
	size_t start, end; /* the part at hand */
	unsigned state;
	bool make, durable, made;
	int *fd, *above; /* two of the job's: the result; the folder above the one that is made */
};

enum file_step {
	FILE_STEP_CALL, /* job->call is to be made */
	FILE_STEP_DONE,
	FILE_STEP_FAILED, /* job->error tells */
};

/* `copy` is a copy of `path` that is the parent's to change; both stay. */
void file_parent_init(struct file_parent *parent, const char *path, char *copy, int *fd,
		      int *above);
enum file_step file_parent_next(struct file_parent *parent, struct file_beneath *own,
				int64_t result);
