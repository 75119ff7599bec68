/* tests/server/cache/store.c: entries, eviction, and who waits for whom. */
#include "server/cache/store.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "tests/lib/tap.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static struct cache_entry *entry_of(const char *key, size_t body_len, struct arena_budget *budget)
{
	char *body = mem_zalloc(body_len + 1);
	const struct cache_parts parts = {
		.key = str_of(key), .body = { body, body_len }, .own_body = body, .budget = budget
	};
	struct cache_entry *entry = cache_entry_create(&parts);

	if (!entry)
		free(body);
	return entry;
}

static void put(struct cache_store *store, const char *key, size_t body_len)
{
	struct cache_entry *entry = entry_of(key, body_len, NULL);

	cache_store_add(store, entry);
	cache_entry_unref(entry);
}

static bool has(struct cache_store *store, const char *key)
{
	struct cache_entry *entry = cache_store_find(store, str_of(key));

	cache_entry_unref(entry);
	return entry != NULL;
}

static const char *name_of(const char *kind, int i)
{
	static char name[32];

	snprintf(name, sizeof(name), "%s%d", kind, i);
	return name;
}

/* ------------------------------------------------------------ entries */

static void what_was_added_is_found_until_it_is_removed(void)
{
	struct cache_store *store = cache_store_create(1 << 20);
	struct cache_store_stats stats;

	is_false(has(store, "a"));
	put(store, "a", 10);
	put(store, "a", 20);
	put(store, "b", 10);
	is_true(has(store, "a"));
	cache_store_stats(store, &stats);
	is_int(stats.n_entries, 2);
	is_int(cache_store_remove(store, STR("a")), 1);
	is_int(cache_store_remove(store, STR("a")), 0);
	is_false(has(store, "a"));
	is_true(has(store, "b"));
	cache_store_destroy(store);
}

static void a_prefix_removes_what_begins_with_it(void)
{
	struct cache_store *store = cache_store_create(64 << 20);

	for (int i = 0; i < 100; i++) {
		put(store, name_of("user:", i), 10);
		put(store, name_of("item:", i), 10);
	}
	is_int(cache_store_remove_prefix(store, STR("user:")), 100);
	is_int(cache_store_remove_prefix(store, STR("item:1")), 11);
	is_true(has(store, "item:2"));
	is_int(cache_store_remove_prefix(store, STR("")), 89);
	cache_store_destroy(store);
}

static void a_reader_keeps_what_it_reads(void)
{
	struct cache_store *store = cache_store_create(1 << 20);
	struct arena_budget budget = { .max = 1 << 20 };
	struct cache_entry *entry = entry_of("a", 1000, &budget);

	cache_store_add(store, entry);
	is_true(budget.used > 1000 && budget.used < 1400);
	cache_store_destroy(store);
	is_int(entry->body.len, 1000);
	is_true(budget.used > 1000);
	cache_entry_unref(entry);
	is_int(budget.used, 0);
}

static void without_room_in_the_budget_there_is_no_entry(void)
{
	struct arena_budget budget = { .max = 500 };

	is_null(entry_of("a", 1000, &budget));
	is_int(budget.used, 0);
}

static void bytes_count_keys_and_overhead_and_stay_below_the_bound(void)
{
	enum { MAX = 256 << 10 };
	struct cache_store *store = cache_store_create(MAX);
	struct cache_store_stats stats;

	for (int i = 0; i < 20000; i++)
		put(store, name_of("a-rather-long-key:", i), 1);
	cache_store_stats(store, &stats);
	is_true(stats.n_bytes <= MAX);
	is_true(stats.n_bytes >= stats.n_entries * sizeof(struct cache_entry));
	is_int(stats.n_entries + stats.n_evicted, 20000);
	put(store, "large", MAX / 2 + 1);
	is_false(has(store, "large"));
	cache_store_destroy(store);
}

/* ------------------------------------------------------------ eviction */

static void what_is_used_again_stays_when_a_crawler_passes(void)
{
	struct cache_store *store = cache_store_create(1 << 20);
	int n_there = 0;

	for (int i = 0; i < 100; i++)
		put(store, name_of("hot:", i), 1000);
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 100; i++)
			has(store, name_of("hot:", i));
		for (int i = 0; i < 100; i++)
			put(store, name_of("once:", round * 100 + i), 1000);
	}
	for (int i = 0; i < 100; i++)
		n_there += has(store, name_of("hot:", i));
	is_int(n_there, 100);
	cache_store_destroy(store);
}

