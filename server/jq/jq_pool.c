/* server/jq/jq_pool.c */
#include "server/jq/jq_pool.h"
#include "core/base/memory.h"
#include "core/io/net.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* The time zone is all that jq needs of the environment (localtime, mktime, strftime). */
static int jq_spawn(int far_fd, pid_t *ret_pid)
{
	static const char *const argv[] = { "leat", "jq-worker", NULL };
	const char *zone = getenv("TZ");
	scoped(mem_free_ptr) char *variable = zone ? mem_printf("TZ=%s", zone) : NULL;
	const char *const envp[] = { variable, NULL };
	const struct spawn spawn = { .path = "/proc/self/exe",
				     .argv = argv,
				     .envp = envp,
				     .cwd = "/",
				     .fds = { far_fd, -1, -1 } };

	return spawn_start(&spawn, ret_pid);
}

int jq_slot_start(struct jq_slot *slot)
{
	scoped(fd_close) int near = -1;
	scoped(fd_close) int far = -1;
	int fds[2], r;
	pid_t pid;

	check(slot->child.pid == 0);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	near = fds[0];
	far = fds[1];
	if (far <= 2) {
		int higher = fcntl(far, F_DUPFD_CLOEXEC, 3);

		if (higher < 0)
			return -errno;
		close(far);
		far = higher;
	}
	if (fcntl(near, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = jq_spawn(far, &pid);
	if (r < 0)
		return r;
	child_init(&slot->child, pid);
	slot->fd = fd_take(&near);
	return 0;
}

void jq_slot_end(struct jq_slot *slot)
{
	struct child_exit exit;

	if (slot->child.pid == 0)
		return;
	fd_close(&slot->fd);
	child_signal(&slot->child, SIGKILL);
	child_reap(&slot->child, &exit);
}

struct jq_pool *jq_pool_create(struct spawner *spawner, size_t n_workers)
{
	struct jq_pool *pool = mem_zalloc(sizeof(*pool) + n_workers * sizeof(pool->slots[0]));

	pool->spawner = spawner;
	pool->n_slots = n_workers;
	for (size_t i = 0; i < n_workers; i++)
		pool->slots[i].fd = -1;
	return pool;
}

void jq_pool_destroy(struct jq_pool *pool)
{
	for (size_t i = 0; pool && i < pool->n_slots; i++)
		jq_slot_end(&pool->slots[i]);
	free(pool);
}
