/* tests/shake/shake.c: the pauses of shake.h, and those at calls of the C library. The program's own functions come
 * before the library's, also for other libraries (librdkafka's and libpq's threads are shaken, too). */
#include "tests/shake/shake.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* By the system call: a sanitizer must not see a pause, and nothing may be shaken in it. */
void pause_at_random(unsigned one_in, unsigned microseconds_max)
{
	static _Thread_local uint64_t state;
	struct timespec pause = { 0 };

	if (state == 0) {
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &pause);
		state = (uint64_t)pause.tv_nsec * 0x9E3779B97F4A7C15u + (uintptr_t)&state;
		state |= 1;
	}
	state ^= state << 13; /* xorshift */
	state ^= state >> 7;
	state ^= state << 17;
	pause = (struct timespec){ .tv_nsec = (long)((state >> 20) % microseconds_max) * 1000 };
	if (state % one_in == 0)
		syscall(SYS_nanosleep, &pause, NULL);
	else if (state % 4 == 0)
		syscall(SYS_sched_yield);
}

/* The next one of that name: the C library's, or the sanitizer's. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	pause_at_random(200, 600);
	return NEXT(pthread_mutex_lock)(mutex);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int r = NEXT(pthread_mutex_unlock)(mutex);

	pause_at_random(100, 1000);
	return r;
}

/* Eight bytes wake a loop. */
ssize_t write(int fd, const void *bytes, size_t n)
{
	ssize_t r = NEXT(write)(fd, bytes, n);
	int error = errno;

	if (n == sizeof(uint64_t))
		pause_at_random(6, 1200);
	errno = error;
	return r;
}

int epoll_wait(int fd, struct epoll_event *events, int n_max, int timeout_ms)
{
	int n = NEXT(epoll_wait)(fd, events, n_max, timeout_ms);
	int error = errno;

	pause_at_random(60, 1500);
	errno = error;
	return n;
}
