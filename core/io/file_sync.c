/* core/io/file_sync.c
 *
 *   join --> [running] ----------------\
 *   join while it runs --> [next] --> running when that has ended --> all of them are told */
#include "core/io/file_sync.h"
#include "core/io/file_rw.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct file_sync {
	struct list link; /* in io->syncs */
	struct file_io *io;
	struct file_handle *file;
	uint64_t ino;
	uint32_t dev_major, dev_minor;
	struct list running, next; /* of file_sync_wait.link */
};

static struct file_sync *file_sync_find(struct file_io *io, const struct statx *stat)
{
	struct file_sync *sync;

	list_each(sync, &io->syncs, struct file_sync, link)
		if (sync->ino == stat->stx_ino && sync->dev_major == stat->stx_dev_major &&
		    sync->dev_minor == stat->stx_dev_minor)
			return sync;
	return NULL;
}

static void file_sync_destroy(struct file_sync *sync)
{
	list_remove(&sync->link);
	file_handle_unref(sync->file);
	free(sync);
}

static void file_sync_on_end(struct file_job *job);

static int file_sync_run(struct file_sync *sync)
{
	struct file_job *job = file_sync_create(sync->file, false);
	int r;

	if (!job)
		return -ENOMEM;
	job->owner = sync;
	r = file_io_start(sync->io, job, file_sync_on_end);
	if (r < 0)
		file_job_drop(job);
	return r;
}

static void file_sync_tell(struct list *waits, int error)
{
	struct list *link;

	while ((link = list_pop(waits))) {
		struct file_sync_wait *wait = container_of(link, struct file_sync_wait, link);

		wait->on_end(wait, error);
	}
}

/* Those who are told may join again, and find the next one in its place. */
static void file_sync_on_end(struct file_job *job)
{
	struct file_sync *sync = job->owner;
	struct list told = LIST_INIT(told), late = LIST_INIT(late);
	int error = job->error, r = 0;

	file_job_drop(job);
	list_move_all(&told, &sync->running);
	list_move_all(&sync->running, &sync->next);
	if (list_is_empty(&sync->running)) {
		file_sync_destroy(sync);
	} else {
		r = file_sync_run(sync);
		if (r < 0) {
			list_move_all(&late, &sync->running);
			file_sync_destroy(sync);
		}
	}
	file_sync_tell(&told, error);
	file_sync_tell(&late, r);
}

static struct file_sync *file_sync_make(struct file_io *io, struct file_handle *file,
					const struct statx *stat)
{
	struct file_sync *sync = calloc(1, sizeof(*sync));

	if (!sync)
		return NULL;
	sync->io = io;
	sync->file = file_handle_ref(file);
	sync->ino = stat->stx_ino;
	sync->dev_major = stat->stx_dev_major;
	sync->dev_minor = stat->stx_dev_minor;
	list_init(&sync->running);
	list_init(&sync->next);
	list_add(&io->syncs, &sync->link);
	return sync;
}

int file_sync_join(struct file_io *io, int fd, const struct statx *stat,
		   struct file_sync_wait *wait, file_sync_fn *on_end)
{
	struct file_handle *file = file_handle_create(fd, pool_queue_pool(io->engine->queue));
	struct file_sync *sync = file_sync_find(io, stat);
	int r = 0;

	wait->on_end = on_end;
	list_init(&wait->link);
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	if (sync) {
		list_add(&sync->next, &wait->link);
	} else {
		sync = file_sync_make(io, file, stat);
		r = sync ? file_sync_run(sync) : -ENOMEM;
		if (r == 0)
			list_add(&sync->running, &wait->link);
		else if (sync)
			file_sync_destroy(sync);
	}
	file_handle_unref(file);
	return r;
}

void file_sync_leave(struct file_sync_wait *wait)
{
	list_remove(&wait->link);
}
