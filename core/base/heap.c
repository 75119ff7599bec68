/* core/base/heap.c */
#include "core/base/heap.h"
#include "core/base/check.h"

void heap_init(struct heap *heap, heap_less_fn *less)
{
	heap->root = NULL;
	heap->less = less;
}

/* Makes the greater root the first child of the lesser; both may be NULL. */
static struct heap_node *heap_meld(struct heap *heap, struct heap_node *a, struct heap_node *b)
{
	if (!a || !b)
		return a ? a : b;
	if (heap->less(b, a)) {
		struct heap_node *swap = a;

		a = b;
		b = swap;
	}
	b->sibling = a->child;
	if (b->sibling)
		b->sibling->prev = b;
	b->prev = a;
	a->child = b;
	return a;
}

/* Melds a row of siblings into one: pairs from the left, then the pairs from the right. Two loops
 * instead of a recursion, since a row may have a million nodes. */
static struct heap_node *heap_meld_row(struct heap *heap, struct heap_node *row)
{
	struct heap_node *pairs = NULL, *root = NULL;

	while (row) {
		struct heap_node *a = row, *b = row->sibling;

		row = b ? b->sibling : NULL;
		a->sibling = a->prev = NULL;
		if (b)
			b->sibling = b->prev = NULL;
		a = heap_meld(heap, a, b);
		a->sibling = pairs;
		pairs = a;
	}
	while (pairs) {
		struct heap_node *next = pairs->sibling;

		pairs->sibling = NULL;
		root = heap_meld(heap, root, pairs);
		pairs = next;
	}
	return root;
}

void heap_add(struct heap *heap, struct heap_node *node)
{
	*node = (struct heap_node){ 0 };
	heap->root = heap_meld(heap, heap->root, node);
}

struct heap_node *heap_pop(struct heap *heap)
{
	struct heap_node *least = heap->root;

	if (!least)
		return NULL;
	heap->root = heap_meld_row(heap, least->child);
	*least = (struct heap_node){ 0 };
	return least;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
	if (node == heap->root) {
		heap_pop(heap);
		return;
	}
	check(node->prev);
	if (node->prev->child == node)
		node->prev->child = node->sibling;
	else
		node->prev->sibling = node->sibling;
	if (node->sibling)
		node->sibling->prev = node->prev;
	heap->root = heap_meld(heap, heap->root, heap_meld_row(heap, node->child));
	*node = (struct heap_node){ 0 };
}
