/* tests/core/task/promising.h: a promise and its future, what was done to it, and what is to be
 * found out about it. */
#pragma once
#include "core/task/future.h"
#include "tests/core/task/probe.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static struct promise promise;
static struct future *future;
static struct future_watch watch;
static unsigned n_called, n_freed, n_discards;
static pthread_t freed_by;
static int value = 42;

static inline void count_free(void *freed)
{
	is_ptr(freed, &value);
	n_freed++;
	freed_by = pthread_self();
}

static inline void count_call(struct future_watch *called, struct future *of)
{
	(void)called;
	is_true(future_state(of) != FUTURE_PENDING);
	n_called++;
}

/* A promise, and a future that is watched. */
static inline void make(void)
{
	n_called = n_freed = n_discards = 0;
	future = promise_init(&promise, loop);
	future_on_any(future, &watch, count_call);
}

static inline void watch_result(struct future *result)
{
	future = result;
	future_on_any(future, &watch, count_call);
}

static inline void is_state(enum future_state state, int error)
{
	settle();
	is_int(future_state(future), state);
	is_int(future_error(future), error);
	is_int(n_called, state == FUTURE_PENDING ? 0 : 1);
}

/* The end of a test: everything is given back, each value was freed once. */
static inline void done(unsigned freed)
{
	future_unref(future);
	settle();
	is_int(n_freed, freed);
	future = NULL;
}

static inline void on_discard(struct promise *listening)
{
	n_discards++;
	promise_discard(listening);
}
