/* core/thread/lock.c */
#include "core/thread/lock.h"
#include "core/base/check.h"

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
