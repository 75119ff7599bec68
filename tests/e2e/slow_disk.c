/* tests/e2e/slow_disk.c: a disk that is slow for files named *.slow; for LD_PRELOAD (see test_files_cold.py).
 *
 * Bytes of such a file are cold until pread() has read them, which takes its time. sendfile() of cold bytes waits, as the
 * kernel's does, and is told of in LEAT_SLOW_LOG with the name of the thread; so is every other call that waited. While
 * the file LEAT_SLOW_HOLD is there, fstat() of such a file waits, as for a disk that does not answer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CHUNK = 64 << 10, CHUNKS = 1024, FILES = 8, CHUNK_US = 4000 };

static struct {
	atomic_ulong ino;
	atomic_bool warm[CHUNKS];
} disk[FILES];

static int log_fd = -1;
static const char *hold;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("LEAT_SLOW_LOG");

	hold = getenv("LEAT_SLOW_HOLD");
	if (path)
		log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void say(const char *call)
{
	char thread[32] = "", line[80];
	int n;

	pthread_getname_np(pthread_self(), thread, sizeof(thread));
	n = snprintf(line, sizeof(line), "%s %s\n", call, thread);
	if (syscall(SYS_write, log_fd, line, n) != n)
		abort();
}

static bool is_slow(int fd)
{
	char link[64], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	return n > 5 && memcmp(path + n - 5, ".slow", 5) == 0;
}

/* -1: it is not slow */
static int place(int fd)
{
	struct stat stat;

	if (!is_slow(fd) || syscall(SYS_fstat, fd, &stat) < 0)
		return -1;
	for (int i = 0; i < FILES; i++) {
		unsigned long none = 0;

		if (disk[i].ino == stat.st_ino ||
		    atomic_compare_exchange_strong(&disk[i].ino, &none, stat.st_ino) ||
		    none == stat.st_ino)
			return i;
	}
	abort();
}

static bool is_warm(int at, off_t from, size_t size)
{
	for (off_t i = from / CHUNK; size && i <= (from + (off_t)size - 1) / CHUNK; i++)
		if (!disk[at].warm[i])
			return false;
	return true;
}

static void warm(int at, off_t from, size_t size, const char *call)
{
	for (off_t i = from / CHUNK; size && i <= (from + (off_t)size - 1) / CHUNK; i++) {
		if (disk[at].warm[i])
			continue;
		say(call);
		usleep(CHUNK_US);
		disk[at].warm[i] = true;
	}
}

ssize_t pread(int fd, void *bytes, size_t size, off_t from)
{
	int at = place(fd);

	if (at >= 0)
		warm(at, from, size, "pread");
	return syscall(SYS_pread64, fd, bytes, size, from);
}

ssize_t pread64(int fd, void *bytes, size_t size, off_t from) __attribute__((alias("pread")));

ssize_t preadv2(int fd, const struct iovec *parts, int n_parts, off_t from, int flags)
{
	int at = place(fd);
	size_t size = 0;

	for (int i = 0; i < n_parts; i++)
		size += parts[i].iov_len;
	if (at >= 0 && (flags & RWF_NOWAIT) && !is_warm(at, from, size)) {
		errno = EAGAIN;
		return -1;
	}
	return syscall(SYS_preadv2, fd, parts, n_parts, from, 0, flags);
}

ssize_t preadv64v2(int fd, const struct iovec *parts, int n_parts, off_t from, int flags)
	__attribute__((alias("preadv2")));

ssize_t sendfile(int to, int fd, off_t *from, size_t size)
{
	int at = place(fd);

	if (at >= 0)
		warm(at, *from, size, "sendfile");
	return syscall(SYS_sendfile, to, fd, from, size);
}

ssize_t sendfile64(int to, int fd, off_t *from, size_t size) __attribute__((alias("sendfile")));

int fstat(int fd, struct stat *stat)
{
	int r = (int)syscall(SYS_fstat, fd, stat);

	if (r == 0 && hold && is_slow(fd) && access(hold, F_OK) == 0) {
		say("fstat");
		while (access(hold, F_OK) == 0)
			usleep(1000);
	}
	return r;
}
