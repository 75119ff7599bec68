/* server/upgrade/launch.c
 *
 * clone(CLONE_VM | CLONE_VFORK) as posix_spawn() does it: its cost does not grow with this process. By
 * itself for CLONE_PARENT, and because LISTEN_PID is known only in the child. The child runs on a stack
 * of its own in this process's memory while the caller waits; it makes system calls and nothing else (no
 * function that a sanitizer looks into), and writes into its own struct child only. */
#include "server/upgrade/launch.h"
#include "core/base/memory.h"
#include "core/io/net.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	STACK_SIZE = 64 << 10,
	FIRST_FD = 3,
	PID_DIGITS = 10,
	KERNEL_SIGSET_SIZE = 8,
};

/* glibc's other name of clone(): ThreadSanitizer does around that one what belongs around a fork, in the
 * memory of both. */
int __clone(int (*run)(void *arg), void *stack, int flags, void *arg, ...);

struct child {
	const struct launch *launch;
	char **envp;
	char *pids[2]; /* where the digits of its process id go; NULL: nowhere */
	long *moved;   /* room for the descriptors, while they are moved */
	sigset_t none;
	int error; /* of what came before, or instead of, the new program */
};

#define NOT_LOOKED_INTO __attribute__((no_sanitize("address", "thread", "undefined")))

NOT_LOOKED_INTO static void child_write_pid(char *digits, long pid)
{
	int n = 1;

	for (long rest = pid; rest >= 10; rest /= 10)
		n++;
	digits[n] = '\0';
	for (; n > 0; pid /= 10)
		digits[--n] = (char)('0' + pid % 10);
}

/* First all of them out of the way, then each to its place. 0 or -1. */
NOT_LOOKED_INTO static int child_place_fds(struct child *child)
{
	const struct launch *launch = child->launch;
	long n = (long)launch->n_fds;

	for (long i = 0; i <= n; i++) {
		int fd = i < n ? launch->fds[i] : launch->stderr_fd;

		child->moved[i] = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, FIRST_FD + n);
		if (child->moved[i] < 0)
			return -1;
	}
	for (long i = 0; i <= n; i++)
		if (syscall(SYS_dup3, child->moved[i], i < n ? FIRST_FD + i : STDERR_FILENO, 0) < 0)
			return -1;
	return 0;
}

NOT_LOOKED_INTO static int child_run(void *arg)
{
	struct child *child = arg;
	const struct launch *launch = child->launch;
	long pid = syscall(SYS_getpid);

	for (size_t i = 0; i < 2; i++)
		if (child->pids[i])
			child_write_pid(child->pids[i], pid);
	if (child_place_fds(child) >= 0 &&
	    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &child->none, NULL, KERNEL_SIGSET_SIZE) >= 0) {
		/* those of libraries that are not close-on-exec; an old kernel has no such call */
		syscall(SYS_close_range, FIRST_FD + launch->n_fds, ~0U, 0U);
		syscall(SYS_execve, launch->path, launch->argv, child->envp);
	}
	child->error = errno;
	syscall(SYS_exit, 127);
	return 127;
}

/* ------------------------------------------------------------ its environment */

static bool env_is(const char *entry, const char *name)
{
	size_t len = strcspn(name, "=");

	return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

static bool env_is_kept(const char *entry, const struct launch *launch)
{
	static const char *const replaced[] = { "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS",
						"LISTEN_FDNAMES", "WATCHDOG_PID" };

	for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++)
		if (env_is(entry, replaced[i]))
			return false;
	return !env_is(entry, launch->more);
}

static char *env_pid(const char *name, char **ret_digits)
{
	char *entry = mem_printf("%s=%0*d", name, PID_DIGITS, 0);

	*ret_digits = entry + strlen(name) + 1;
	return entry;
}

enum { OWN_MAX = 5 };

/* The last entries, up to *ret_n_own, are the caller's to free; so is the array. */
static char **env_make(struct child *child, char *own[OWN_MAX], size_t *ret_n_own)
{
	const struct launch *launch = child->launch;
	size_t n = 0, n_own = 0;
	char **envp;

	while (environ && environ[n])
		n++;
	envp = mem_alloc((n + OWN_MAX + 1) * sizeof(char *));
	n = 0;
	for (size_t i = 0; environ && environ[i]; i++)
		if (env_is_kept(environ[i], launch))
			envp[n++] = environ[i];
	if (launch->n_listen_fds > 0) {
		own[n_own++] = env_pid("LISTEN_PID", &child->pids[0]);
		own[n_own++] = mem_printf("LISTEN_FDS=%zu", launch->n_listen_fds);
		own[n_own++] = mem_printf("LISTEN_FDNAMES=%s", launch->names);
	}
	if (getenv("WATCHDOG_PID"))
		own[n_own++] = env_pid("WATCHDOG_PID", &child->pids[1]);
	own[n_own++] = mem_strdup(launch->more);
	for (size_t i = 0; i < n_own; i++)
		envp[n++] = own[i];
	envp[n] = NULL;
	*ret_n_own = n_own;
	return envp;
}

/* ------------------------------------------------------------ */

/* No handler may run in the child, and it begins with no signal blocked. */
static int launch_clone(struct child *child, pid_t *ret_pid, int *ret_pid_fd)
{
	char *stack = mem_alloc(STACK_SIZE);
	sigset_t all, before;
	int pid, pid_fd = -1, r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = __clone(child_run, stack + STACK_SIZE,
		      CLONE_VM | CLONE_VFORK | CLONE_PARENT | CLONE_PIDFD | SIGCHLD, child,
		      &pid_fd);
	r = pid < 0 ? -errno : -child->error;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	free(stack);
	if (r == 0) {
		*ret_pid = pid;
		*ret_pid_fd = fd_take(&pid_fd);
	}
	fd_close(&pid_fd);
	return r;
}

int launch_start(const struct launch *launch, pid_t *ret_pid, int *ret_pid_fd)
{
	struct child child = { .launch = launch };
	char *own[OWN_MAX];
	size_t n_own = 0;
	int r;

	sigemptyset(&child.none);
	child.envp = env_make(&child, own, &n_own);
	child.moved = mem_alloc((launch->n_fds + 1) * sizeof(child.moved[0]));
	r = launch_clone(&child, ret_pid, ret_pid_fd);
	for (size_t i = 0; i < n_own; i++)
		free(own[i]);
	free(child.moved);
	free(child.envp);
	return r;
}
