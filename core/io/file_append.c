/* core/io/file_append.c
 *
 *   OPEN --ENOENT, folders--> PARENT --> OPEN
 *     \--> STAT --> (CHMOD) --> WRITE … --> CLOSE
 *
 * The descriptor appends (O_APPEND), so each write goes behind what others have written. It is made
 * one call where the bytes allow it, so that records of several writers do not mix. */
#include "core/io/file_beneath.h"
#include "core/io/file_rw.h"
#include "core/io/net.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum {
	APPEND_START,
	APPEND_PARENT,
	APPEND_OPEN,
	APPEND_STAT,
	APPEND_CHMOD,
	APPEND_WRITE,
	APPEND_CLOSE,
};

enum { APPEND_FOLDER_FD, APPEND_FD, APPEND_ABOVE_FD };

struct file_append {
	struct file_beneath own;
	struct file_change change;
	struct file_parent parent;
	struct statx stat;
	bool has_folders; /* they were made */
	char *bytes;
	size_t size, done;
	struct iovec iov;
	char path[];
};

static struct file_append *file_append_of(const struct file_job *job)
{
	return container_of(job, struct file_append, own.job);
}

static int append_fd(const struct file_append *append)
{
	return append->own.fds[APPEND_FD];
}

/* The descriptor is kept, when it is still to be synced. */
static bool append_close(struct file_append *append)
{
	bool keep = append->change.durable && append->own.job.error == 0;
	int fd = append_fd(append);
	bool more;

	append->own.state = APPEND_CLOSE;
	if (!keep)
		return file_beneath_close(&append->own);
	append->own.fds[APPEND_FD] = -1;
	more = file_beneath_close(&append->own);
	append->own.fds[APPEND_FD] = fd;
	return more;
}

static bool append_open(struct file_append *append)
{
	mode_t mode = append->change.mode < 0 ? 0666 : (mode_t)append->change.mode;

	append->own.state = APPEND_OPEN;
	return file_beneath_open(&append->own, append->path,
				 O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, mode);
}

static bool append_on_parent(struct file_append *append, int64_t result)
{
	switch (file_parent_next(&append->parent, &append->own, result)) {
	case FILE_STEP_CALL:
		return true;
	case FILE_STEP_FAILED:
		return append_close(append);
	case FILE_STEP_DONE:
		return append_open(append);
	}
	unreachable();
}

static bool append_on_open(struct file_append *append, int64_t result)
{
	if (result >= 0)
		append->own.fds[APPEND_FD] = (int)result;
	if (result == -ENOENT && append->change.folders && !append->has_folders) {
		append->has_folders = true;
		append->own.state = APPEND_PARENT;
		return append_on_parent(append, 0);
	}
	if (file_job_failed(&append->own.job, result))
		return append_close(append);
	append->own.state = APPEND_STAT;
	return file_beneath_stat(&append->own, append_fd(append), &append->stat);
}

static bool append_write(struct file_append *append)
{
	if (append->done == append->size)
		return append_close(append);
	append->own.state = APPEND_WRITE;
	append->iov = (struct iovec){ append->bytes + append->done, append->size - append->done };
	append->own.job.call = (struct file_call){ .kind = FILE_CALL_WRITE,
						   .fd = append_fd(append),
						   .iov = &append->iov,
						   .n_iov = 1,
						   .at = FILE_AT_CURRENT };
	return true;
}

/* The umask has no say in a mode that was asked for. */
static bool append_on_stat(struct file_append *append, int64_t result)
{
	int r = result < 0 ? (int)result : file_check_regular(&append->stat);

	if (file_job_failed(&append->own.job, r))
		return append_close(append);
	if (append->change.mode < 0 || append->stat.stx_size > 0 ||
	    (append->stat.stx_mode & 0777) == append->change.mode)
		return append_write(append);
	append->own.state = APPEND_CHMOD;
	append->own.job.call = (struct file_call){ .kind = FILE_CALL_CHMOD,
						   .fd = append_fd(append),
						   .mode = (mode_t)append->change.mode };
	return true;
}

static bool append_on_write(struct file_append *append, int64_t result)
{
	if (result == 0)
		result = -EIO; /* it takes nothing, and does not say why */
	append->done += (size_t)MAX(result, INT64_C(0));
	if (append->done < append->size && file_job_failed(&append->own.job, result))
		return append_close(append);
	return append_write(append);
}

static bool file_append_next(struct file_job *job, int64_t result)
{
	struct file_append *append = file_append_of(job);

	switch (append->own.state) {
	case APPEND_START:
		return append_open(append);
	case APPEND_PARENT:
		return append_on_parent(append, result);
	case APPEND_OPEN:
		return append_on_open(append, result);
	case APPEND_STAT:
		return append_on_stat(append, result);
	case APPEND_CHMOD:
		return file_job_failed(job, result) ? append_close(append) : append_write(append);
	case APPEND_WRITE:
		return append_on_write(append, result);
	case APPEND_CLOSE:
		return append_close(append);
	}
	unreachable();
}

static void file_append_release(struct file_job *job)
{
	struct file_append *append = file_append_of(job);

	free(append->bytes);
	file_beneath_release(&append->own);
}

static const struct file_job_ops file_append_ops = { .next = file_append_next,
						     .release = file_append_release };

struct file_job *file_append_create(const struct file_place *place,
				    const struct file_change *change, struct str bytes,
				    struct arena_budget *budget)
{
	size_t path_size = place->path.len + 1;
	struct file_append *append = file_beneath_create(sizeof(*append) + 2 * path_size,
							 &file_append_ops, place, budget);

	if (!append)
		return NULL;
	append->change = *change;
	file_path_copy(append->path, place->path);
	file_path_copy(append->path + path_size, place->path);
	file_parent_init(&append->parent, append->path, append->path + path_size,
			 &append->own.fds[APPEND_FOLDER_FD], &append->own.fds[APPEND_ABOVE_FD]);
	append->parent.make = true;
	append->parent.durable = change->durable;
	if (file_job_charge(&append->own.job, bytes.len))
		append->bytes = malloc(bytes.len + 1);
	if (!append->bytes) {
		file_append_release(&append->own.job);
		return NULL;
	}
	append->size = bytes.len;
	file_path_copy(append->bytes, bytes);
	return &append->own.job;
}

int file_append_take(struct file_job *job)
{
	return fd_take(&file_append_of(job)->own.fds[APPEND_FD]);
}

const struct statx *file_append_stat(const struct file_job *job)
{
	return &file_append_of(job)->stat;
}
