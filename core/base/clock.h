/* core/base/clock.h: what time it is, in nanoseconds; tests can replace both clocks.
 *
 * The monotonic clock is for every wait and measurement; it counts from an arbitrary start and is
 * never set back. The wall clock (since 1970-01-01T00:00:00Z) is for what people read. */
#pragma once
#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_monotonic_ns(void); /* any thread */
int64_t clock_wall_ns(void);       /* any thread */

/* From now on the monotonic clock is `monotonic_ns`, and the wall clock `wall_ns`; both move only
 * by clock_advance(). Any thread. */
void clock_freeze(uint64_t monotonic_ns, int64_t wall_ns);
void clock_advance(uint64_t ns); /* the clocks must be frozen */
void clock_thaw(void);           /* back to the system's clocks */
