/* core/task/graph.h: work in the order of its dependencies.
 *
 * A plan says which nodes must have ended before which; it is made once, cannot change
 * afterwards, and is shared by threads. A graph is one run of a plan: its owner starts a node
 * when it is told to, and says when that has ended. A run needs no memory but four bytes a node,
 * which the owner gives, and no stack: a chain of a million nodes that end at once is a loop. */
#pragma once
#include "core/task/task.h"

struct graph;
struct graph_plan;

/* ------------------------------------------------------------ the plan: made at load */

enum { GRAPH_NODES_MAX = 1 << 30 };

struct graph_plan *graph_plan_create(uint32_t n_nodes);
void graph_plan_destroy(struct graph_plan *plan); /* NULL is accepted */

/* `after` starts only when `before` has ended. Saying it twice is saying it once. */
void graph_plan_edge(struct graph_plan *plan, uint32_t before, uint32_t after);

/* Ends the making: 0, or -ELOOP. Then *ret_cycle has *ret_n_cycle nodes, each of which must end
 * before the next, and the last before the first; it begins with the least number, and is the
 * plan's memory. */
int graph_plan_finish(struct graph_plan *plan, const uint32_t **ret_cycle, size_t *ret_n_cycle);

uint32_t graph_plan_n_nodes(const struct graph_plan *plan);
uint32_t graph_plan_n_before(const struct graph_plan *plan, uint32_t node);

/* The nodes that wait for this one, in the order in which the edges were added. */
const uint32_t *graph_plan_after(const struct graph_plan *plan, uint32_t node, size_t *ret_n);

/* The length of the longest way to the node: 0 for one that waits for none. */
uint32_t graph_plan_wave(const struct graph_plan *plan, uint32_t node);
uint32_t graph_plan_n_waves(const struct graph_plan *plan);

/* ------------------------------------------------------------ a run: on one loop */

typedef void graph_start_fn(struct graph *graph, uint32_t node);
typedef void graph_fn(struct graph *graph);

struct graph {
	const struct graph_plan *plan;
	uint32_t *counters; /* one a node; what they mean stands in graph.c */
	struct scope *scope;
	graph_start_fn *on_start;
	graph_fn *on_done;
	uint32_t first, last; /* of the nodes that may start */
	uint32_t n_left;      /* nodes that have not ended */
	bool draining;
	bool stopped;
};

/* `counters` has room for a number a node and stays until the run is over. `scope` is where
 * on_start() is to start its tasks; the graph itself does not use it.
 *
 * on_start(): every node before this one has ended. It starts the node's task, or calls graph_node_done() at once for
 * one that is skipped. It must not free the graph.
 * on_done(): every node has ended. Called once, as the last thing; may free the graph. Not called after graph_stop(). */
void graph_init(struct graph *graph, const struct graph_plan *plan, uint32_t *counters,
		struct scope *scope, graph_start_fn *on_start, graph_fn *on_done);

/* Starts the nodes that wait for none. A plan without nodes is done at once. */
void graph_run(struct graph *graph);

/* The node, which was started, has ended; starts those that waited only for it. */
void graph_node_done(struct graph *graph, uint32_t node);

/* No node is started from now on. Those that run still end, by graph_node_done() or not. */
void graph_stop(struct graph *graph);

static inline uint32_t graph_n_left(const struct graph *graph)
{
	return graph->n_left;
}

/* True when on_start() was called for the node. */
bool graph_node_has_started(const struct graph *graph, uint32_t node);
