/* server/tally.c
 *
 * Locking: `lock` guards `by_key` and the coming and going of references at 0; counters are atomics. */
#include "server/tally.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/base/memory.h"
#include "core/thread/lock.h"
#include <stdlib.h>

const uint32_t tally_bounds_us[TALLY_BOUNDS] = {
	500,    1000,   2500,   5000,    10000,   25000,   50000,
	100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};

static struct lock lock = LOCK_INIT;
static struct map by_key; /* of struct tally; guarded by lock */

struct tally *tally_take(const char *kind, struct str name)
{
	size_t kind_len = strlen(kind) + 1;
	char *key = mem_alloc(kind_len + name.len + 1);
	struct str text = { key, kind_len + name.len };
	struct tally *tally;

	memcpy(key, kind, kind_len); /* with its NUL, which no name has */
	if (name.len)
		memcpy(key + kind_len, name.ptr, name.len);
	lock_acquire(&lock);
	tally = map_find(&by_key, text);
	if (tally) {
		atomic_fetch_add_explicit(&tally->refs, 1, memory_order_relaxed);
		free(key);
	} else {
		tally = mem_zalloc(sizeof(*tally));
		atomic_init(&tally->refs, 1);
		tally->key = text;
		map_set(&by_key, tally->key, tally);
	}
	lock_release(&lock);
	return tally;
}

void tally_give(struct tally *tally)
{
	bool last;

	if (!tally)
		return;
	lock_acquire(&lock);
	last = atomic_fetch_sub_explicit(&tally->refs, 1, memory_order_acq_rel) == 1;
	if (last)
		map_remove(&by_key, tally->key);
	if (last && by_key.n_items == 0)
		map_fini(&by_key);
	lock_release(&lock);
	if (!last)
		return;
	free((char *)(uintptr_t)tally->key.ptr);
	free(atomic_load(&tally->times));
	free(tally);
}

/* ------------------------------------------------------------ counting */

static void tally_sum(_Atomic uint64_t *count, uint64_t n)
{
	atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

void tally_times_add(struct tally_times *times, uint64_t took_ns)
{
	uint64_t max_ns = atomic_load_explicit(&times->max_ns, memory_order_relaxed);
	size_t at = 0;

	while (at < TALLY_BOUNDS && took_ns > tally_bounds_us[at] * UINT64_C(1000))
		at++;
	tally_sum(&times->counts[at], 1);
	tally_sum(&times->sum_ns, took_ns);
	while (took_ns > max_ns &&
	       !atomic_compare_exchange_weak_explicit(&times->max_ns, &max_ns, took_ns,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

/* Made by whoever is first. NULL without memory. */
static struct tally_times *tally_times(struct tally *tally)
{
	struct tally_times *times = atomic_load_explicit(&tally->times, memory_order_acquire);
	struct tally_times *made, *none = NULL;

	if (likely(times != NULL))
		return times;
	made = calloc(1, sizeof(*made));
	if (!made || atomic_compare_exchange_strong(&tally->times, &none, made))
		return made;
	free(made);
	return none;
}

void tally_time(struct tally *tally, uint64_t took_ns)
{
	struct tally_times *times = tally_times(tally);

	if (times)
		tally_times_add(times, took_ns);
}

void tally_add(struct tally *tally, uint64_t took_ns, bool failed)
{
	tally_count(tally);
	if (failed)
		tally_count_failure(tally);
	else
		atomic_store_explicit(&tally->ok_wall_ns, clock_wall_ns(), memory_order_relaxed);
	tally_time(tally, took_ns);
}

/* ------------------------------------------------------------ looking */

void tally_times_look(const struct tally_times *times, struct tally_view *ret_view)
{
	uint64_t sum = 0;

	*ret_view = (struct tally_view){ 0 };
	if (!times)
		return;
	for (size_t i = 0; i <= TALLY_BOUNDS; i++) {
		sum += atomic_load_explicit(&times->counts[i], memory_order_relaxed);
		ret_view->up_to[i] = sum;
	}
	ret_view->sum_ns = atomic_load_explicit(&times->sum_ns, memory_order_relaxed);
	ret_view->max_ns = atomic_load_explicit(&times->max_ns, memory_order_relaxed);
}

void tally_look(const struct tally *tally, struct tally_view *ret_view)
{
	tally_times_look(atomic_load_explicit(&tally->times, memory_order_acquire), ret_view);
	ret_view->n = atomic_load_explicit(&tally->n, memory_order_relaxed);
	ret_view->n_failed = atomic_load_explicit(&tally->n_failed, memory_order_relaxed);
}

void tally_view_add(struct tally_view *to, const struct tally_view *more)
{
	to->n += more->n;
	to->n_failed += more->n_failed;
	for (size_t i = 0; i <= TALLY_BOUNDS; i++)
		to->up_to[i] += more->up_to[i];
	to->sum_ns += more->sum_ns;
	to->max_ns = MAX(to->max_ns, more->max_ns);
}

uint64_t tally_view_quantile_ns(const struct tally_view *view, double share)
{
	double wanted = share * (double)view->up_to[TALLY_BOUNDS];
	size_t at = 0;
	double below, above, from, to;

	if (view->up_to[TALLY_BOUNDS] == 0)
		return 0;
	while (at < TALLY_BOUNDS && (double)view->up_to[at] < wanted)
		at++;
	if (at == TALLY_BOUNDS)
		return view->max_ns;
	below = at ? (double)view->up_to[at - 1] : 0;
	above = (double)view->up_to[at];
	from = at ? tally_bounds_us[at - 1] * 1000.0 : 0;
	to = tally_bounds_us[at] * 1000.0;
	if (above > below)
		to = from + (to - from) * (wanted - below) / (above - below);
	return MIN((uint64_t)to, view->max_ns);
}
