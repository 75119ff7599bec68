/* core/io/file_list.c: the entries of a folder. No ring reads folders: that part is one call of a
 * thread. */
#include "core/io/file_beneath.h"
#include "core/io/net.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIST_START, LIST_OPEN, LIST_READ, LIST_CLOSE };
enum { LIST_FD };

struct file_list {
	struct file_beneath own;
	struct file_list_spec spec;
	struct file_entry *entries;
	size_t n_entries, n_room;
	char path[];
};

static struct file_list *file_list_of(const struct file_job *job)
{
	return container_of(job, struct file_list, own.job);
}

static int list_grow(struct file_list *list)
{
	size_t n_room = MAX(list->n_room * 2, (size_t)64);
	struct file_entry *entries;

	if (list->n_entries < list->n_room)
		return 0;
	if (!file_job_charge(&list->own.job, (n_room - list->n_room) * sizeof(*entries)))
		return -ENOMEM;
	entries = realloc(list->entries, n_room * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	list->entries = entries;
	list->n_room = n_room;
	return 0;
}

static bool list_is_wanted(const struct file_list *list, const char *name)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	return list->spec.hidden || name[0] != '.';
}

/* One that is removed meanwhile is not there. */
static int list_add_entry(struct file_list *list, int fd, const char *name)
{
	struct stat stat;
	char *copy;
	int r;

	if (fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (list->n_entries == list->spec.n_max)
		return -EMSGSIZE;
	r = list_grow(list);
	if (r < 0)
		return r;
	if (!file_job_charge(&list->own.job, strlen(name) + 1))
		return -ENOMEM;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	list->entries[list->n_entries++] = (struct file_entry){
		.name = copy,
		.size = (uint64_t)stat.st_size,
		.mtime_ns = stat.st_mtim.tv_sec * INT64_C(1000000000) + stat.st_mtim.tv_nsec,
		.mode = stat.st_mode,
	};
	return 0;
}

/* On a thread. */
static int64_t list_run(struct file_job *job)
{
	struct file_list *list = file_list_of(job);
	int fd = list->own.fds[LIST_FD], r = 0;
	const struct dirent *entry;
	DIR *dir = fdopendir(fd);

	if (!dir)
		return -errno;
	list->own.fds[LIST_FD] = -1; /* closedir() closes it */
	errno = 0;
	while (r == 0 && (entry = readdir(dir))) {
		if (list_is_wanted(list, entry->d_name))
			r = list_add_entry(list, fd, entry->d_name);
		if (file_job_is_left(job))
			r = -ECANCELED;
		errno = 0;
	}
	if (r == 0 && errno != 0)
		r = -errno;
	closedir(dir);
	if (r == 0 && list->spec.compare && list->n_entries > 1)
		qsort_r(list->entries, list->n_entries, sizeof(*list->entries), list->spec.compare,
			&list->spec.order);
	return r;
}

static bool file_list_next(struct file_job *job, int64_t result)
{
	struct file_list *list = file_list_of(job);
	struct file_beneath *own = &list->own;

	switch (own->state) {
	case LIST_START:
		own->state = LIST_OPEN;
		return file_beneath_open(own, list->path, O_RDONLY | O_DIRECTORY, 0);
	case LIST_OPEN:
		if (result >= 0)
			own->fds[LIST_FD] = (int)result;
		if (!file_job_failed(job, result)) {
			own->state = LIST_READ;
			job->call = (struct file_call){ .kind = FILE_CALL_RUN, .run = list_run };
			return true;
		}
		break;
	case LIST_READ:
		file_job_failed(job, result);
		break;
	case LIST_CLOSE:
		break;
	default:
		unreachable();
	}
	own->state = LIST_CLOSE;
	return file_beneath_close(own);
}

static void file_list_release(struct file_job *job)
{
	struct file_list *list = file_list_of(job);

	for (size_t i = 0; i < list->n_entries; i++)
		free((char *)(uintptr_t)list->entries[i].name);
	free(list->entries);
	file_beneath_release(&list->own);
}

static const struct file_job_ops file_list_ops = { .next = file_list_next,
						   .release = file_list_release };

struct file_job *file_list_create(const struct file_place *place, const struct file_list_spec *spec,
				  struct arena_budget *budget)
{
	struct file_list *list = file_beneath_create(sizeof(*list) + place->path.len + 1,
						     &file_list_ops, place, budget);

	if (!list)
		return NULL;
	list->spec = *spec;
	file_path_copy(list->path, place->path);
	return &list->own.job;
}

size_t file_list_entries(const struct file_job *job, const struct file_entry **ret_entries)
{
	*ret_entries = file_list_of(job)->entries;
	return file_list_of(job)->n_entries;
}
