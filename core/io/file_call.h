/* core/io/file_call.h: one system call on a file, as data: made by a ring or by a thread.
 *
 * What it points at must stay until it has returned. Results are those of the call: 0 or more, or
 * a negative errno. */
#pragma once
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

struct file_job;

enum file_call_kind {
	FILE_CALL_NONE,
	FILE_CALL_OPEN,   /* openat2(fd, path, how) */
	FILE_CALL_STAT,   /* statx(fd, path, flags, STATX_BASIC_STATS, stat) */
	FILE_CALL_READ,   /* preadv(fd, iov, n_iov, at); FILE_AT_CURRENT: readv() */
	FILE_CALL_WRITE,  /* pwritev(fd, iov, n_iov, at); FILE_AT_CURRENT: writev() */
	FILE_CALL_SYNC,   /* fsync(fd); with flags, fdatasync(fd) */
	FILE_CALL_RENAME, /* renameat2(fd, path, to_fd, to_path, flags) */
	FILE_CALL_LINK,   /* linkat(fd, path, to_fd, to_path, flags) */
	FILE_CALL_UNLINK, /* unlinkat(fd, path, flags) */
	FILE_CALL_MKDIR,  /* mkdirat(fd, path, mode) */
	FILE_CALL_CLOSE,  /* close(fd) */
	FILE_CALL_CHMOD,  /* fchmod(fd, mode); no ring knows it */
	FILE_CALL_RUN,    /* run(job): what blocks, and is no single call; on a thread */
	N_FILE_CALLS,
};

/* Of a descriptor that has a position of its own: a pipe, or one that appends. */
#define FILE_AT_CURRENT UINT64_MAX

struct file_call {
	enum file_call_kind kind;
	int fd, to_fd;
	const char *path, *to_path;
	unsigned flags;
	mode_t mode;
	struct open_how how;
	const struct iovec *iov;
	unsigned n_iov;
	uint64_t at;
	struct statx *stat;
	int64_t (*run)(struct file_job *job);
};

int64_t file_call_make(const struct file_call *call, struct file_job *job); /* blocks */
const char *file_call_name(enum file_call_kind kind);                       /* "write" */
