/* core/io/child.h: the end of a child process, as an event of a loop.
 *
 * By a pidfd; where the kernel or a sandbox refuses pidfd_open(), by asking waitid() on a timer
 * (1 ms after the start, then twice as long each time, at most CHILD_POLL_MAX_MS). Nobody else in
 * this process may wait for its children, and SIGCHLD must not be ignored. */
#pragma once
#include "core/io/loop.h"
#include <signal.h>
#include <sys/types.h>

enum { CHILD_POLL_MAX_MS = 100 };

struct child;
typedef void child_fn(struct child *child);

struct child {
	pid_t pid;         /* 0: there is none, or it was reaped */
	int pidfd;         /* -1: there is none */
	struct loop *loop; /* that watches it */
	struct watch watch;
	struct timer timer;
	uint64_t poll_ms;
	child_fn *on_exit;
};

/* How it ended. */
struct child_exit {
	int status; /* of exit(), 0 to 255; -1: it was ended by a signal, or this is not known */
	int signal; /* that ended it; 0: none did */
};

/* Of a pid that was just started. Any thread; the child then belongs to that of its loop. */
void child_init(struct child *child, pid_t pid);

/* `on_exit` is called once, from the loop, when the child has ended; it is still to be reaped. */
void child_watch(struct child *child, struct loop *loop, child_fn *on_exit);
void child_unwatch(struct child *child); /* no effect when it is not watched */

/* Whether it has ended; costs a system call. Does not reap it. */
bool child_has_exited(const struct child *child);

/* To its process group, which it must lead. Safe until it is reaped: until then its number is not
 * used again, even when it has ended. No effect without a child. */
void child_signal(const struct child *child, int number);

/* Waits for it, which is at once when it has ended, and lets go of all that is left of it.
 * No effect without a child. */
void child_reap(struct child *child, struct child_exit *ret_exit);
