/* tests/tsan/c11_threads.c: threads and locks of C11 by those of POSIX, for FLAVOR=tsan.
 *
 * ThreadSanitizer knows POSIX's functions only: librdkafka, which uses C11's, would start threads that it
 * has never heard of (it crashes in them), and order its work by locks that it does not see. The
 * program's own functions come before the C library's, also for a shared library. glibc's types
 * are the same for both. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "a mutex is a mutex");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "a condition is a condition");

struct thread_start {
	thrd_start_t run;
	void *arg;
};

static void *thread_main(void *arg)
{
	struct thread_start start = *(struct thread_start *)arg;

	free(arg);
	return (void *)(intptr_t)start.run(start.arg);
}

static int to_c11(int error)
{
	return error == 0           ? thrd_success
	       : error == EBUSY     ? thrd_busy
	       : error == ETIMEDOUT ? thrd_timedout
	       : error == ENOMEM    ? thrd_nomem
				    : thrd_error;
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *arg)
{
	struct thread_start *start = malloc(sizeof(*start));
	int r;

	if (!start)
		return thrd_nomem;
	*start = (struct thread_start){ run, arg };
	r = pthread_create(thread, NULL, thread_main, start);
	if (r != 0)
		free(start);
	return to_c11(r);
}

int thrd_join(thrd_t thread, int *ret)
{
	void *result = NULL;
	int r = pthread_join(thread, &result);

	if (ret)
		*ret = (int)(intptr_t)result;
	return to_c11(r);
}

int thrd_detach(thrd_t thread)
{
	return to_c11(pthread_detach(thread));
}

int mtx_init(mtx_t *mutex, int type)
{
	pthread_mutexattr_t attr;
	int r;

	pthread_mutexattr_init(&attr);
	if (type & mtx_recursive)
		pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	r = pthread_mutex_init((pthread_mutex_t *)mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return to_c11(r);
}

int mtx_lock(mtx_t *mutex)
{
	return to_c11(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_trylock(mtx_t *mutex)
{
	return to_c11(pthread_mutex_trylock((pthread_mutex_t *)mutex));
}

int mtx_unlock(mtx_t *mutex)
{
	return to_c11(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

void mtx_destroy(mtx_t *mutex)
{
	pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

int cnd_init(cnd_t *cond)
{
	return to_c11(pthread_cond_init((pthread_cond_t *)cond, NULL));
}

int cnd_signal(cnd_t *cond)
{
	return to_c11(pthread_cond_signal((pthread_cond_t *)cond));
}

int cnd_broadcast(cnd_t *cond)
{
	return to_c11(pthread_cond_broadcast((pthread_cond_t *)cond));
}

int cnd_wait(cnd_t *cond, mtx_t *mutex)
{
	return to_c11(pthread_cond_wait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *until)
{
	return to_c11(
		pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, until));
}

void cnd_destroy(cnd_t *cond)
{
	pthread_cond_destroy((pthread_cond_t *)cond);
}
