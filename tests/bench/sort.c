/* tests/bench/sort.c: sorting 10 million numbers by the pool, beside one thread and qsort(). */
#include "core/thread/sort.h"
#include "core/thread/wait_group.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N = 10000000, ROUNDS = 3 };

struct bench {
	struct work work;
	struct pool_queue *queue;
	struct wait_group group;
	uint64_t *numbers, *scratch;
};

static int by_number(const void *a, const void *b, void *context)
{
	const uint64_t *x = a, *y = b;

	(void)context;
	return (*x > *y) - (*x < *y);
}

static int by_number_qsort(const void *a, const void *b)
{
	return by_number(a, b, NULL);
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fill(uint64_t *numbers)
{
	uint64_t state = 88172645463325252u;

	for (size_t i = 0; i < N; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		numbers[i] = state;
	}
}

static void sort_on_pool(struct work *work)
{
	struct bench *bench = container_of(work, struct bench, work);

	sort_run(bench->queue, &(struct sort){ bench->numbers, bench->scratch, N, sizeof(uint64_t),
					       by_number, NULL });
	wait_group_done(&bench->group);
}

static double sort_with(struct bench *bench, unsigned n_threads)
{
	struct pool *pool;
	double start_s, took_s;

	check(pool_create(&pool, "bench", n_threads) == 0);
	bench->queue = pool_queue_open(pool, STR("sort"), &(struct pool_limits){ 0 });
	bench->work.run = sort_on_pool;
	fill(bench->numbers);
	wait_group_init(&bench->group, 1);
	start_s = now_s();
	check(pool_queue_submit(bench->queue, &bench->work) == 0);
	wait_group_wait(&bench->group);
	took_s = now_s() - start_s;
	wait_group_fini(&bench->group);
	pool_queue_close(bench->queue);
	pool_destroy(pool);
	return took_s;
}

static double sort_with_qsort(struct bench *bench)
{
	double start_s;

	fill(bench->numbers);
	start_s = now_s();
	qsort(bench->numbers, N, sizeof(uint64_t), by_number_qsort);
	return now_s() - start_s;
}

int main(void)
{
	struct bench bench = { .numbers = malloc(N * sizeof(uint64_t)),
			       .scratch = malloc(N * sizeof(uint64_t)) };
	double best[3] = { 1e9, 1e9, 1e9 };

	check(bench.numbers && bench.scratch);
	memset(bench.scratch, 0, N * sizeof(uint64_t));
	for (unsigned i = 0; i < ROUNDS; i++) {
		double qsort_s = sort_with_qsort(&bench), one_s = sort_with(&bench, 1),
		       two_s = sort_with(&bench, 2);

		best[0] = MIN(best[0], qsort_s);
		best[1] = MIN(best[1], one_s);
		best[2] = MIN(best[2], two_s);
	}
	printf("sort 10 M numbers: qsort %.2f s, one thread %.2f s (%.2f x qsort), two threads "
	       "%.2f s (%.2f x one)\n",
	       best[0], best[1], best[1] / best[0], best[2], best[2] / best[1]);
	free(bench.numbers);
	free(bench.scratch);
	return 0;
}
