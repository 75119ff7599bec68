/* core/io/file_handle.c */
#include "core/io/file_handle.h"
#include "core/base/check.h"
#include "core/thread/pool.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct file_handle {
	atomic_uint n_refs;
	int fd;
	struct pool *pool;
	struct work work;
};

static void file_handle_close(struct work *work)
{
	struct file_handle *handle = container_of(work, struct file_handle, work);

	close(handle->fd);
	free(handle);
}

struct file_handle *file_handle_create(int fd, struct pool *pool)
{
	struct file_handle *handle = calloc(1, sizeof(*handle));

	if (!handle)
		return NULL;
	atomic_init(&handle->n_refs, 1);
	handle->fd = fd;
	handle->pool = pool;
	handle->work.run = file_handle_close;
	return handle;
}

int file_handle_fd(const struct file_handle *handle)
{
	return handle->fd;
}

struct file_handle *file_handle_ref(struct file_handle *handle)
{
	atomic_fetch_add_explicit(&handle->n_refs, 1, memory_order_relaxed);
	return handle;
}

void file_handle_unref(struct file_handle *handle)
{
	if (!handle || atomic_fetch_sub_explicit(&handle->n_refs, 1, memory_order_acq_rel) > 1)
		return;
	if (handle->pool)
		pool_submit(handle->pool, &handle->work);
	else
		file_handle_close(&handle->work);
}
