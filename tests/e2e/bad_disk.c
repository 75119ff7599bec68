/* tests/e2e/bad_disk.c: a disk that does not answer, or fails, for files beneath a folder named data; for LD_PRELOAD (see
 * test_file_tasks_disk.py). While the file LEAT_DISK_HOLD names a call, that call waits; while LEAT_DISK_FAIL says "CALL
 * NUMBER", it fails with that errno. Each call is told of in LEAT_DISK_LOG with the name of its thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int log_fd = -1;
static const char *hold, *fail;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("LEAT_DISK_LOG");

	hold = getenv("LEAT_DISK_HOLD");
	fail = getenv("LEAT_DISK_FAIL");
	if (path)
		log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static bool is_data(int fd)
{
	char link[64], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	return strstr(path, "/data") != NULL;
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

static bool file_says(const char *path, const char *call, int *number)
{
	char text[64] = "", word[32] = "";
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1, n;

	if (fd < 0)
		return false;
	n = syscall(SYS_read, fd, text, sizeof(text) - 1);
	syscall(SYS_close, fd);
	return n > 0 && sscanf(text, "%31s %d", word, number) >= 1 && strcmp(word, call) == 0;
}

/* true: errno is set */
static bool bad(int fd, const char *call)
{
	int number = 0;

	if (!is_data(fd))
		return false;
	say(call);
	while (file_says(hold, call, &number))
		usleep(1000);
	if (!file_says(fail, call, &number))
		return false;
	errno = number;
	return true;
}

ssize_t preadv2(int fd, const struct iovec *parts, int n_parts, off_t from, int flags)
{
	int number;

	if ((flags & RWF_NOWAIT) && is_data(fd)) {
		errno = EAGAIN; /* all is cold */
		return -1;
	}
	return bad(fd, "read") ? -1
			       : syscall(SYS_preadv2, fd, parts, n_parts, from, from >> 63, flags);
}

ssize_t preadv64v2(int fd, const struct iovec *parts, int n_parts, off_t from, int flags)
	__attribute__((alias("preadv2")));

ssize_t pwritev2(int fd, const struct iovec *parts, int n_parts, off_t from, int flags)
{
	return bad(fd, "write")
		       ? -1
		       : syscall(SYS_pwritev2, fd, parts, n_parts, from, from >> 63, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int n_parts, off_t from, int flags)
	__attribute__((alias("pwritev2")));

int fsync(int fd)
{
	return bad(fd, "fsync") ? -1 : syscall(SYS_fsync, fd);
}
