/* core/task/graph.c
 *
 * A node's counter is, in this order of its life:
 *
 *   0 to GRAPH_NODES_MAX   how many nodes it still waits for
 *   a node's number, or
 *   NODE_NONE              it may start: the next one that may (the list from graph->first to graph->last)
 *   NODE_RUNNING           on_start() was called
 *   NODE_ENDED             graph_node_done() was called
 *
 * The first two look alike, but nobody looks at the counter of a node in the list but who takes
 * it out: all that it waited for has ended. */
#include "core/task/graph.h"
#include "core/base/memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NODE_NONE UINT32_MAX
#define NODE_RUNNING (UINT32_MAX - 1)
#define NODE_ENDED (UINT32_MAX - 2)

struct edge {
	uint32_t before, after;
};

struct graph_plan {
	uint32_t n_nodes;
	uint32_t n_waves;
	uint32_t n_sources;
	bool finished;
	struct edge *edges; /* as they were added; gone when finished */
	size_t n_edges, max_edges;
	size_t *at;      /* where in `after` the successors of a node begin; n_nodes + 1 of them */
	uint32_t *after; /* the successors of all nodes, one behind the other */
	uint32_t *n_before; /* how many nodes a node waits for */
	uint32_t *waves;    /* of each node */
	uint32_t *sources;  /* the nodes that wait for none */
	uint32_t *cycle;    /* NULL: there is none */
};

/* ------------------------------------------------------------ making a plan */

static uint32_t *nodes_alloc(size_t n)
{
	return mem_realloc_array(NULL, n + 1, sizeof(uint32_t)); /* never of no size */
}

struct graph_plan *graph_plan_create(uint32_t n_nodes)
{
	struct graph_plan *plan = mem_zalloc(sizeof(*plan));

	check_that(n_nodes <= GRAPH_NODES_MAX, "n_nodes=%u", n_nodes);
	plan->n_nodes = n_nodes;
	return plan;
}

void graph_plan_destroy(struct graph_plan *plan)
{
	if (!plan)
		return;
	free(plan->edges);
	free(plan->at);
	free(plan->after);
	free(plan->n_before);
	free(plan->waves);
	free(plan->sources);
	free(plan->cycle);
	free(plan);
}

void graph_plan_edge(struct graph_plan *plan, uint32_t before, uint32_t after)
{
	check(!plan->finished);
	check_that(before < plan->n_nodes && after < plan->n_nodes, "before=%u after=%u n_nodes=%u",
		   before, after, plan->n_nodes);
	if (plan->n_edges == plan->max_edges) {
		plan->max_edges = MAX(plan->max_edges * 2, (size_t)16);
		plan->edges = mem_realloc_array(plan->edges, plan->max_edges, sizeof(*plan->edges));
	}
	plan->edges[plan->n_edges++] = (struct edge){ before, after };
}

/* Sorts the edges by where they begin (the order of adding stays). */
static void plan_sort_edges(struct graph_plan *plan)
{
	size_t *at = mem_zalloc((plan->n_nodes + (size_t)2) * sizeof(*at));

	plan->after = nodes_alloc(plan->n_edges);
	for (size_t i = 0; i < plan->n_edges; i++)
		at[plan->edges[i].before + 2]++;
	for (size_t i = 2; i < plan->n_nodes + (size_t)2; i++)
		at[i] += at[i - 1];
	for (size_t i = 0; i < plan->n_edges; i++)
		plan->after[at[plan->edges[i].before + 1]++] = plan->edges[i].after;
	plan->at = at;
	free(plan->edges);
	plan->edges = NULL;
}

/* Keeps the first of edges that are equal, and counts what each node waits for. */
static void plan_drop_duplicates(struct graph_plan *plan)
{
	uint32_t *seen_from =
		nodes_alloc(plan->n_nodes); /* the last node with an edge to this one */
	size_t n = 0, begin = 0;

	memset(seen_from, 0xff, plan->n_nodes * sizeof(*seen_from));
	for (uint32_t node = 0; node < plan->n_nodes; node++) {
		size_t end = plan->at[node + 1];

		plan->at[node] = n;
		for (size_t i = begin; i < end; i++) {
			uint32_t after = plan->after[i];

			if (seen_from[after] == node)
				continue;
			seen_from[after] = node;
			plan->n_before[after]++;
			plan->after[n++] = after;
		}
		begin = end;
	}
	plan->at[plan->n_nodes] = n;
	plan->n_edges = n;
	free(seen_from);
}

/* Walks the nodes in an order in which they may run (Kahn), leaving 0 in `waiting` of each that
 * was reached; returns how many were. */
static uint32_t plan_walk(struct graph_plan *plan, uint32_t *waiting)
{
	uint32_t *order = nodes_alloc(plan->n_nodes);
	uint32_t n = 0;

	for (uint32_t node = 0; node < plan->n_nodes; node++)
		if (waiting[node] == 0)
			order[n++] = node;
	plan->n_sources = n;
	plan->sources = nodes_alloc(n);
	memcpy(plan->sources, order, n * sizeof(*order));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t wave = plan->waves[order[i]];

		plan->n_waves = MAX(plan->n_waves, wave + 1);
		for (size_t e = plan->at[order[i]]; e < plan->at[order[i] + 1]; e++) {
			uint32_t after = plan->after[e];

			plan->waves[after] = MAX(plan->waves[after], wave + 1);
			if (--waiting[after] == 0)
				order[n++] = after;
		}
	}
	free(order);
	return n;
}

/* Each node that still waits has one before it that waits too: going back from any of them ends
 * in a circle. */
