/* core/thread/wait_group.c
 *
 * Locking: wait_group.lock guards n_left. The last done() wakes with the lock held, so that a
 * waiter that goes on and frees the group does so only after that done() has let go of it. */
#include "core/thread/wait_group.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include <errno.h>
#include <time.h>

void wait_group_init(struct wait_group *group, uint64_t n)
{
	pthread_condattr_t attr;

	lock_init(&group->lock);
	check(pthread_condattr_init(&attr) == 0);
	check(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	check(pthread_cond_init(&group->cond, &attr) == 0);
	pthread_condattr_destroy(&attr);
	group->n_left = n;
}

void wait_group_fini(struct wait_group *group)
{
	pthread_cond_destroy(&group->cond);
	lock_fini(&group->lock);
}

void wait_group_add(struct wait_group *group, uint64_t n)
{
	lock_acquire(&group->lock);
	group->n_left += n;
	lock_release(&group->lock);
}

void wait_group_done(struct wait_group *group)
{
	lock_acquire(&group->lock);
	check(group->n_left > 0);
	if (--group->n_left == 0)
		pthread_cond_broadcast(&group->cond);
	lock_release(&group->lock);
}

void wait_group_wait(struct wait_group *group)
{
	lock_acquire(&group->lock);
	while (group->n_left > 0)
		lock_wait(&group->lock, &group->cond);
	lock_release(&group->lock);
}

int wait_group_wait_for(struct wait_group *group, uint64_t timeout_ms)
{
	uint64_t delay_ms = timeout_ms < UINT32_MAX ? timeout_ms : UINT32_MAX;
	struct timespec until;
	uint64_t ns;
	int r = 0;

	check(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
	ns = (uint64_t)until.tv_nsec + delay_ms % 1000 * NS_PER_MS;
	until.tv_sec += (time_t)(delay_ms / 1000 + ns / NS_PER_S);
	until.tv_nsec = (long)(ns % NS_PER_S);
	lock_acquire(&group->lock);
	while (group->n_left > 0 && r == 0)
		r = pthread_cond_timedwait(&group->cond, &group->lock.mutex, &until);
	r = group->n_left > 0 ? -ETIMEDOUT : 0;
	lock_release(&group->lock);
	return r;
}
