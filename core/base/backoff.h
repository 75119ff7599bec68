/* core/base/backoff.h: how long to wait before trying again.
 *
 * The pause doubles with every failure up to a bound, and a random part of it is left out, so that
 * those who failed together do not come back together. */
#pragma once
#include <stdint.h>

/* Half to whole of first_ms × 2^(n_failed - 1), which is at most max_ms (or first_ms, when that
 * is more); in nanoseconds. Any thread. n_failed counts from 1. */
uint64_t backoff_ns(uint64_t first_ms, uint64_t max_ms, unsigned n_failed);

/* A random number below `bound` (0: 0): for jitter and for choosing, not for secrets. Any
 * thread. */
uint64_t backoff_random(uint64_t bound);
