/* tests/core/thread/sort.c */
#include "core/thread/sort.h"
#include "core/thread/fork.h"
#include "core/thread/wait_group.h"
#include "tests/lib/tap.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Runs a function on a thread of a pool, and waits for it. */
struct on_pool {
	struct work work;
	struct pool_queue *queue;
	struct wait_group group;
	void (*run)(struct pool_queue *queue);
};

static void on_pool_work(struct work *work)
{
	struct on_pool *on = container_of(work, struct on_pool, work);

	on->run(on->queue);
	wait_group_done(&on->group);
}

static void on_pool(unsigned n_threads, unsigned running_max, void (*run)(struct pool_queue *queue))
{
	const struct pool_limits limits = { .running_max = running_max };
	struct on_pool on = { .work.run = on_pool_work, .run = run };
	struct pool *pool;

	is_int(pool_create(&pool, "test", n_threads), 0);
	on.queue = pool_queue_open(pool, STR("sort"), &limits);
	wait_group_init(&on.group, 1);
	is_int(pool_queue_submit(on.queue, &on.work), 0);
	wait_group_wait(&on.group);
	wait_group_fini(&on.group);
	pool_queue_close(on.queue);
	pool_destroy(pool);
}

struct element {
	uint32_t key, index;
};

static int by_key(const void *a, const void *b, void *context)
{
	const struct element *x = a, *y = b;

	(void)context;
	return (x->key > y->key) - (x->key < y->key);
}

static uint64_t state = 88172645463325252u;

static uint32_t random_u32(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static void fill(struct element *elements, size_t n, uint32_t n_keys)
{
	for (size_t i = 0; i < n; i++)
		elements[i] = (struct element){ random_u32() % n_keys, (uint32_t)i };
}

static bool is_sorted_and_stable(const struct element *elements, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (elements[i - 1].key > elements[i].key ||
		    (elements[i - 1].key == elements[i].key &&
		     elements[i - 1].index >= elements[i].index))
			return false;
	return true;
}

static void sort_sizes(struct pool_queue *queue)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 12, 13, 100, 8191, 8192, 16384, 16385, 300007 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t n = sizes[i];
		struct element *elements = calloc(n + 1, sizeof(*elements));
		struct element *scratch = calloc(n + 1, sizeof(*scratch));

		for (uint32_t n_keys = 1; n_keys <= 1000000; n_keys *= 100) {
			fill(elements, n, n_keys);
			sort_run(queue, &(struct sort){ elements, scratch, n, sizeof(*elements),
							by_key, NULL });
			is_true(is_sorted_and_stable(elements, n));
		}
		free(elements);
		free(scratch);
	}
}

static void arrays_of_any_length_are_sorted_and_equals_keep_their_order(void)
{
	on_pool(4, 0, sort_sizes);
}

static void one_thread_is_enough_and_so_is_a_queue_that_runs_one(void)
{
	on_pool(1, 0, sort_sizes);
	on_pool(4, 1, sort_sizes);
}

struct large {
	char before[100];
	uint32_t key;
	char after[24];
};

static int by_large_key(const void *a, const void *b, void *context)
{
	const struct large *x = a, *y = b;

	(void)context;
	return (x->key > y->key) - (x->key < y->key);
}

static void sort_large(struct pool_queue *queue)
{
	enum { N = 20000 };
	struct large *elements = calloc(N, sizeof(*elements));
	struct large *scratch = calloc(N, sizeof(*scratch));
	bool whole = true;

	for (size_t i = 0; i < N; i++) {
		elements[i].key = random_u32();
		memset(elements[i].after, (int)(elements[i].key & 0x7f), sizeof(elements[i].after));
	}
	sort_run(queue,
		 &(struct sort){ elements, scratch, N, sizeof(*elements), by_large_key, NULL });
	for (size_t i = 0; i < N; i++)
		whole &= (i == 0 || elements[i - 1].key <= elements[i].key) &&
			 elements[i].after[23] == (char)(elements[i].key & 0x7f);
	is_true(whole);
	free(elements);
	free(scratch);
}

static void elements_of_any_size_are_moved_whole(void)
{
	on_pool(2, 0, sort_large);
}

static void merge_some(struct pool_queue *queue)
{
	enum { N = 100000 };
	struct element *elements = calloc(N, sizeof(*elements));
	struct element *scratch = calloc(N, sizeof(*scratch));

	for (size_t n_runs = 0; n_runs <= 9; n_runs++) {
		size_t starts[11], n = n_runs ? N : 0;

		fill(elements, n, 1000);
		for (size_t i = 0; i < n_runs; i++) /* of lengths that differ; one is empty */
			starts[i] = i == 1 ? 0 : n * i * i / (n_runs * n_runs);
		for (size_t i = 0; i < n_runs; i++) {
			size_t end = i + 1 < n_runs ? starts[i + 1] : n;

			sort_run(queue,
				 &(struct sort){ elements + starts[i], scratch, end - starts[i],
						 sizeof(*elements), by_key, NULL });
		}
		sort_merge(queue,
			   &(struct sort){ elements, scratch, n, sizeof(*elements), by_key, NULL },
			   starts, n_runs);
		is_true(is_sorted_and_stable(elements, n));
	}
	free(elements);
	free(scratch);
}

static void sorted_runs_are_merged(void)
{
	on_pool(3, 0, merge_some);
}

static void add_key(void *into, const void *element, void *context)
{
	(void)context;
	*(uint64_t *)into += ((const struct element *)element)->key;
}

static void add_sum(void *into, void *part, void *context)
{
	(void)context;
	*(uint64_t *)into += *(const uint64_t *)part;
}

static void no_sum(void *into, void *context)
{
	(void)context;
	is_int(*(uint64_t *)into, 0);
}

static void reduce_some(struct pool_queue *queue)
{
	static const size_t sizes[] = { 0, 1, 8192, 100001 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t n = sizes[i];
		struct element *elements = calloc(n + 1, sizeof(*elements));
		uint64_t sum = 0, want = 0;
		const struct reduce reduce = { .elements = elements,
					       .n = n,
					       .size = sizeof(*elements),
					       .into = &sum,
					       .into_size = sizeof(sum),
					       .begin = no_sum,
					       .combine = add_key,
					       .join = add_sum };

		fill(elements, n, 1000000);
		for (size_t k = 0; k < n; k++)
			want += elements[k].key;
		is_int(reduce_run(queue, &reduce), 0);
		is_int(sum, want);
		free(elements);
	}
}

static void an_array_is_reduced_to_what_its_elements_make_together(void)
{
	on_pool(4, 0, reduce_some);
}

static atomic_uint n_seen[1000];

static void see(void *data, size_t index)
{
	(void)data;
	atomic_fetch_add(&n_seen[index], 1);
}

static void fork_many(struct pool_queue *queue)
{
	bool once = true;

	fork_run(queue, ARRAY_LEN(n_seen), see, NULL);
	for (size_t i = 0; i < ARRAY_LEN(n_seen); i++)
		once &= n_seen[i] == 1;
	is_true(once);
	fork_run(queue, 0, see, NULL);
}

static void each_piece_is_done_once(void)
{
	on_pool(4, 0, fork_many);
}

int main(void)
{
	TEST(arrays_of_any_length_are_sorted_and_equals_keep_their_order);
	TEST(one_thread_is_enough_and_so_is_a_queue_that_runs_one);
	TEST(elements_of_any_size_are_moved_whole);
	TEST(sorted_runs_are_merged);
	TEST(an_array_is_reduced_to_what_its_elements_make_together);
	TEST(each_piece_is_done_once);
	return tap_done();
}
