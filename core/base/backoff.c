/* core/base/backoff.c: the numbers are a hash, keyed for this process, of a counter of the
 * thread's: cheap, and nobody can foresee them. */
#include "core/base/backoff.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/map.h"

enum { DOUBLINGS_MAX = 20 };

uint64_t backoff_random(uint64_t bound)
{
	static _Thread_local uint64_t seed[2];

	if (bound == 0)
		return 0;
	if (seed[0] == 0) { /* threads differ by where they keep it */
		seed[0] = (uint64_t)(uintptr_t)seed | 1;
		seed[1] = clock_monotonic_ns();
	}
	seed[1]++;
	return str_hash((struct str){ (const char *)seed, sizeof(seed) }) % bound;
}

uint64_t backoff_ns(uint64_t first_ms, uint64_t max_ms, unsigned n_failed)
{
	unsigned doublings = MIN(n_failed > 0 ? n_failed - 1 : 0, (unsigned)DOUBLINGS_MAX);
	uint64_t most_ms = MAX(first_ms, max_ms), pause_ms = most_ms;

	if (first_ms <= most_ms >> doublings)
		pause_ms = first_ms << doublings;
	return pause_ms * NS_PER_MS - backoff_random(pause_ms * NS_PER_MS / 2 + 1);
}
