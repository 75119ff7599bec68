/* core/io/child.c */
#include "core/io/child.h"
#include "core/io/net.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* glibc has a wrapper since 2.36 only */
static int child_open_pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0);
#else
	(void)pid;
	return -1;
#endif
}

void child_init(struct child *child, pid_t pid)
{
	*child = (struct child){ .pid = pid, .pidfd = child_open_pidfd(pid), .watch.fd = -1 };
	timer_init(&child->timer, NULL, NULL);
}

bool child_has_exited(const struct child *child)
{
	siginfo_t info = { .si_pid = 0 };
	int r;

	do {
		r = waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT);
	} while (r < 0 && errno == EINTR);
	return r < 0 || info.si_pid != 0; /* ECHILD: somebody has reaped it */
}

/* ------------------------------------------------------------ the event */

static void child_on_event(struct watch *watch, uint32_t events)
{
	struct child *child = container_of(watch, struct child, watch);

	(void)events;
	if (!child_has_exited(child))
		return;
	child_unwatch(child);
	child->on_exit(child);
}

static void child_on_timer(struct timer *timer)
{
	struct child *child = container_of(timer, struct child, timer);

	if (child_has_exited(child)) {
		child->on_exit(child);
		return;
	}
	child->poll_ms = MIN(child->poll_ms * 2, (uint64_t)CHILD_POLL_MAX_MS);
	timer_start(timer, child->poll_ms);
}

void child_watch(struct child *child, struct loop *loop, child_fn *on_exit)
{
	check(child->pid > 0 && child->watch.fd < 0 && !timer_is_running(&child->timer));
	child->loop = loop;
	child->on_exit = on_exit;
	if (child->pidfd >= 0 &&
	    loop_add(loop, &child->watch, child->pidfd, EPOLLIN, child_on_event) == 0)
		return;
	timer_init(&child->timer, loop, child_on_timer);
	child->poll_ms = 1;
	timer_start(&child->timer, child->poll_ms);
}

void child_unwatch(struct child *child)
{
	timer_stop(&child->timer);
	if (child->watch.fd >= 0)
		loop_remove(child->loop, &child->watch);
}

/* ------------------------------------------------------------ signals, and the end */

void child_signal(const struct child *child, int number)
{
	if (child->pid > 0)
		kill(-child->pid, number); /* what it has become may be beyond us: no error */
}

void child_reap(struct child *child, struct child_exit *ret_exit)
{
	siginfo_t info = { .si_pid = 0 };
	int r;

	*ret_exit = (struct child_exit){ .status = -1 };
	if (child->pid <= 0)
		return;
	child_unwatch(child);
	do {
		r = waitid(P_PID, (id_t)child->pid, &info, WEXITED);
	} while (r < 0 && errno == EINTR);
	if (r == 0 && info.si_code == CLD_EXITED)
		ret_exit->status = info.si_status;
	else if (r == 0)
		ret_exit->signal = info.si_status;
	fd_close(&child->pidfd);
	child->pid = 0;
}
