/* server/client/breaker.c
 *
 * The window is ten buckets that are used in turn; one whose number is not of the last ten is as
 * good as empty. The share of failures is asked only when one more has failed. */
#include "server/client/breaker.h"
#include "core/base/check.h"
#include "core/base/clock.h"

/* A ticket is the epoch, and that it is one. */
#define TICKET_BIT (UINT64_C(1) << 32)

void breaker_init(struct breaker *breaker)
{
	*breaker = (struct breaker){ 0 };
	lock_init(&breaker->lock);
}

void breaker_fini(struct breaker *breaker)
{
	lock_fini(&breaker->lock);
}

bool breaker_is_wanted(const struct breaker_settings *settings)
{
	return settings->failures > 0 || settings->error_rate > 0;
}

/* ------------------------------------------------------------ states */

static void breaker_set(struct breaker *breaker, enum breaker_state state) HOLDS(breaker->lock)
{
	atomic_store_explicit(&breaker->state, (uint8_t)state, memory_order_relaxed);
	breaker->epoch++;
	breaker->n_failures = breaker->n_probing = breaker->n_probed = 0;
	for (size_t i = 0; i < BREAKER_BUCKETS; i++)
		breaker->buckets[i] = (struct breaker_bucket){ 0 };
}

static void breaker_open(struct breaker *breaker, const struct breaker_settings *settings,
			 uint64_t now_ns) HOLDS(breaker->lock)
{
	breaker_set(breaker, BREAKER_OPEN);
	breaker->until_ns = now_ns + settings->open_ms * NS_PER_MS;
	breaker->n_opened++;
}

static enum breaker_state breaker_load(const struct breaker *breaker)
{
	return (enum breaker_state)atomic_load_explicit(&breaker->state, memory_order_relaxed);
}

static bool breaker_is_over(const struct breaker *breaker, uint64_t now_ns) HOLDS(breaker->lock)
{
	return breaker_load(breaker) == BREAKER_OPEN && now_ns >= breaker->until_ns;
}

static bool breaker_has_room(const struct breaker *breaker, const struct breaker_settings *settings,
			     uint64_t now_ns) HOLDS(breaker->lock)
{
	switch (breaker_load(breaker)) {
	case BREAKER_CLOSED:
		return true;
	case BREAKER_OPEN:
		return breaker_is_over(breaker, now_ns);
	case BREAKER_HALF_OPEN:
		return breaker->n_probing < MAX(settings->probes, 1u);
	}
	unreachable();
}

/* ------------------------------------------------------------ letting in */

bool breaker_admits(struct breaker *breaker, const struct breaker_settings *settings,
		    uint64_t now_ns)
{
	bool admits;

	if (!breaker_is_wanted(settings) || breaker_load(breaker) == BREAKER_CLOSED)
		return true;
	lock_acquire(&breaker->lock);
	admits = breaker_has_room(breaker, settings, now_ns);
	lock_release(&breaker->lock);
	return admits;
}

bool breaker_enter(struct breaker *breaker, const struct breaker_settings *settings,
		   uint64_t now_ns, breaker_ticket *ret_ticket)
{
	bool admits;

	*ret_ticket = 0;
	if (!breaker_is_wanted(settings))
		return true;
	lock_acquire(&breaker->lock);
	admits = breaker_has_room(breaker, settings, now_ns);
	if (admits && breaker_is_over(breaker, now_ns))
		breaker_set(breaker, BREAKER_HALF_OPEN);
	if (admits) {
		breaker->n_probing += breaker_load(breaker) == BREAKER_HALF_OPEN;
		*ret_ticket = TICKET_BIT | breaker->epoch;
	}
	lock_release(&breaker->lock);
	return admits;
}

/* ------------------------------------------------------------ reports */

static bool breaker_rate_is_bad(const struct breaker *breaker,
				const struct breaker_settings *settings, uint64_t number)
	HOLDS(breaker->lock)
{
	uint64_t calls = 0, failed = 0;

	for (size_t i = 0; i < BREAKER_BUCKETS; i++) {
		if (breaker->buckets[i].number + BREAKER_BUCKETS <= number)
			continue;
		calls += breaker->buckets[i].calls;
		failed += breaker->buckets[i].failed;
	}
	return calls >= settings->min_calls && failed * 100 >= calls * settings->error_rate;
}

static void breaker_count(struct breaker *breaker, const struct breaker_settings *settings,
			  uint64_t now_ns, bool failed) HOLDS(breaker->lock)
{
	uint64_t width_ns = MAX(settings->window_ms * NS_PER_MS / BREAKER_BUCKETS, UINT64_C(1));
	uint64_t number = now_ns / width_ns + 1; /* 0 is a bucket that was never used */
	struct breaker_bucket *bucket = &breaker->buckets[number % BREAKER_BUCKETS];
	bool bad;

	if (bucket->number != number)
		*bucket = (struct breaker_bucket){ .number = number };
	bucket->calls++;
	bucket->failed += failed;
	breaker->n_failures = failed ? breaker->n_failures + 1 : 0;
	if (!failed)
		return;
	bad = settings->failures > 0 && breaker->n_failures >= settings->failures;
	if (bad || (settings->error_rate > 0 && breaker_rate_is_bad(breaker, settings, number)))
		breaker_open(breaker, settings, now_ns);
}

static void breaker_judge(struct breaker *breaker, const struct breaker_settings *settings,
			  uint64_t now_ns, enum breaker_result result) HOLDS(breaker->lock)
{
	check(breaker->n_probing > 0);
	breaker->n_probing--;
	if (result == BREAKER_FAILED)
		breaker_open(breaker, settings, now_ns);
	else if (result == BREAKER_SUCCEEDED && ++breaker->n_probed >= MAX(settings->probes, 1u))
		breaker_set(breaker, BREAKER_CLOSED);
}

void breaker_report(struct breaker *breaker, const struct breaker_settings *settings,
		    uint64_t now_ns, breaker_ticket ticket, enum breaker_result result)
{
	if (ticket == 0)
		return;
	lock_acquire(&breaker->lock);
	if (ticket == (TICKET_BIT | breaker->epoch)) {
		if (breaker_load(breaker) == BREAKER_HALF_OPEN)
			breaker_judge(breaker, settings, now_ns, result);
		else if (breaker_load(breaker) == BREAKER_CLOSED && result != BREAKER_UNKNOWN)
			breaker_count(breaker, settings, now_ns, result == BREAKER_FAILED);
	}
	lock_release(&breaker->lock);
}

enum breaker_state breaker_state(struct breaker *breaker, uint64_t now_ns)
{
	enum breaker_state state;

	lock_acquire(&breaker->lock);
	state = breaker_is_over(breaker, now_ns) ? BREAKER_HALF_OPEN : breaker_load(breaker);
	lock_release(&breaker->lock);
	return state;
}

const char *breaker_state_name(enum breaker_state state)
{
	switch (state) {
	case BREAKER_CLOSED:
		return "closed";
	case BREAKER_OPEN:
		return "open";
	case BREAKER_HALF_OPEN:
		return "half_open";
	}
	unreachable();
}
