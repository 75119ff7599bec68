/* server/store/store_lock.c: one daemon a file.
 *
 * The lock is on a file beside it, so that sqlite3 may still look into the store. POSIX locks are
 * the process's: what it forks does not hold them, and the kernel says whose they are. */
#include "core/base/memory.h"
#include "server/store/store_db.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int store_lock(const char *path, int *ret_pid)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char *name = mem_printf("%s-lock", path);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? -errno : 0;

	free(name);
	if (r < 0)
		return r;
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return fd;
	r = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	*ret_pid = 0;
	if (r == -EBUSY && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		*ret_pid = lock.l_pid;
	close(fd);
	return r;
}
