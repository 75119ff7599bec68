/* server/upgrade/launch.h: starts another program beside this one: with descriptors from 3 on, as systemd
 * passes them (sd_listen_fds(3)), and as a child of this one's parent, so that whoever supervises this
 * process supervises that one. */
#pragma once
#include <stddef.h>
#include <sys/types.h>

struct launch {
	const char *path;
	char *const *argv;
	const int *fds; /* they become 3, 4, … */
	size_t n_fds;
	size_t n_listen_fds; /* the first of them are sockets: LISTEN_FDS */
	const char *names;   /* LISTEN_FDNAMES */
	int stderr_fd;       /* becomes 2 */
	const char
		*more; /* one more "NAME=value" of its environment; its name replaces this one's */
};

/* Any thread. *ret_pid_fd is a pidfd: signals by it reach nobody else. 0, or a negative errno: nothing was started (-EINVAL: this is process 1, which has no parent). */
int launch_start(const struct launch *launch, pid_t *ret_pid, int *ret_pid_fd);