static void what_is_asked_for_again_soon_after_it_left_comes_to_stay(void)
{
	struct cache_store *store = cache_store_create(1 << 20);
	int n_left = 0, n_stay = 0;

	for (int i = 0; i < 900; i++) /* until the first have left */
		put(store, name_of("once:", i), 1000);
	for (int i = 0; i < 20; i++) {
		n_left += !has(store, name_of("once:", i));
		put(store, name_of("once:", i), 1000);
	}
	for (int i = 2000; i < 3500; i++) /* more than there is room for */
		put(store, name_of("once:", i), 1000);
	for (int i = 0; i < 20; i++)
		n_stay += has(store, name_of("once:", i));
	/* which are forgotten depends on the hash, which is another in each run */
	is_true(n_left >= 15);
	is_true(n_stay >= 15);
	is_false(has(store, "once:2000"));
	cache_store_destroy(store);
}

/* Zipf's law, as the keys of real caches. LRU has 0.66 hits of these. */
static void hits_of_a_skewed_load_are_as_many_as_should_be(void)
{
	enum { KEYS = 10000, ASKS = 200000 };
	static double sums[KEYS];
	struct cache_store *store = cache_store_create(1 << 20); /* about 900 of them */
	uint64_t seed = 1, n_hits = 0;
	double sum = 0;

	for (int i = 0; i < KEYS; i++)
		sums[i] = sum += 1.0 / (i + 1);
	for (int i = 0; i < ASKS; i++) {
		double at;
		int low = 0, high = KEYS - 1;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		at = (double)(seed >> 11) / (double)(UINT64_C(1) << 53) * sum;
		while (low < high) {
			int middle = (low + high) / 2;

			if (sums[middle] < at)
				low = middle + 1;
			else
				high = middle;
		}
		if (has(store, name_of("k", low)))
			n_hits++;
		else
			put(store, name_of("k", low), 1000);
	}
	printf("# hits %.3f\n", (double)n_hits / ASKS);
	is_true(n_hits > ASKS * 0.70);
	cache_store_destroy(store);
}

/* ------------------------------------------------------------ fills */

static unsigned n_told;
static enum cache_end last_end;

static void on_told(struct cache_wait *wait)
{
	n_told++;
	last_end = wait->end;
	if (wait->entry)
		is_str(wait->entry->key, STR("a"));
}

static struct cache_ask ask_of(struct loop *loop)
{
	return (struct cache_ask){ .key = STR("a"), .loop = loop, .on_end = on_told };
}

static void settle(struct loop *loop)
{
	do
		loop_run_once(loop, false);
	while (!loop_is_settled(loop));
}

static void one_leads_and_the_others_are_told(void)
{
	struct cache_store *store = cache_store_create(1 << 20);
	struct cache_wait *waits[4] = { NULL };
	struct cache_fill *fill = NULL, *none = NULL;
	struct cache_entry *entry = entry_of("a", 10, NULL);
	struct loop *loop;
	struct cache_ask ask;

	n_told = 0;
	is_int(loop_create(&loop), 0);
	ask = ask_of(loop);
	is_int(cache_fill_begin(store, &ask, &fill, &waits[0]), CACHE_LEADS);
	is_null(waits[0]);
	for (int i = 1; i < 4; i++)
		is_int(cache_fill_begin(store, &ask, &none, &waits[i]), CACHE_WAITS);
	ask.on_end = NULL;
	is_int(cache_fill_begin(store, &ask, &none, &waits[0]), CACHE_BUSY);
	is_null(none);
	cache_wait_leave(waits[1]);
	cache_fill_end(fill, &(struct cache_result){ CACHE_END_ENTRY, entry, true, NULL });
	cache_wait_leave(waits[2]); /* it has been told already, and does not hear it */
	is_int(n_told, 0);
	settle(loop);
	is_int(n_told, 1);
	is_int(last_end, CACHE_END_ENTRY);
	is_true(has(store, "a"));
	is_int(cache_fill_begin(store, &ask, &none, &waits[0]), CACHE_CHANGED);
	ask.seen = entry;
	is_int(cache_fill_begin(store, &ask, &fill, &waits[0]), CACHE_LEADS);
	cache_fill_end(fill, &(struct cache_result){ .end = CACHE_END_FAILED });
	is_true(has(store, "a"));
	cache_entry_unref(entry);
	cache_store_destroy(store);
	loop_destroy(loop);
}

