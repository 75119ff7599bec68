/* core/thread/lock.c */
#include "core/thread/lock.h"
#include "core/base/check.h"
#include <errno.h>
#include <time.h>

void lock_init(struct lock *lock)
{
	check(pthread_mutex_init(&lock->mutex, NULL) == 0);
}

void lock_fini(struct lock *lock)
{
	check(pthread_mutex_destroy(&lock->mutex) == 0);
}

void lock_acquire(struct lock *lock) UNCHECKED
{
	check(pthread_mutex_lock(&lock->mutex) == 0);
}

void lock_release(struct lock *lock) UNCHECKED
{
	check(pthread_mutex_unlock(&lock->mutex) == 0);
}

void lock_wait(struct lock *lock, pthread_cond_t *cond)
{
	check(pthread_cond_wait(cond, &lock->mutex) == 0);
}

bool lock_wait_ms(struct lock *lock, pthread_cond_t *cond, uint64_t ms)
{
	struct timespec until;
	int r;

	check(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	r = pthread_cond_clockwait(cond, &lock->mutex, CLOCK_MONOTONIC, &until);
	check(r == 0 || r == ETIMEDOUT);
	return r == 0;
}
