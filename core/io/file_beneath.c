/* core/io/file_beneath.c */
#include "core/io/file_beneath.h"
#include "core/io/net.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int file_root_open(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int file_root_check(int fd)
{
	const struct file_call call = { .kind = FILE_CALL_OPEN,
					.fd = fd,
					.path = ".",
					.how = { .flags = O_PATH | O_CLOEXEC,
						 .resolve = RESOLVE_BENEATH } };
	scoped(fd_close) int found = (int)file_call_make(&call, NULL);

	return MIN(found, 0);
}

static bool file_part_is_proper(struct str part)
{
	return part.len > 0 && !str_eq(part, STR(".")) && !str_eq(part, STR(".."));
}

bool file_path_is_proper(struct str path)
{
	bool ok = path.len > 0 && path.len <= FILE_PATH_MAX && !str_has(path, '\0');
	size_t start = 0;

	if (str_eq(path, STR(".")))
		return true;
	for (size_t i = 0; ok && i <= path.len; i++) {
		if (i < path.len && path.ptr[i] != '/')
			continue;
		ok = file_part_is_proper(str_first(str_skip(path, start), i - start));
		start = i + 1;
	}
	return ok;
}

/* ------------------------------------------------------------ a job's memory */

void *file_beneath_create(size_t size, const struct file_job_ops *ops,
			  const struct file_place *place, struct arena_budget *budget)
{
	struct file_beneath *own = calloc(1, size);

	if (!own)
		return NULL;
	file_job_init(&own->job, ops, budget);
	for (unsigned i = 0; i < FILE_FDS; i++)
		own->fds[i] = -1;
	own->root = file_handle_ref(place->root);
	own->links = place->links;
	if (file_job_charge(&own->job, size))
		return own;
	file_beneath_release(own);
	return NULL;
}

/* Of a job that was never started nothing is open; of one that has ended neither. */
void file_beneath_release(struct file_beneath *own)
{
	for (unsigned i = 0; i < FILE_FDS; i++)
		fd_close(&own->fds[i]);
	file_handle_unref(own->root);
	file_job_give_back(&own->job);
	free(own);
}

const char *file_path_copy(char *to, struct str path)
{
	memcpy(to, path.ptr, path.len);
	to[path.len] = '\0';
	return to;
}

/* ------------------------------------------------------------ calls */

bool file_beneath_open(struct file_beneath *own, const char *path, uint64_t flags, mode_t mode)
{
	uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;

	if (!own->links)
		resolve |= RESOLVE_NO_SYMLINKS;
	own->job.call = (struct file_call){
		.kind = FILE_CALL_OPEN,
		.fd = file_handle_fd(own->root),
		.path = path,
		.how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve }
	};
	return true;
}

bool file_beneath_stat(struct file_beneath *own, int fd, struct statx *stat)
{
	own->job.call = (struct file_call){
		.kind = FILE_CALL_STAT, .fd = fd, .path = "", .flags = AT_EMPTY_PATH, .stat = stat
	};
	return true;
}

bool file_beneath_sync(struct file_beneath *own, int fd)
{
	own->job.call = (struct file_call){ .kind = FILE_CALL_SYNC, .fd = fd };
	return true;
}

bool file_beneath_close(struct file_beneath *own)
{
	for (unsigned i = 0; i < FILE_FDS; i++) {
		if (own->fds[i] < 0)
			continue;
		own->job.call = (struct file_call){ .kind = FILE_CALL_CLOSE, .fd = own->fds[i] };
		own->fds[i] = -1;
		return true;
	}
	return false;
}

int file_check_regular(const struct statx *stat)
{
	if (S_ISREG(stat->stx_mode))
		return 0;
	return S_ISDIR(stat->stx_mode) ? -EISDIR : -EINVAL;
}

/* ------------------------------------------------------------ the folder of a path
 *
 *   WHOLE --ENOENT--> ABOVE --> MKDIR --> (SYNC) --> CLOSE --next part--> ABOVE …
 *     |                                                \--the last--> WHOLE
 *   done
 *
 * Each folder above is opened anew beneath the root: what is put in the place of one that was just
 * made leads nowhere. */