static void what_is_purged_while_it_is_made_is_not_kept(void)
{
	struct cache_store *store = cache_store_create(1 << 20);
	struct cache_entry *entry = entry_of("a", 10, NULL);
	struct cache_fill *fill = NULL, *second = NULL;
	struct cache_wait *wait = NULL;
	struct cache_ask ask = { .key = STR("a") };

	is_int(cache_fill_begin(store, &ask, &fill, &wait), CACHE_LEADS);
	cache_store_remove_prefix(store, STR(""));
	is_int(cache_fill_begin(store, &ask, &second, &wait), CACHE_LEADS); /* a newer one */
	cache_fill_end(fill, &(struct cache_result){ CACHE_END_ENTRY, entry, true, NULL });
	is_false(has(store, "a"));
	cache_fill_end(second, &(struct cache_result){ CACHE_END_ENTRY, entry, true, NULL });
	is_true(has(store, "a"));
	cache_entry_unref(entry);
	cache_store_destroy(store);
}

/* ------------------------------------------------------------ threads */

enum { THREADS = 4, ROUNDS = 3000 };

static struct cache_store *shared;
static atomic_uint n_ended, n_asked;

static void on_shared(struct cache_wait *wait)
{
	is_true(wait->end == CACHE_END_FAILED || wait->entry->body.len < 4000);
	atomic_fetch_add(&n_ended, 1);
}

static void lead(struct cache_fill *fill, int round)
{
	char key[64];
	struct cache_entry *entry;

	snprintf(key, sizeof(key), "%.*s", STR_ARG(cache_fill_key(fill)));
	entry = round % 7 ? entry_of(key, (size_t)(round % 4000), NULL) : NULL;
	cache_fill_end(fill, &(struct cache_result){
				     .end = entry ? CACHE_END_ENTRY : CACHE_END_FAILED,
				     .entry = entry,
				     .keep = round % 5 != 0,
			     });
	cache_entry_unref(entry);
}

static void *use_shared(void *number)
{
	unsigned seed = *(unsigned *)number;
	struct loop *loop;

	is_int(loop_create(&loop), 0);
	for (int round = 0; round < ROUNDS; round++) {
		char key[32];
		struct cache_fill *fill = NULL;
		struct cache_wait *wait = NULL;
		struct cache_ask ask = { .loop = loop, .on_end = on_shared };

		snprintf(key, sizeof(key), "k%d", rand_r(&seed) % 200);
		ask.key = str_of(key);
		ask.seen = cache_store_find(shared, ask.key);
		switch (cache_fill_begin(shared, &ask, &fill, &wait)) {
		case CACHE_LEADS:
			lead(fill, round);
			break;
		case CACHE_WAITS:
			atomic_fetch_add(&n_asked, 1);
			if (round % 3 == 0) {
				cache_wait_leave(wait);
				atomic_fetch_sub(&n_asked, 1);
			}
			break;
		case CACHE_BUSY:
		case CACHE_CHANGED:
		case CACHE_FULL:
			break;
		}
		cache_entry_unref((struct cache_entry *)(uintptr_t)ask.seen);
		if (round % 50 == 0)
			cache_store_remove_prefix(shared, STR("k1"));
		loop_run_once(loop, false);
	}
	return loop;
}

static void all_loops_may_use_it_at_once(void)
{
	pthread_t threads[THREADS];
	unsigned seeds[THREADS];
	void *loops[THREADS];
	struct cache_store_stats stats;

	shared = cache_store_create(256 << 10);
	for (unsigned i = 0; i < THREADS; i++) {
		seeds[i] = i + 1;
		is_int(pthread_create(&threads[i], NULL, use_shared, &seeds[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		is_int(pthread_join(threads[i], &loops[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		settle(loops[i]);
		loop_destroy(loops[i]);
	}
	cache_store_stats(shared, &stats);
	is_int(stats.n_fills, 0);
	is_int(stats.n_waiting, 0);
	is_int(atomic_load(&n_ended), atomic_load(&n_asked));
	cache_store_destroy(shared);
}

int main(void)
{
	TEST(what_was_added_is_found_until_it_is_removed);
	TEST(a_prefix_removes_what_begins_with_it);
	TEST(a_reader_keeps_what_it_reads);
	TEST(without_room_in_the_budget_there_is_no_entry);
	TEST(bytes_count_keys_and_overhead_and_stay_below_the_bound);
	TEST(what_is_used_again_stays_when_a_crawler_passes);
	TEST(what_is_asked_for_again_soon_after_it_left_comes_to_stay);
	TEST(hits_of_a_skewed_load_are_as_many_as_should_be);
	TEST(one_leads_and_the_others_are_told);
	TEST(what_is_purged_while_it_is_made_is_not_kept);
	TEST(all_loops_may_use_it_at_once);
	return tap_done();
}
