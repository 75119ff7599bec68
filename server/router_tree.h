/* server/router_tree.h: what a router is made of; for server/router*.c only.
 *
 * For each host there is a tree of nodes, one level a segment. The edges to literal segments of
 * all trees are in one hash table, keyed by the parent and the segment: a look-up costs one
 * probe a segment, however many children a node has, and a node is small. The roots are in it
 * too, under their host with no parent. */
#pragma once
#include "core/base/map.h" /* str_hash() */
#include "server/router.h"

/* A route at a node; of one node's entries, those with a method come before the one without. */
struct router_entry {
	struct router_entry *next;
	enum http_method method_id;
	struct str method; /* empty: any */
	void *route;
	struct str text; /* the pattern and its place, for messages */
	struct place place;
};

struct router_node {
	struct router_node *parent; /* NULL: a root */
	struct str segment;         /* the literal that leads here from the parent; a root's host */
	struct router_node *param;
	struct router_entry *entries; /* of patterns that end here */
	struct router_entry *rest;    /* of patterns that go on with {rest...} */
	size_t n_literals;            /* children that are reached by a literal */

	/* At most this many nodes are visited at and below this one, whatever the request. */
	size_t visits;
	size_t literal_visits; /* of the costliest child that a literal reaches */
};

struct router_slot {
	uint64_t hash;
	struct router_node *node; /* NULL: free */
};

struct router {
	struct arena *arena;
	struct router_node *any_host; /* NULL: no such routes */
	bool has_hosts, has_wildcards;
	struct router_slot *slots;
	size_t n_slots, n_nodes; /* slots: a power of two, at least twice the nodes in them */
};

static inline uint64_t router_edge_hash(const struct router_node *parent, struct str segment)
{
	return str_hash(segment) ^ ((uint64_t)(uintptr_t)parent * UINT64_C(0x9e3779b97f4a7c15));
}

/* The slot of the edge, or the free one where it would be. */
static inline struct router_slot *router_slot_find(const struct router *router,
						   const struct router_node *parent,
						   struct str segment, uint64_t hash)
{
	size_t mask = router->n_slots - 1;

	for (size_t i = (hash >> 20) & mask;; i = (i + 1) & mask) {
		struct router_slot *slot = &router->slots[i];

		if (!slot->node || (slot->hash == hash && slot->node->parent == parent &&
				    str_eq(slot->node->segment, segment)))
			return slot;
	}
}
