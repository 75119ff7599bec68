/* core/thread/wait_group.h: a thread that is no loop waits until n things are done; Workflow's
 * WaitGroup.
 *
 * Promises
 *   - wait_group_wait() returns when wait_group_done() was called as often as was added; at once if it was already.
 *     Any number of threads may wait.
 *   - What a thread did before its done() is seen by those whose wait() has returned after it.
 *   - When wait() has returned with 0, every done() has let go of the group: it may live on the waiter's stack.
 *
 * Never on a loop's thread, which must not block: there, a future (core/task/future.h). Errors:
 * more done() than was added is a mistake that check() finds. Thread: any may call any function,
 * but init and fini, which are the owner's. */
#pragma once
#include "core/thread/lock.h"
#include <stdint.h>

struct wait_group {
	struct lock lock;
	pthread_cond_t cond;
	uint64_t n_left; /* guarded by lock */
};

void wait_group_init(struct wait_group *group, uint64_t n);
void wait_group_fini(struct wait_group *group); /* nobody waits in it */
void wait_group_add(struct wait_group *group, uint64_t n);
void wait_group_done(struct wait_group *group);
void wait_group_wait(struct wait_group *group);

/* 0, or -ETIMEDOUT after timeout_ms by the system's monotonic clock (also when core/base/clock.h
 * is frozen). */
int wait_group_wait_for(struct wait_group *group, uint64_t timeout_ms);
