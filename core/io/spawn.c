/* core/io/spawn.c
 *
 * posix_spawn() is used as it is a clone(CLONE_VM | CLONE_VFORK): its cost does not grow with this
 * process, and what the child does before the execve() is glibc's, which knows what may be done
 * there. All descriptors of this process are close-on-exec; the close_range() in the child is for
 * those of libraries that are not.
 *
 * Locking: spawner.lock guards `pool`, which once made stays. */
#include "core/io/spawn.h"
#include "core/base/memory.h"
#include "core/thread/lock.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPAWN_THREADS = 2 };

static int spawn_add_actions(posix_spawn_file_actions_t *actions, const struct spawn *spawn)
{
	int r = spawn->cwd ? posix_spawn_file_actions_addchdir_np(actions, spawn->cwd) : 0;

	for (int i = 0; r == 0 && i < 3; i++) {
		int fd = spawn->fds[i];

		check_that(fd < 0 || fd > 2, "fd=%d", fd);
		if (fd < 0)
			r = posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
		else
			r = posix_spawn_file_actions_adddup2(actions, fd, i);
	}
	return r ? r : posix_spawn_file_actions_addclosefrom_np(actions, 3);
}

static int spawn_set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
								 POSIX_SPAWN_SETSIGDEF |
								 POSIX_SPAWN_SETSID);
	return r;
}

/* posix_spawn() takes what it does not change without const. */
static int spawn_do(const struct spawn *spawn, const posix_spawn_file_actions_t *actions,
		    const posix_spawnattr_t *attributes, pid_t *ret_pid)
{
	return posix_spawn(ret_pid, spawn->path, actions, attributes,
			   (char *const *)(uintptr_t)spawn->argv,
			   (char *const *)(uintptr_t)spawn->envp);
}

int spawn_start(const struct spawn *spawn, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = spawn_add_actions(&actions, spawn);
		if (r == 0)
			r = spawn_set_attributes(&attributes);
		if (r == 0)
			r = spawn_do(spawn, &actions, &attributes, ret_pid);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* ------------------------------------------------------------ where a program is */

static bool spawn_is_program(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

bool spawn_find(const char *name, const char *search, char *ret_path, size_t size)
{
	struct str rest = str_of(search), folder;

	if (strchr(name, '/'))
		return spawn_is_program(name) &&
		       (size_t)snprintf(ret_path, size, "%s", name) < size;
	while (name[0] && rest.ptr && str_next_part(&rest, ':', &folder)) {
		int n = snprintf(ret_path, size, "%.*s/%s", STR_ARG(folder), name);

		if (folder.len > 0 && n > 0 && (size_t)n < size && spawn_is_program(ret_path))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------ threads */

struct spawner {
	struct lock lock;
	struct pool *pool; /* NULL: nothing was started yet; guarded by lock */
};

struct spawner *spawner_create(void)
{
	struct spawner *spawner = mem_zalloc(sizeof(*spawner));

	lock_init(&spawner->lock);
	return spawner;
}

void spawner_destroy(struct spawner *spawner)
{
	if (!spawner)
		return;
	pool_destroy(spawner->pool);
	lock_fini(&spawner->lock);
	free(spawner);
}

int spawner_submit(struct spawner *spawner, struct work *work)
{
	struct pool *pool;
	int r = 0;

	lock_acquire(&spawner->lock);
	if (!spawner->pool)
		r = pool_create(&spawner->pool, "leat-spawn", SPAWN_THREADS);
	pool = spawner->pool;
	lock_release(&spawner->lock);
	if (r == 0)
		pool_submit(pool, work);
	return r;
}
