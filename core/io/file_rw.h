/* core/io/file_rw.h: positional and vectored reads and writes, as jobs (core/io/file_io.h).
 *
 * 	struct file_rw_spec spec = { .file = handle, .at = offset, .iov = &iov, .n_iov = 1,
 * 				     .owner = buffer, .release = free };
 * 	struct file_job *job = file_read_create(&spec);
 * 	if (file_job_now(job))            // it was in the page cache
 * 		… the same as at the end
 * 	else if (file_io_start(io, job, on_end) < 0)
 * 		… too much is under way already
 * 	… at the end: job->error, file_rw_size(job); file_job_drop(job) calls release(buffer)
 *
 * The memory that `iov` points at belongs to the job until release(owner) is called, which may be
 * long after its owner has left it: the kernel may still write there. The handle is the job's own
 * reference. Short reads and writes are gone on with: a read ends short only at the end of the file
 * (of a pipe: with what there is), a write never.
 *
 * To measure: open a file with O_RDONLY, start FILE_RUNNING_MAX reads of 4 KiB at random offsets
 * on a loop, and another one in each on_end; cold is after posix_fadvise(POSIX_FADV_DONTNEED) of
 * all of it, or with a file larger than memory. One thread of pread() is the loop to compare with;
 * file_engine_open(…, false) gives the pool's figures, `true` the ring's, and leaving out
 * file_job_now() those of what is warm, but goes through the engine. */
#pragma once
#include "core/io/file_handle.h"
#include "core/io/file_io.h"

enum {
	FILE_IOV_MAX = 1024,      /* pieces of one job */
	FILE_NOW_MAX = 64 << 10,  /* more than this is copied by the engine, not by the loop */
	FILE_CALL_SIZE = 1 << 20, /* bytes of one call of those jobs that have one piece */
};

struct file_rw_spec {
	struct file_handle *file;
	uint64_t at;             /* FILE_AT_CURRENT: of a pipe, or a file that appends */
	const struct iovec *iov; /* copied; 1 to FILE_IOV_MAX pieces */
	size_t n_iov;
	void *owner;
	void (*release)(void *owner); /* any thread; NULL: the memory outlives every job */
};

/* NULL without memory (or with too many pieces): then nothing was taken. */
struct file_job *file_read_create(const struct file_rw_spec *spec);
struct file_job *file_write_create(const struct file_rw_spec *spec);
struct file_job *file_sync_create(struct file_handle *file, bool data_only);

size_t file_rw_size(const struct file_job *job); /* bytes that were read or written */

/* ------------------------------------------------------------ for who writes a job */

/* One run of bytes, in calls of FILE_CALL_SIZE at most. */
struct file_transfer {
	struct iovec iov; /* of the call at hand */
	char *bytes;
	size_t size, done;
	uint64_t at; /* of the first byte; or FILE_AT_CURRENT */
};

/* The call for what is left; at least one byte is. */
void file_transfer_call(struct file_transfer *transfer, struct file_call *call,
			enum file_call_kind kind, int fd);
