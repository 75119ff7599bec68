/* core/base/heap.h: a priority queue whose nodes are embedded in what they order.
 *
 * A pairing heap: adding is O(1) and cannot fail, taking the least and removing any other are
 * O(log n) amortised. Equal nodes come out in no promised order. */
#pragma once
#include <stdbool.h>

struct heap_node {
	struct heap_node *child;   /* the first of those that are not less */
	struct heap_node *sibling; /* the next child of the same parent */
	struct heap_node *prev;    /* the previous sibling, or the parent of a first child */
};

typedef bool heap_less_fn(const struct heap_node *a, const struct heap_node *b);

struct heap {
	struct heap_node *root;
	heap_less_fn *less;
};

void heap_init(struct heap *heap, heap_less_fn *less);
void heap_add(struct heap *heap, struct heap_node *node);    /* not in a heap yet */
void heap_remove(struct heap *heap, struct heap_node *node); /* must be in this heap */
struct heap_node *heap_pop(struct heap *heap);               /* NULL when empty */

static inline struct heap_node *heap_least(const struct heap *heap)
{
	return heap->root;
}
