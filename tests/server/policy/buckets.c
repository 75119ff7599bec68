/* tests/server/policy/buckets.c: tokens, forgetting, and all loops at once. */
#include "server/policy/buckets.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "tests/lib/tap.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static const struct bucket_rate ten_a_second = { NS_PER_S / 10, 5 };

static struct bucket_state state;

static uint64_t hash_of(uint64_t number)
{
	return str_hash((struct str){ (char *)&number, sizeof(number) });
}

static bool get(struct buckets *buckets, uint64_t key, uint64_t now_ns)
{
	return buckets_take(buckets, &ten_a_second, hash_of(key), now_ns, &state);
}

static void a_burst_is_taken_at_once_and_then_one_an_interval(void)
{
	struct buckets *buckets = buckets_create();
	uint64_t now_ns = 5 * NS_PER_S;

	for (unsigned i = 0; i < 5; i++) {
		is_true(get(buckets, 1, now_ns));
		is_int(state.remaining, 4 - i);
		is_int(state.full_ns, (i + 1) * NS_PER_S / 10);
		is_int(state.retry_ns, 0);
	}
	is_false(get(buckets, 1, now_ns));
	is_int(state.remaining, 0);
	is_int(state.retry_ns, NS_PER_S / 10);
	is_int(state.full_ns, NS_PER_S / 2);
	is_false(get(buckets, 1, now_ns + NS_PER_S / 10 - 1));
	is_int(state.retry_ns, 1);
	is_true(get(buckets, 1, now_ns + NS_PER_S / 10));
	is_false(get(buckets, 1, now_ns + NS_PER_S / 10));
	is_true(get(buckets, 1, now_ns + 10 * NS_PER_S));
	is_int(state.remaining, 4);
	buckets_unref(buckets);
}

static void keys_do_not_share_tokens(void)
{
	struct buckets *buckets = buckets_create();

	for (uint64_t key = 0; key < 1000; key++)
		for (unsigned i = 0; i < 5; i++)
			is_true(get(buckets, key, NS_PER_S));
	for (uint64_t key = 0; key < 1000; key++)
		is_false(get(buckets, key, NS_PER_S));
	is_int(buckets_n_keys(buckets), 1000);
	buckets_unref(buckets);
}

static void a_hash_of_zero_is_a_key_like_others(void)
{
	struct buckets *buckets = buckets_create();

	for (unsigned i = 0; i < 5; i++)
		is_true(buckets_take(buckets, &ten_a_second, 0, NS_PER_S, &state));
	is_false(buckets_take(buckets, &ten_a_second, 0, NS_PER_S, &state));
	buckets_unref(buckets);
}

/* A million keys of which each takes one: 131,072 places at most. */
static void who_has_used_up_a_bucket_is_remembered_however_many_keys_come(void)
{
	struct buckets *buckets = buckets_create();
	unsigned n_forgotten = 0;

	for (uint64_t key = 0; key < 100; key++)
		for (unsigned i = 0; i < 5; i++)
			get(buckets, key, NS_PER_S);
	for (uint64_t key = 1000; key < 1000000; key++)
		get(buckets, key, NS_PER_S);
	is_true(buckets_n_keys(buckets) <= BUCKETS_MAX);
	is_true(buckets_n_keys(buckets) > BUCKETS_MAX / 2);
	for (uint64_t key = 0; key < 100; key++)
		n_forgotten += get(buckets, key, NS_PER_S);
	is_int(n_forgotten, 0);
	buckets_unref(buckets);
}

static void what_is_full_again_makes_room_without_growing(void)
{
	struct buckets *buckets = buckets_create();

	for (uint64_t key = 0; key < 100000; key++)
		get(buckets, key, NS_PER_S * (key + 1));
	is_true(buckets_n_keys(buckets) <= 256);
	buckets_unref(buckets);
}

static void a_second_reference_keeps_the_tokens(void)
{
	struct buckets *first = buckets_create(), *second = buckets_ref(first);

	for (unsigned i = 0; i < 5; i++)
		get(first, 1, NS_PER_S);
	buckets_unref(first);
	is_false(get(second, 1, NS_PER_S));
	buckets_unref(second);
	buckets_unref(NULL);
}

/* ------------------------------------------------------------------ threads */

enum { THREADS = 4, TAKES = 20000 };

static struct buckets *shared;
static atomic_uint n_taken;

static void *take_many(void *arg)
{
	const struct bucket_rate rate = { NS_PER_S, 1000 };
	struct bucket_state ignored;

	(void)arg;
	for (uint64_t i = 0; i < TAKES; i++) {
		n_taken += buckets_take(shared, &rate, hash_of(i % 10), NS_PER_S, &ignored);
		buckets_take(shared, &rate, hash_of(1000 + i), NS_PER_S, &ignored);
	}
	return NULL;
}

static void all_threads_together_get_no_more_than_the_burst(void)
{
	pthread_t threads[THREADS];

	shared = buckets_create();
	for (size_t i = 0; i < THREADS; i++)
		is_int(pthread_create(&threads[i], NULL, take_many, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	is_int(n_taken, 10 * 1000);
	buckets_unref(shared);
}

int main(void)
{
	TEST(a_burst_is_taken_at_once_and_then_one_an_interval);
	TEST(keys_do_not_share_tokens);
	TEST(a_hash_of_zero_is_a_key_like_others);
	TEST(who_has_used_up_a_bucket_is_remembered_however_many_keys_come);
	TEST(what_is_full_again_makes_room_without_growing);
	TEST(a_second_reference_keeps_the_tokens);
	TEST(all_threads_together_get_no_more_than_the_burst);
	return tap_done();
}
