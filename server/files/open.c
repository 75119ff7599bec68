/* server/files/open.c */
#include "server/files/open.h"
#include "core/base/check.h"
#include "core/io/net.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RACES_MAX = 8 };

int root_open(const char *root)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static uint64_t links_resolve(enum file_links links)
{
	switch (links) {
	case FILE_LINKS_INSIDE:
		return RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
	case FILE_LINKS_ANY:
		return RESOLVE_NO_MAGICLINKS;
	case FILE_LINKS_NONE:
		return RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
	}
	unreachable();
}

int root_open_at(int root, const char *path, enum file_links links, uint64_t flags)
{
	const struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = links_resolve(links),
	};

	for (unsigned i = 0; i < RACES_MAX; i++) { /* EAGAIN: a rename came between */
		long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

int root_open_file(int root, const char *path, enum file_links links, struct stat *ret_stat)
{
	scoped(fd_close) int fd = root_open_at(root, path, links, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return fd;
	if (fstat(fd, ret_stat) < 0)
		return -errno;
	if (!S_ISREG(ret_stat->st_mode) && !S_ISDIR(ret_stat->st_mode))
		return -ENOENT;
	return fd_take(&fd);
}

int root_check(const char *root)
{
	scoped(fd_close) int fd = root_open(root), at = -1;

	if (fd < 0)
		return fd;
	at = root_open_at(fd, ".", FILE_LINKS_INSIDE, O_PATH);
	return MIN(at, 0);
}
