/* server/client/latency.c */
#include "server/client/latency.h"
#include "core/base/check.h"

enum {
	STEP_BITS = 3, /* eight steps an octave */
	STEPS = 1 << STEP_BITS,
	TAKEN_EVERY = 16, /* answers between two looks at the whole */
	NS_PER_MICRO = 1000,
};

void latency_init(struct latency *latency)
{
	atomic_init(&latency->p95_ns, 0);
	atomic_init(&latency->n_added, 0);
	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		atomic_init(&latency->buckets[i], 0);
}

static size_t latency_bucket(uint64_t took_us)
{
	unsigned octave;
	size_t bucket;

	if (took_us < STEPS)
		return (size_t)took_us;
	octave = 63u - (unsigned)__builtin_clzll(took_us) - STEP_BITS;
	bucket = (octave + 1) * STEPS + ((took_us >> octave) & (STEPS - 1));
	return MIN(bucket, (size_t)LATENCY_BUCKETS - 1);
}

/* Where a bucket begins. */
static uint64_t latency_floor_us(size_t bucket)
{
	if (bucket < STEPS)
		return bucket;
	return (STEPS + bucket % STEPS) << (bucket / STEPS - 1);
}

static uint32_t latency_count(const struct latency *latency, size_t bucket)
{
	return atomic_load_explicit(&latency->buckets[bucket], memory_order_relaxed);
}

/* Within a bucket they are taken to be spread evenly. */
static void latency_take(struct latency *latency)
{
	uint64_t total = 0, below = 0, wanted, floor_us, width_us;
	size_t bucket = 0;

	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		total += latency_count(latency, i);
	wanted = total * 95 / 100;
	while (bucket + 1 < LATENCY_BUCKETS && below + latency_count(latency, bucket) <= wanted)
		below += latency_count(latency, bucket++);
	floor_us = latency_floor_us(bucket);
	width_us = latency_floor_us(bucket + 1) - floor_us;
	floor_us += width_us * (wanted - below) / MAX(latency_count(latency, bucket), 1u);
	atomic_store_explicit(&latency->p95_ns, MAX(floor_us, UINT64_C(1)) * NS_PER_MICRO,
			      memory_order_relaxed);
}

static void latency_halve(struct latency *latency)
{
	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		atomic_fetch_sub_explicit(&latency->buckets[i], latency_count(latency, i) / 2,
					  memory_order_relaxed);
}

/* Exactly one thread comes to each number. */
void latency_add(struct latency *latency, uint64_t took_ns)
{
	uint32_t n;

	atomic_fetch_add_explicit(&latency->buckets[latency_bucket(took_ns / NS_PER_MICRO)], 1,
				  memory_order_relaxed);
	n = atomic_fetch_add_explicit(&latency->n_added, 1, memory_order_relaxed) + 1;
	if (n == LATENCY_MIN || (n > LATENCY_MIN && n % TAKEN_EVERY == 0))
		latency_take(latency);
	if (n % LATENCY_WINDOW == 0)
		latency_halve(latency);
}