enum { PARENT_START, PARENT_WHOLE, PARENT_ABOVE, PARENT_MKDIR, PARENT_SYNC, PARENT_CLOSE };

void file_parent_init(struct file_parent *parent, const char *path, char *copy, int *fd, int *above)
{
	const char *slash = strrchr(path, '/');

	*parent = (struct file_parent){ .name = slash ? slash + 1 : path,
					.folder = copy,
					.len = slash ? (size_t)(slash - path) : 0 };
	parent->fd = fd;
	parent->above = above;
	copy[parent->len] = '\0';
}

static enum file_step file_parent_open(struct file_parent *parent, struct file_beneath *own,
				       unsigned state)
{
	bool is_root = state == PARENT_WHOLE ? parent->len == 0 : parent->start == 0;

	parent->state = state;
	file_beneath_open(own, is_root ? "." : parent->folder, O_RDONLY | O_DIRECTORY, 0);
	return FILE_STEP_CALL;
}

/* The part that begins at `start`. */
static enum file_step file_parent_above(struct file_parent *parent, struct file_beneath *own)
{
	if (parent->start > 0)
		parent->folder[parent->start - 1] = '\0';
	return file_parent_open(parent, own, PARENT_ABOVE);
}

static enum file_step file_parent_mkdir(struct file_parent *parent, struct file_beneath *own)
{
	const char *end;

	if (parent->start > 0)
		parent->folder[parent->start - 1] = '/';
	end = strchr(parent->folder + parent->start, '/');
	parent->end = end ? (size_t)(end - parent->folder) : parent->len;
	parent->folder[parent->end] = '\0';
	parent->state = PARENT_MKDIR;
	own->job.call = (struct file_call){ .kind = FILE_CALL_MKDIR,
					    .fd = *parent->above,
					    .path = parent->folder + parent->start,
					    .mode = 0777 };
	return FILE_STEP_CALL;
}

static enum file_step file_parent_close(struct file_parent *parent, struct file_beneath *own)
{
	parent->state = PARENT_CLOSE;
	own->job.call = (struct file_call){ .kind = FILE_CALL_CLOSE, .fd = *parent->above };
	*parent->above = -1;
	return FILE_STEP_CALL;
}

static enum file_step file_parent_after_part(struct file_parent *parent, struct file_beneath *own)
{
	if (parent->end == parent->len)
		return file_parent_open(parent, own, PARENT_WHOLE);
	parent->folder[parent->end] = '/';
	parent->start = parent->end + 1;
	return file_parent_above(parent, own);
}

enum file_step file_parent_next(struct file_parent *parent, struct file_beneath *own,
				int64_t result)
{
	if (parent->state == PARENT_WHOLE && result >= 0)
		*parent->fd = (int)result;
	if (parent->state == PARENT_ABOVE && result >= 0)
		*parent->above = (int)result;
	if (parent->state == PARENT_WHOLE && result == -ENOENT && parent->make && !parent->made) {
		parent->made = true;
		return file_parent_above(parent, own);
	}
	if (parent->state == PARENT_MKDIR && result == -EEXIST)
		return file_parent_close(parent, own);
	if (parent->state != PARENT_START && file_job_failed(&own->job, result))
		return FILE_STEP_FAILED;
	switch (parent->state) {
	case PARENT_START:
		return file_parent_open(parent, own, PARENT_WHOLE);
	case PARENT_WHOLE:
		return FILE_STEP_DONE;
	case PARENT_ABOVE:
		return file_parent_mkdir(parent, own);
	case PARENT_MKDIR:
		if (!parent->durable)
			return file_parent_close(parent, own);
		parent->state = PARENT_SYNC;
		file_beneath_sync(own, *parent->above);
		return FILE_STEP_CALL;
	case PARENT_SYNC:
		return file_parent_close(parent, own);
	case PARENT_CLOSE:
		return file_parent_after_part(parent, own);
	}
	unreachable();
}
