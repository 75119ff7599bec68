/* server/client/latency.h: how long answers take: their 95th percentile. Knows no protocol.
 *
 * A histogram of eight steps an octave, from a microsecond to an hour, whose counts are halved after
 * every LATENCY_WINDOW of them: what was long ago counts less and less. It is the fleet's, for all
 * loops. Any thread; no lock: a count may be lost where two threads meet, which moves nothing. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

enum {
	LATENCY_MIN = 100,     /* answers before anything is said */
	LATENCY_WINDOW = 2000, /* answers before their counts are halved */
	LATENCY_BUCKETS = 240,
};

struct latency {
	_Atomic uint64_t p95_ns; /* 0: not known yet */
	_Atomic uint32_t n_added;
	_Atomic uint32_t buckets[LATENCY_BUCKETS];
};

void latency_init(struct latency *latency);
void latency_add(struct latency *latency, uint64_t took_ns);

/* 0: fewer than LATENCY_MIN answers have come. */
static inline uint64_t latency_p95_ns(const struct latency *latency)
{
	return atomic_load_explicit(&latency->p95_ns, memory_order_relaxed);
}
