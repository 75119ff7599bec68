/* core/io/file_manage.c: names are removed and changed; what is cached goes to the disk. */
#include "core/io/file_beneath.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum {
	MANAGE_START,
	MANAGE_PARENT,
	MANAGE_TO_PARENT,
	MANAGE_CHANGE, /* the name is removed, or changed */
	MANAGE_REMOVE_FOLDER,
	MANAGE_SYNC,
	MANAGE_SYNC_FROM,
	MANAGE_CLOSE,
};

enum { MANAGE_FD, MANAGE_TO_FD, MANAGE_ABOVE_FD };

/* ------------------------------------------------------------ remove
 *
 *   PARENT --> CHANGE --EISDIR--> REMOVE_FOLDER --> SYNC --> CLOSE */
struct file_remove {
	struct file_beneath own;
	struct file_parent parent;
	bool durable;
	char path[];
};

static bool remove_close(struct file_remove *remove)
{
	remove->own.state = MANAGE_CLOSE;
	return file_beneath_close(&remove->own);
}

static bool remove_unlink(struct file_remove *remove, bool is_folder)
{
	remove->own.state = is_folder ? MANAGE_REMOVE_FOLDER : MANAGE_CHANGE;
	remove->own.job.call = (struct file_call){ .kind = FILE_CALL_UNLINK,
						   .fd = remove->own.fds[MANAGE_FD],
						   .path = remove->parent.name,
						   .flags = is_folder ? AT_REMOVEDIR : 0 };
	return true;
}

static bool remove_on_parent(struct file_remove *remove, int64_t result)
{
	switch (file_parent_next(&remove->parent, &remove->own, result)) {
	case FILE_STEP_CALL:
		return true;
	case FILE_STEP_FAILED:
		return remove_close(remove);
	case FILE_STEP_DONE:
		return remove_unlink(remove, false);
	}
	unreachable();
}

static bool remove_on_unlink(struct file_remove *remove, int64_t result)
{
	bool first = remove->own.state == MANAGE_CHANGE;

	if (first && result == -EISDIR && !file_job_is_left(&remove->own.job))
		return remove_unlink(remove, true);
	if (result < 0 || !remove->durable) {
		file_job_failed(&remove->own.job, result);
		return remove_close(remove);
	}
	remove->own.state = MANAGE_SYNC;
	return file_beneath_sync(&remove->own, remove->own.fds[MANAGE_FD]);
}

static bool file_remove_next(struct file_job *job, int64_t result)
{
	struct file_remove *remove = container_of(job, struct file_remove, own.job);

	switch (remove->own.state) {
	case MANAGE_START:
		remove->own.state = MANAGE_PARENT;
		return remove_on_parent(remove, 0);
	case MANAGE_PARENT:
		return remove_on_parent(remove, result);
	case MANAGE_CHANGE:
	case MANAGE_REMOVE_FOLDER:
		return remove_on_unlink(remove, result);
	case MANAGE_SYNC:
		file_job_failed(job, result);
		return remove_close(remove);
	case MANAGE_CLOSE:
		return file_beneath_close(&remove->own);
	default:
		break;
	}
	unreachable();
}

static void file_manage_release(struct file_job *job)
{
	file_beneath_release(container_of(job, struct file_beneath, job));
}

static const struct file_job_ops file_remove_ops = { .next = file_remove_next,
						     .release = file_manage_release };

struct file_job *file_remove_create(const struct file_place *place, bool durable,
				    struct arena_budget *budget)
{
	size_t path_size = place->path.len + 1;
	struct file_remove *remove = file_beneath_create(sizeof(*remove) + 2 * path_size,
							 &file_remove_ops, place, budget);

	if (!remove)
		return NULL;
	remove->durable = durable;
	file_path_copy(remove->path, place->path);
	file_path_copy(remove->path + path_size, place->path);
	file_parent_init(&remove->parent, remove->path, remove->path + path_size,
			 &remove->own.fds[MANAGE_FD], &remove->own.fds[MANAGE_ABOVE_FD]);
	return &remove->own.job;
}

/* ------------------------------------------------------------ rename
 *
 *   PARENT --> TO_PARENT --> CHANGE --> SYNC (of where it is) --> SYNC_FROM (where it was) --> CLOSE */
struct file_rename {
	struct file_beneath own;
	struct file_change change;
	struct file_parent from, to;
	char path[];
};

static bool rename_close(struct file_rename *rename)
{
	rename->own.state = MANAGE_CLOSE;
	return file_beneath_close(&rename->own);
}

static bool rename_call(struct file_rename *rename)
{
	rename->own.state = MANAGE_CHANGE;
	rename->own.job.call =
		(struct file_call){ .kind = FILE_CALL_RENAME,
				    .fd = rename->own.fds[MANAGE_FD],
				    .path = rename->from.name,
				    .to_fd = rename->own.fds[MANAGE_TO_FD],
				    .to_path = rename->to.name,
				    .flags = rename->change.replace ? 0 : RENAME_NOREPLACE };
	return true;
}

