/* core/io/file_rw.c */
#include "core/io/file_rw.h"
#include <errno.h>
#include <stdlib.h>

struct file_rw {
	struct file_job job;
	enum file_call_kind kind;
	struct file_handle *file;
	uint64_t at;
	size_t done, left;
	void *owner;
	void (*release)(void *owner);
	unsigned flags;
	unsigned first, n_iov; /* of those that are not done */
	struct iovec iov[];
};

static struct file_rw *file_rw_of(struct file_job *job)
{
	return container_of(job, struct file_rw, job);
}

/* ------------------------------------------------------------ what is done of it */

static void file_rw_pass(struct file_rw *rw, size_t size)
{
	rw->done += size;
	rw->left -= size;
	if (rw->at != FILE_AT_CURRENT)
		rw->at += size;
	while (rw->first < rw->n_iov && size >= rw->iov[rw->first].iov_len)
		size -= rw->iov[rw->first++].iov_len;
	if (size == 0)
		return;
	rw->iov[rw->first].iov_base = (char *)rw->iov[rw->first].iov_base + size;
	rw->iov[rw->first].iov_len -= size;
}

/* A pipe gives what it has; a file ends where a read gives nothing. */
static bool file_rw_is_whole(const struct file_rw *rw, size_t size)
{
	if (rw->left == 0)
		return true;
	return rw->kind == FILE_CALL_READ && (size == 0 || rw->at == FILE_AT_CURRENT);
}

static bool file_rw_call(struct file_rw *rw)
{
	rw->job.call = (struct file_call){ .kind = rw->kind,
					   .fd = file_handle_fd(rw->file),
					   .flags = rw->flags,
					   .iov = rw->iov + rw->first,
					   .n_iov = rw->n_iov - rw->first,
					   .at = rw->at };
	return true;
}

static bool file_rw_next(struct file_job *job, int64_t result)
{
	struct file_rw *rw = file_rw_of(job);

	if (job->call.kind == FILE_CALL_NONE) /* the first */
		return (rw->left > 0 || rw->kind == FILE_CALL_SYNC) && file_rw_call(rw);
	if (rw->kind == FILE_CALL_SYNC) {
		file_job_failed(job, result);
		return false;
	}
	if (result > 0)
		file_rw_pass(rw, (size_t)result);
	if (result == 0 && rw->kind == FILE_CALL_WRITE)
		result = -EIO; /* a file that takes nothing, and does not say why */
	if ((result < 0 || rw->left > 0) && file_job_failed(job, result))
		return false;
	return !file_rw_is_whole(rw, (size_t)result) && file_rw_call(rw);
}

/* What is in the page cache is copied at once. Only preadv2(RWF_NOWAIT) can tell, and it neither
 * waits nor starts to read; where the filesystem does not know it, it says so. */
static bool file_rw_now(struct file_job *job)
{
	struct file_rw *rw = file_rw_of(job);
	ssize_t n;

	if (rw->kind != FILE_CALL_READ || rw->at == FILE_AT_CURRENT || rw->left > FILE_NOW_MAX)
		return false;
	if (rw->left == 0)
		return true;
	n = preadv2(file_handle_fd(rw->file), rw->iov + rw->first, (int)(rw->n_iov - rw->first),
		    (off_t)rw->at, RWF_NOWAIT);
	if (n > 0)
		file_rw_pass(rw, (size_t)n);
	return rw->left == 0;
}

static void file_rw_release(struct file_job *job)
{
	struct file_rw *rw = file_rw_of(job);

	file_handle_unref(rw->file);
	if (rw->release)
		rw->release(rw->owner);
	free(rw);
}

static const struct file_job_ops file_rw_ops = { file_rw_next, file_rw_now, file_rw_release };

/* ------------------------------------------------------------ making */

static struct file_job *file_rw_create(const struct file_rw_spec *spec, enum file_call_kind kind)
{
	struct file_rw *rw;

	if (spec->n_iov > FILE_IOV_MAX)
		return NULL;
	rw = calloc(1, sizeof(*rw) + spec->n_iov * sizeof(struct iovec));
	if (!rw)
		return NULL;
	file_job_init(&rw->job, &file_rw_ops, NULL);
	rw->kind = kind;
	rw->file = file_handle_ref(spec->file);
	rw->at = spec->at;
	rw->owner = spec->owner;
	rw->release = spec->release;
	rw->n_iov = (unsigned)spec->n_iov;
	for (size_t i = 0; i < spec->n_iov; i++) {
		rw->iov[i] = spec->iov[i];
		rw->left += spec->iov[i].iov_len;
	}
	return &rw->job;
}

struct file_job *file_read_create(const struct file_rw_spec *spec)
{
	return file_rw_create(spec, FILE_CALL_READ);
}

struct file_job *file_write_create(const struct file_rw_spec *spec)
{
	return file_rw_create(spec, FILE_CALL_WRITE);
}

struct file_job *file_sync_create(struct file_handle *file, bool data_only)
{
	const struct file_rw_spec spec = { .file = file };
	struct file_job *job = file_rw_create(&spec, FILE_CALL_SYNC);

	if (job)
		file_rw_of(job)->flags = data_only;
	return job;
}

size_t file_rw_size(const struct file_job *job)
{
	return container_of(job, const struct file_rw, job)->done;
}

/* ------------------------------------------------------------ a run of bytes */

void file_transfer_call(struct file_transfer *transfer, struct file_call *call,
			enum file_call_kind kind, int fd)
{
	size_t left = transfer->size - transfer->done;

	transfer->iov = (struct iovec){ transfer->bytes + transfer->done,
					MIN(left, (size_t)FILE_CALL_SIZE) };
	*call = (struct file_call){ .kind = kind,
				    .fd = fd,
				    .iov = &transfer->iov,
				    .n_iov = 1,
				    .at = transfer->at == FILE_AT_CURRENT
						  ? FILE_AT_CURRENT
						  : transfer->at + transfer->done };
}
