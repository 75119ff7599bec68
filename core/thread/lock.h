/* core/thread/lock.h: a mutex that clang's -Wthread-safety can follow.
 *
 * A function that must be called with a lock held says HOLDS(the_lock). The rule of what a lock
 * guards and what may be taken with it held stands in the head of the file that owns it. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__)
#define CAPABILITY(name) __attribute__((capability(name)))
#define ACQUIRES(lock) __attribute__((acquire_capability(lock)))
#define RELEASES(lock) __attribute__((release_capability(lock)))
#define HOLDS(lock) __attribute__((requires_capability(lock)))
#define UNCHECKED __attribute__((no_thread_safety_analysis))
#else
#define CAPABILITY(name)
#define ACQUIRES(lock)
#define RELEASES(lock)
#define HOLDS(lock)
#define UNCHECKED
#endif

struct CAPABILITY("mutex") lock {
	pthread_mutex_t mutex;
};

#define LOCK_INIT                                                                                  \
	{                                                                                          \
		PTHREAD_MUTEX_INITIALIZER                                                          \
	}

void lock_init(struct lock *lock);
void lock_fini(struct lock *lock);
void lock_acquire(struct lock *lock) ACQUIRES(lock);
void lock_release(struct lock *lock) RELEASES(lock);

/* Waits for the condition; the lock is released meanwhile and held again afterwards. */
void lock_wait(struct lock *lock, pthread_cond_t *cond) HOLDS(lock);

/* The same, for at most so long: false when the time is over. */
bool lock_wait_ms(struct lock *lock, pthread_cond_t *cond, uint64_t ms) HOLDS(lock);
