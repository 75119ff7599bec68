/* core/base/list.h: a doubly linked list whose nodes are embedded in what they link.
 *
 * Adding and removing cannot fail and are O(1). A node that is in no list points at itself
 * (after list_init()), so that removing it twice is harmless. */
#pragma once
#include "core/base/check.h"
#include <stdbool.h>

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)                                                                            \
	{                                                                                          \
		&(name), &(name)                                                                   \
	}

static inline void list_init(struct list *list)
{
	list->next = list->prev = list;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->next == list;
}

/* True for a node that is in a list; a node must have been list_init()ed. */
static inline bool list_is_linked(const struct list *node)
{
	return node->next != node;
}

static inline void list_insert(struct list *prev, struct list *node)
{
	node->prev = prev;
	node->next = prev->next;
	prev->next->prev = node;
	prev->next = node;
}

static inline void list_add(struct list *list, struct list *node) /* at the end */
{
	list_insert(list->prev, node);
}

static inline void list_add_first(struct list *list, struct list *node)
{
	list_insert(list, node);
}

static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* The first node, taken out; NULL when the list is empty. */
static inline struct list *list_pop(struct list *list)
{
	struct list *node = list->next;

	if (node == list)
		return NULL;
	list_remove(node);
	return node;
}

/* Moves every node of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_move_all(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_first(list, type, member)                                                             \
	(list_is_empty(list) ? NULL : container_of((list)->next, type, member))

/* The body may remove `item` itself, nothing else. */
#define list_each(item, head, type, member)                                                        \
	for (struct list *each_at = (head)->next, *each_next = each_at->next;                      \
	     each_at != (head) && ((item) = container_of(each_at, type, member), true);            \
	     each_at = each_next, each_next = each_at->next)
