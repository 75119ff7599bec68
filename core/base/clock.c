/* core/base/clock.c */
#include "core/base/clock.h"
#include "core/base/check.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

static atomic_bool frozen;
static _Atomic uint64_t frozen_monotonic_ns;
static _Atomic int64_t frozen_wall_ns;

static int64_t clock_read(clockid_t id)
{
	struct timespec now;

	check(clock_gettime(id, &now) == 0);
	return (int64_t)now.tv_sec * (int64_t)NS_PER_S + now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	if (unlikely(atomic_load_explicit(&frozen, memory_order_relaxed)))
		return atomic_load(&frozen_monotonic_ns);
	return (uint64_t)clock_read(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
	if (unlikely(atomic_load_explicit(&frozen, memory_order_relaxed)))
		return atomic_load(&frozen_wall_ns);
	return clock_read(CLOCK_REALTIME);
}

void clock_freeze(uint64_t monotonic_ns, int64_t wall_ns)
{
	atomic_store(&frozen_monotonic_ns, monotonic_ns);
	atomic_store(&frozen_wall_ns, wall_ns);
	atomic_store(&frozen, true);
}

void clock_advance(uint64_t ns)
{
	check(atomic_load(&frozen));
	atomic_fetch_add(&frozen_monotonic_ns, ns);
	atomic_fetch_add(&frozen_wall_ns, (int64_t)ns);
}

void clock_thaw(void)
{
	atomic_store(&frozen, false);
}