static size_t plan_find_cycle(struct graph_plan *plan, const uint32_t *waiting)
{
	uint32_t *previous = nodes_alloc(plan->n_nodes);
	uint32_t node = NODE_NONE, least;
	size_t n = 0;

	for (uint32_t from = plan->n_nodes; from-- > 0;) {
		for (size_t e = plan->at[from]; waiting[from] && e < plan->at[from + 1]; e++)
			previous[plan->after[e]] = from;
		node = waiting[from] ? from : node;
	}
	for (uint32_t i = 0; i < plan->n_nodes; i++)
		node = previous[node]; /* so many steps lead into the circle from wherever */
	least = node;
	for (uint32_t at = previous[node]; at != node; at = previous[at])
		least = MIN(least, at);
	plan->cycle = nodes_alloc(plan->n_nodes);
	node = least;
	do {
		plan->cycle[n++] = node;
		node = previous[node];
	} while (node != least);
	for (size_t i = 1; i < n - i; i++) { /* it was walked backwards */
		uint32_t swap = plan->cycle[i];

		plan->cycle[i] = plan->cycle[n - i];
		plan->cycle[n - i] = swap;
	}
	free(previous);
	return n;
}

int graph_plan_finish(struct graph_plan *plan, const uint32_t **ret_cycle, size_t *ret_n_cycle)
{
	scoped(mem_free_ptr) uint32_t *waiting = nodes_alloc(plan->n_nodes);

	check(!plan->finished);
	plan->finished = true;
	plan->n_before = mem_zalloc((plan->n_nodes + (size_t)1) * sizeof(*plan->n_before));
	plan->waves = mem_zalloc((plan->n_nodes + (size_t)1) * sizeof(*plan->waves));
	plan_sort_edges(plan);
	plan_drop_duplicates(plan);
	memcpy(waiting, plan->n_before, plan->n_nodes * sizeof(*waiting));
	if (plan_walk(plan, waiting) == plan->n_nodes)
		return 0;
	*ret_n_cycle = plan_find_cycle(plan, waiting);
	*ret_cycle = plan->cycle;
	return -ELOOP;
}

/* ------------------------------------------------------------ asking a plan */

uint32_t graph_plan_n_nodes(const struct graph_plan *plan)
{
	return plan->n_nodes;
}

uint32_t graph_plan_n_before(const struct graph_plan *plan, uint32_t node)
{
	check(plan->finished && node < plan->n_nodes);
	return plan->n_before[node];
}

const uint32_t *graph_plan_after(const struct graph_plan *plan, uint32_t node, size_t *ret_n)
{
	check(plan->finished && node < plan->n_nodes);
	*ret_n = plan->at[node + 1] - plan->at[node];
	return plan->after + plan->at[node];
}

uint32_t graph_plan_wave(const struct graph_plan *plan, uint32_t node)
{
	check(plan->finished && !plan->cycle && node < plan->n_nodes);
	return plan->waves[node];
}

uint32_t graph_plan_n_waves(const struct graph_plan *plan)
{
	return plan->n_waves;
}

/* ------------------------------------------------------------ a run */

void graph_init(struct graph *graph, const struct graph_plan *plan, uint32_t *counters,
		struct scope *scope, graph_start_fn *on_start, graph_fn *on_done)
{
	check(plan->finished && !plan->cycle);
	*graph = (struct graph){
		.plan = plan,
		.counters = counters,
		.scope = scope,
		.on_start = on_start,
		.on_done = on_done,
		.first = NODE_NONE,
		.n_left = plan->n_nodes,
	};
	if (plan->n_nodes > 0)
		memcpy(counters, plan->n_before, plan->n_nodes * sizeof(*counters));
}

static void graph_add_startable(struct graph *graph, uint32_t node)
{
	if (graph->first == NODE_NONE)
		graph->first = node;
	else
		graph->counters[graph->last] = node;
	graph->counters[node] = NODE_NONE;
	graph->last = node;
}

/* Starts all that may start, in order. Calls from within only add to the list: the outermost one
 * works it off. */
static void graph_drain(struct graph *graph)
{
	if (graph->draining)
		return;
	graph->draining = true;
	while (graph->first != NODE_NONE && !graph->stopped) {
		uint32_t node = graph->first;

		graph->first = graph->counters[node];
		graph->counters[node] = NODE_RUNNING;
		graph->on_start(graph, node);
	}
	graph->draining = false;
	if (graph->n_left == 0 && !graph->stopped) {
		graph->stopped = true;
		graph->on_done(graph); /* the graph may be gone after this */
	}
}

void graph_run(struct graph *graph)
{
	const struct graph_plan *plan = graph->plan;

	for (uint32_t i = 0; i < plan->n_sources; i++)
		graph_add_startable(graph, plan->sources[i]);
	graph_drain(graph);
}

void graph_node_done(struct graph *graph, uint32_t node)
{
	const struct graph_plan *plan = graph->plan;
	const uint32_t *at, *end;

	check(node < plan->n_nodes);
	check_that(graph->counters[node] == NODE_RUNNING, "node=%u counter=%u", node,
		   graph->counters[node]);
	graph->counters[node] = NODE_ENDED;
	graph->n_left--;
	at = plan->after + plan->at[node];
	end = plan->after + plan->at[node + 1];
	for (; at < end; at++)
		if (--graph->counters[*at] == 0)
			graph_add_startable(graph, *at);
	graph_drain(graph);
}

void graph_stop(struct graph *graph)
{
	graph->stopped = true;
}

bool graph_node_has_started(const struct graph *graph, uint32_t node)
{
	check(node < graph->plan->n_nodes);
	return graph->counters[node] == NODE_RUNNING || graph->counters[node] == NODE_ENDED;
}
