/* server/body/uploads.c
 *
 * Locking: uploads.lock guards `folder` while it is made; once it is there it does not change, and
 * is read without. */
#include "server/body/uploads.h"
#include "core/base/check.h"
#include "core/base/memory.h"
#include "core/io/net.h"
#include "core/thread/lock.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 16 };

#define RUN_PREFIX "run-"

struct uploads {
	char *base;
	bool shared; /* the base is in a folder where others may write: it must be ours alone */
	struct lock lock;
	atomic_int folder; /* -1: not made yet */
	char *path;        /* of it; set before `folder` is */
	char name[64];
};

/* ------------------------------------------------------------ the base */

static char *base_default(bool *ret_shared)
{
	const char *state = getenv("STATE_DIRECTORY"), *tmp = getenv("TMPDIR");

	*ret_shared = !state || !state[0];
	if (state && state[0]) /* systemd lists several behind colons */
		return mem_printf("%.*s/uploads", (int)strcspn(state, ":"), state);
	return mem_printf("%s/leat-%u", tmp && tmp[0] ? tmp : "/tmp", (unsigned)geteuid());
}

struct uploads *uploads_create(struct str base)
{
	struct uploads *uploads = mem_zalloc(sizeof(*uploads));

	uploads->base = base.len ? mem_strndup(base.ptr, base.len) : base_default(&uploads->shared);
	lock_init(&uploads->lock);
	atomic_init(&uploads->folder, -1);
	return uploads;
}

struct str uploads_base(const struct uploads *uploads)
{
	return str_of(uploads->base);
}

struct str uploads_path(const struct uploads *uploads)
{
	check(atomic_load(&uploads->folder) >= 0);
	return str_of(uploads->path);
}

static int folder_open(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* In a folder that all may write to, somebody else may have been first. */
static int base_check(const struct uploads *uploads, int fd)
{
	struct stat found;

	if (fstat(fd, &found) < 0)
		return -errno;
	if (uploads->shared && (found.st_uid != geteuid() || (found.st_mode & 077) != 0))
		return -EPERM;
	return 0;
}

static int base_open(const struct uploads *uploads)
{
	scoped(fd_close) int fd = -1;
	int r;

	if (mkdir(uploads->base, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = uploads->shared ? folder_open(AT_FDCWD, uploads->base)
			     : open(uploads->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return uploads->shared ? fd : -errno;
	r = base_check(uploads, fd);
	return r < 0 ? r : fd_take(&fd);
}

/* ------------------------------------------------------------ what is left over */

/* Only files are in it: whatever else somebody put there keeps the folder from going. */
static void folder_empty(int fd)
{
	const struct dirent *entry;
	DIR *dir = fdopendir(dup(fd));

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(fd, entry->d_name, 0);
	if (dir)
		closedir(dir);
}

static void folder_remove(int base, int fd, const char *name)
{
	folder_empty(fd);
	unlinkat(base, name, AT_REMOVEDIR);
}

static void base_clean(int base)
{
	const struct dirent *entry;
	DIR *dir = fdopendir(dup(base));

	while (dir && (entry = readdir(dir))) {
		scoped(fd_close) int fd = -1;

		if (strncmp(entry->d_name, RUN_PREFIX, strlen(RUN_PREFIX)) != 0)
			continue;
		fd = folder_open(base, entry->d_name);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			folder_remove(base, fd, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

/* ------------------------------------------------------------ this process's */

/* Between mkdir() and flock() somebody who cleans may have the lock, and remove it: then another
 * name is tried. */
static int folder_make(struct uploads *uploads, int base)
{
	scoped(fd_close) int fd = -1;
	struct stat found;
	uint64_t random;

	check(getrandom(&random, sizeof(random), 0) == sizeof(random));
	snprintf(uploads->name, sizeof(uploads->name), RUN_PREFIX "%ld-%016llx", (long)getpid(),
		 (unsigned long long)random);
	if (mkdirat(base, uploads->name, 0700) < 0)
		return -errno;
	fd = folder_open(base, uploads->name);
	if (fd < 0)
		return fd == -ENOENT ? -EAGAIN : fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	if (fstat(fd, &found) < 0 || found.st_nlink == 0)
		return -EAGAIN;
	return fd_take(&fd);
}

static int uploads_make(struct uploads *uploads) HOLDS(&uploads->lock)
{
	scoped(fd_close) int base = base_open(uploads);
	int fd = -EAGAIN;

	if (base < 0)
		return base;
	base_clean(base);
	for (int i = 0; i < TRIES && fd == -EAGAIN; i++)
		fd = folder_make(uploads, base);
	if (fd < 0)
		return fd;
	uploads->path = mem_printf("%s/%s", uploads->base, uploads->name);
	atomic_store(&uploads->folder, fd);
	return fd;
}

int uploads_open(struct uploads *uploads)
{
	int fd = atomic_load(&uploads->folder);

	if (fd >= 0)
		return fd;
	lock_acquire(&uploads->lock);
	fd = atomic_load(&uploads->folder);
	if (fd < 0)
		fd = uploads_make(uploads);
	lock_release(&uploads->lock);
	return fd;
}

void uploads_destroy(struct uploads *uploads)
{
	int fd, base;

	if (!uploads)
		return;
	fd = atomic_load(&uploads->folder);
	if (fd >= 0) {
		base = base_open(uploads);
		if (base >= 0)
			folder_remove(base, fd, uploads->name);
		fd_close(&base);
		fd_close(&fd);
	}
	lock_fini(&uploads->lock);
	free(uploads->path);
	free(uploads->base);
	free(uploads);
}
