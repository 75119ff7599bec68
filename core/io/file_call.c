/* core/io/file_call.c */
#include "core/io/file_call.h"
#include "core/base/check.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int64_t file_call_transfer(const struct file_call *call)
{
	off_t at = call->at == FILE_AT_CURRENT ? -1 : (off_t)call->at;
	int n_iov = (int)call->n_iov;

	return call->kind == FILE_CALL_READ ? preadv2(call->fd, call->iov, n_iov, at, 0)
					    : pwritev2(call->fd, call->iov, n_iov, at, 0);
}

static int64_t file_call_once(const struct file_call *call, struct file_job *job)
{
	switch (call->kind) {
	case FILE_CALL_OPEN:
		return syscall(SYS_openat2, call->fd, call->path, &call->how, sizeof(call->how));
	case FILE_CALL_STAT:
		return statx(call->fd, call->path, (int)call->flags, STATX_BASIC_STATS, call->stat);
	case FILE_CALL_READ:
	case FILE_CALL_WRITE:
		return file_call_transfer(call);
	case FILE_CALL_SYNC:
		return call->flags ? fdatasync(call->fd) : fsync(call->fd);
	case FILE_CALL_RENAME:
		return renameat2(call->fd, call->path, call->to_fd, call->to_path, call->flags);
	case FILE_CALL_LINK:
		return linkat(call->fd, call->path, call->to_fd, call->to_path, (int)call->flags);
	case FILE_CALL_UNLINK:
		return unlinkat(call->fd, call->path, (int)call->flags);
	case FILE_CALL_MKDIR:
		return mkdirat(call->fd, call->path, call->mode);
	case FILE_CALL_CLOSE:
		return close(call->fd);
	case FILE_CALL_CHMOD:
		return fchmod(call->fd, call->mode);
	case FILE_CALL_RUN:
		return call->run(job);
	case FILE_CALL_NONE:
	case N_FILE_CALLS:
		break;
	}
	unreachable();
}

/* close() is not made again: the descriptor is gone, whatever it says. */
int64_t file_call_make(const struct file_call *call, struct file_job *job)
{
	int64_t result;

	do {
		result = file_call_once(call, job);
		if (call->kind == FILE_CALL_RUN)
			return result;
	} while (result < 0 && errno == EINTR && call->kind != FILE_CALL_CLOSE);
	return result < 0 ? -errno : result;
}

const char *file_call_name(enum file_call_kind kind)
{
	static const char *const names[] = {
		[FILE_CALL_NONE] = "start",    [FILE_CALL_OPEN] = "open",
		[FILE_CALL_STAT] = "stat",     [FILE_CALL_READ] = "read",
		[FILE_CALL_WRITE] = "write",   [FILE_CALL_SYNC] = "fsync",
		[FILE_CALL_RENAME] = "rename", [FILE_CALL_LINK] = "link",
		[FILE_CALL_UNLINK] = "unlink", [FILE_CALL_MKDIR] = "mkdir",
		[FILE_CALL_CLOSE] = "close",   [FILE_CALL_CHMOD] = "chmod",
		[FILE_CALL_RUN] = "list",
	};

	_Static_assert(ARRAY_LEN(names) == N_FILE_CALLS, "a name for each call");
	return names[kind];
}