static bool rename_on_parent(struct file_rename *rename, int64_t result)
{
	bool first = rename->own.state == MANAGE_PARENT;

	switch (file_parent_next(first ? &rename->from : &rename->to, &rename->own, result)) {
	case FILE_STEP_CALL:
		return true;
	case FILE_STEP_FAILED:
		return rename_close(rename);
	case FILE_STEP_DONE:
		break;
	}
	if (!first)
		return rename_call(rename);
	rename->own.state = MANAGE_TO_PARENT;
	return rename_on_parent(rename, 0);
}

static bool rename_on_change(struct file_rename *rename, int64_t result)
{
	if (result < 0 || !rename->change.durable) {
		file_job_failed(&rename->own.job, result);
		return rename_close(rename);
	}
	rename->own.state = MANAGE_SYNC;
	return file_beneath_sync(&rename->own, rename->own.fds[MANAGE_TO_FD]);
}

static bool file_rename_next(struct file_job *job, int64_t result)
{
	struct file_rename *rename = container_of(job, struct file_rename, own.job);

	switch (rename->own.state) {
	case MANAGE_START:
		rename->own.state = MANAGE_PARENT;
		return rename_on_parent(rename, 0);
	case MANAGE_PARENT:
	case MANAGE_TO_PARENT:
		return rename_on_parent(rename, result);
	case MANAGE_CHANGE:
		return rename_on_change(rename, result);
	case MANAGE_SYNC:
		if (file_job_failed(job, result))
			return rename_close(rename);
		rename->own.state = MANAGE_SYNC_FROM;
		return file_beneath_sync(&rename->own, rename->own.fds[MANAGE_FD]);
	case MANAGE_SYNC_FROM:
		file_job_failed(job, result);
		return rename_close(rename);
	case MANAGE_CLOSE:
		return file_beneath_close(&rename->own);
	default:
		break;
	}
	unreachable();
}

static const struct file_job_ops file_rename_ops = { .next = file_rename_next,
						     .release = file_manage_release };

struct file_job *file_rename_create(const struct file_place *from, struct str to,
				    const struct file_change *change, struct arena_budget *budget)
{
	size_t from_size = from->path.len + 1, to_size = to.len + 1;
	struct file_rename *rename = file_beneath_create(
		sizeof(*rename) + 2 * (from_size + to_size), &file_rename_ops, from, budget);
	char *to_path;

	if (!rename)
		return NULL;
	rename->change = *change;
	to_path = rename->path + 2 * from_size;
	file_path_copy(rename->path, from->path);
	file_path_copy(rename->path + from_size, from->path);
	file_path_copy(to_path, to);
	file_path_copy(to_path + to_size, to);
	file_parent_init(&rename->from, rename->path, rename->path + from_size,
			 &rename->own.fds[MANAGE_FD], &rename->own.fds[MANAGE_ABOVE_FD]);
	file_parent_init(&rename->to, to_path, to_path + to_size, &rename->own.fds[MANAGE_TO_FD],
			 &rename->own.fds[MANAGE_ABOVE_FD]);
	rename->to.make = change->folders;
	rename->to.durable = change->durable;
	return &rename->own.job;
}

/* ------------------------------------------------------------ flush
 *
 *   CHANGE (the open) --> SYNC --> CLOSE */
struct file_flush {
	struct file_beneath own;
	char path[];
};

static bool flush_close(struct file_flush *flush)
{
	flush->own.state = MANAGE_CLOSE;
	return file_beneath_close(&flush->own);
}

static bool file_flush_next(struct file_job *job, int64_t result)
{
	struct file_flush *flush = container_of(job, struct file_flush, own.job);

	switch (flush->own.state) {
	case MANAGE_START:
		flush->own.state = MANAGE_CHANGE;
		return file_beneath_open(&flush->own, flush->path, O_RDONLY | O_NONBLOCK | O_NOCTTY,
					 0);
	case MANAGE_CHANGE:
		if (result >= 0)
			flush->own.fds[MANAGE_FD] = (int)result;
		if (file_job_failed(job, result))
			return flush_close(flush);
		flush->own.state = MANAGE_SYNC;
		return file_beneath_sync(&flush->own, flush->own.fds[MANAGE_FD]);
	case MANAGE_SYNC:
		file_job_failed(job, result);
		return flush_close(flush);
	case MANAGE_CLOSE:
		return file_beneath_close(&flush->own);
	default:
		break;
	}
	unreachable();
}

static const struct file_job_ops file_flush_ops = { .next = file_flush_next,
						    .release = file_manage_release };

struct file_job *file_flush_create(const struct file_place *place, struct arena_budget *budget)
{
	struct file_flush *flush = file_beneath_create(sizeof(*flush) + place->path.len + 1,
						       &file_flush_ops, place, budget);

	if (!flush)
		return NULL;
	file_path_copy(flush->path, place->path);
	return &flush->own.job;
}
