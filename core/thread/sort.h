/* core/thread/sort.h: sorting, merging and reducing arrays on several threads of the pool
 * (Workflow's docs/en/about-algorithm: sort, merge, reduce).
 *
 * All of it is called by work that runs on a thread of the pool (core/task/compute.h makes that a
 * task), and takes memory only where it says so. Small arrays are done by the calling thread. */
#pragma once
#include "core/thread/pool.h"

/* Less than, equal to, or greater than 0, as for qsort(). Called by several threads at once. */
typedef int compare_fn(const void *a, const void *b, void *context);

/* Adds `element` to what `into` has so far; both are of the array's kind, or of the caller's own
 * (reduce_spec.into_size). Must be associative: a+(b+c) = (a+b)+c. */
typedef void combine_fn(void *into, const void *element, void *context);

struct sort {
	void *elements, *scratch; /* room for n each; what scratch holds afterwards is nobody's */
	size_t n, size;           /* of bytes each */
	compare_fn *compare;
	void *context;
};

/* Sorts them, keeping the order of those that are equal. */
void sort_run(struct pool_queue *queue, const struct sort *sort);

/* The same for an array that consists of sorted runs: run i begins at starts[i], the first at 0;
 * n_runs may be 0 for an empty array. `starts` has room for one more; it is overwritten. */
void sort_merge(struct pool_queue *queue, const struct sort *sort, size_t *starts, size_t n_runs);

/* Combines n elements into *into (which has its first value: 0 for a sum), in the order of the
 * array: pieces are combined apart, each from a copy of that first value, and then joined by
 * `join`. That value must change nothing: combine(first, x) is x. */
struct reduce {
	const void *elements;
	size_t n, size;
	void *into;
	size_t into_size;
	combine_fn *combine; /* an element into an `into` */
	combine_fn *join;    /* an `into` into an `into` */
	void *context;
};

/* 0, or -ENOMEM. */
int reduce_run(struct pool_queue *queue, const struct reduce *reduce);
