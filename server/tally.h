/* server/tally.h: what became of everything of one name: how often, how long, how it ended.
 *
 * A tally lives as long as any generation has something of its kind and name, so counters go on over
 * reloads. Names are those of the configuration, never what a request says: there are as many as the
 * configuration has routes, tasks and jobs. The histogram is made when the first end is counted.
 * Adding is for any thread, and takes no lock. */
#pragma once
#include "core/base/str.h"
#include <stdatomic.h>

enum { TALLY_BOUNDS = 14 };

/* Upper bounds in microseconds: 0.5 ms to 10 s. */
extern const uint32_t tally_bounds_us[TALLY_BOUNDS];

struct tally_times {
	_Atomic uint64_t counts[TALLY_BOUNDS + 1]; /* between two bounds; the last: above all */
	_Atomic uint64_t sum_ns, max_ns;
};

struct tally {
	atomic_uint refs;
	struct str key;
	_Atomic uint64_t n, n_failed;
	_Atomic int64_t ok_wall_ns;          /* when one succeeded last; 0: none has */
	atomic_int n_now;                    /* at work */
	_Atomic(struct tally_times *) times; /* NULL: none has ended */
};

/* That of this kind and name, with one more reference; names are copied. Any thread. */
struct tally *tally_take(const char *kind, struct str name);
void tally_give(struct tally *tally); /* NULL is accepted */

/* One has begun, and is over: for tally->n_now. */
static inline void tally_enter(struct tally *tally)
{
	atomic_fetch_add_explicit(&tally->n_now, 1, memory_order_relaxed);
}

static inline void tally_leave(struct tally *tally)
{
	atomic_fetch_sub_explicit(&tally->n_now, 1, memory_order_relaxed);
}

/* The parts of tally_add(), for those that are counted when they begin. */
static inline void tally_count(struct tally *tally)
{
	atomic_fetch_add_explicit(&tally->n, 1, memory_order_relaxed);
}

static inline void tally_count_failure(struct tally *tally)
{
	atomic_fetch_add_explicit(&tally->n_failed, 1, memory_order_relaxed);
}

void tally_time(struct tally *tally, uint64_t took_ns);

/* One has ended. */
void tally_add(struct tally *tally, uint64_t took_ns, bool failed);
void tally_times_add(struct tally_times *times, uint64_t took_ns);

/* What was counted, at one moment: sums up to each bound, as Prometheus wants them. */
struct tally_view {
	uint64_t n, n_failed;
	uint64_t up_to[TALLY_BOUNDS + 1]; /* the last is all */
	uint64_t sum_ns, max_ns;
};
void tally_look(const struct tally *tally, struct tally_view *ret_view);
void tally_times_look(const struct tally_times *times, struct tally_view *ret_view);
void tally_view_add(struct tally_view *to, const struct tally_view *more);

/* The time that this share (0 to 1) of them took at most, by the histogram; 0: there were none. */
uint64_t tally_view_quantile_ns(const struct tally_view *view, double share);
