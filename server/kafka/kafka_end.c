/* server/kafka/kafka_end.c
 *
 * Locking: ends_lock guards the number of threads, nothing else; `ends_due_ns` is only looked at. */
#include "server/kafka/kafka_end.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/thread/lock.h"
#include "server/kafka/kafka_producer.h"
#include <openssl/crypto.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { ENDS_GRACE_MS = 4000 };

static struct lock ends_lock = LOCK_INIT;
static pthread_cond_t ends_ended = PTHREAD_COND_INITIALIZER;
static unsigned n_ends;                           /* guarded by ends_lock */
static _Atomic uint64_t ends_due_ns = UINT64_MAX; /* less: the process waits for them */

struct end {
	void (*run)(void *arg);
	void *arg;
};

static void ends_count(int change)
{
	lock_acquire(&ends_lock);
	n_ends += (unsigned)change;
	if (n_ends == 0)
		pthread_cond_broadcast(&ends_ended);
	lock_release(&ends_lock);
}

static void *end_main(void *arg)
{
	struct end *end = arg;

	pthread_setname_np(pthread_self(), "kafka-end");
	end->run(end->arg);
	free(end);
	OPENSSL_thread_stop(); /* the thread's own end may come after the process's */
	ends_count(-1);
	return NULL;
}

void kafka_end_start(void (*run)(void *arg), void *arg)
{
	struct end *end = mem_alloc(sizeof(*end));
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t thread;
	int r;

	*end = (struct end){ run, arg };
	ends_count(1);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attr, end_main, end);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (r == 0)
		return;
	run(arg);
	free(end);
	ends_count(-1);
}

uint64_t kafka_end_due_ns(uint64_t end_ns)
{
	return MIN(end_ns, atomic_load(&ends_due_ns));
}

/* Those that a reload has begun to end may have been given more time than the process has: what they still
 * hear is for loops that will not be there. */
void kafka_wait_ends(uint64_t end_ms) UNCHECKED
{
	struct timespec until;

	atomic_store(&ends_due_ns, clock_monotonic_ns() + end_ms * NS_PER_MS);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)((end_ms + ENDS_GRACE_MS) / 1000);
	lock_acquire(&ends_lock);
	while (n_ends > 0 && pthread_cond_timedwait(&ends_ended, &ends_lock.mutex, &until) == 0)
		;
	if (n_ends > 0)
		log_warning("kafka clients have not ended clients=%u, going on", n_ends);
	else
		atomic_store(&ends_due_ns, UINT64_MAX); /* in tests, others may come */
	lock_release(&ends_lock);
}
