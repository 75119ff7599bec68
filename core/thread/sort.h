/* core/thread/sort.h: sorting, merging and reducing arrays on several threads of the pool
 * (Workflow's docs/en/about-algorithm: sort, merge, reduce).
 *
 * All of it is called by work that runs on a thread of the pool (core/task/compute.h makes that a
 * task), and takes memory only where it says so. Small arrays are done by the calling thread. */
#pragma once
#include "core/thread/pool.h"

/* Less than, equal to, or greater than 0, as for qsort(). Called by several threads at once. */
typedef int compare_fn(const void *a, const void *b, void *context);

/* Adds `element` to what `into` has so far. */
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

/* Pieces of the array are combined apart, each into an `into` of its own, and joined in the order of
 * the array: joining must be associative, a+(b+c) = (a+b)+c. Several threads call these at once, each
 * with another `into`. */
struct reduce {
	const void *elements;
	size_t n, size;
	void *into; /* begun by the caller; then what all elements make */
	size_t into_size;
	void (*begin)(void *into, void *context); /* makes one of no elements, out of zero bytes */
	combine_fn *combine;
	void (*join)(void *into, void *part, void *context); /* `part` stands behind `into` */
	void (*end)(void *part, void *context); /* of what was joined; NULL: it holds nothing */
	void *context;
};

/* 0, or -ENOMEM with *into as it was. */
int reduce_run(struct pool_queue *queue, const struct reduce *reduce);
