/* core/task/dag.c
 *
 * The graph says whose turn it is; here is what becomes of it. Nodes that end without a task are
 * done from within the graph's own loop, all others from the ready list: neither is a depth of
 * calls. */
#include "core/task/dag.h"
#include "core/base/memory.h"
#include <stdlib.h>

static const struct task_ops dag_ops = { "dag", composite_start, composite_cancel };

static void dag_node_done(struct dag *dag, uint32_t number, bool ok)
{
	const uint32_t *after;
	size_t n_after;

	if (!ok) {
		after = graph_plan_after(dag->plan, number, &n_after);
		for (size_t i = 0; i < n_after; i++)
			dag->nodes[after[i]].n_not_ok++;
	}
	graph_node_done(&dag->graph, number);
}

static bool dag_may_join(const struct dag *dag, uint32_t number)
{
	const struct dag_node *node = &dag->nodes[number];
	uint32_t n_before = graph_plan_n_before(dag->plan, number);

	switch ((enum dag_join)node->join) {
	case JOIN_ALL_OK:
		return node->n_not_ok == 0;
	case JOIN_ANY_OK:
		return node->n_not_ok < n_before || n_before == 0;
	case JOIN_DONE:
		return true;
	}
	unreachable();
}

static enum dag_fate dag_choose_fate(struct dag *dag, uint32_t number)
{
	struct dag_node *node = &dag->nodes[number];

	if (dag->base.scope.cancelled || !dag_may_join(dag, number))
		return DAG_DROPPED;
	return !node->when || node->when(node) ? DAG_RAN : DAG_SKIPPED;
}

static void dag_on_turn(struct graph *graph, uint32_t number)
{
	struct dag *dag = container_of(graph, struct dag, graph);
	struct dag_node *node = &dag->nodes[number];
	enum dag_fate fate = dag_choose_fate(dag, number);

	node->fate = (uint8_t)fate;
	if (!node->task) {
		dag_node_done(dag, number, fate != DAG_DROPPED);
		return;
	}
	node->task->index = number;
	if (fate == DAG_RAN)
		task_start(node->task, &dag->base.scope);
	else
		task_drop(node->task, &dag->base.scope);
}

static void dag_on_child(struct task *task)
{
	struct dag_node *node = dag_node_of(task);
	struct dag *dag = node->dag;
	struct composite *base = &dag->base;
	enum outcome outcome = task->outcome;
	uint32_t number = task->index;

	if (node->fate == DAG_SKIPPED) { /* which is no failure */
		base->n_ended++;
		task->on_end(task);
		dag_node_done(dag, number, true);
		return;
	}
	composite_child_end(base, task);
	if (outcome != OUTCOME_OK && node->fate == DAG_RAN && dag->cancel_on_failure)
		composite_fail(base, outcome);
	else if (outcome != OUTCOME_OK && node->fate == DAG_RAN && !base->scope.cancelled)
		composite_decide(base, outcome);
	dag_node_done(dag, number, outcome == OUTCOME_OK);
}

/* The dag ends when its scope is empty. */
static void dag_on_done(struct graph *graph)
{
	(void)graph;
}

static void dag_begin(struct composite *base)
{
	struct dag *dag = container_of(base, struct dag, base);

	check(dag->plan);
	graph_init(&dag->graph, dag->plan, dag->counters, &base->scope, dag_on_turn, dag_on_done);
	graph_run(&dag->graph);
}

/* ------------------------------------------------------------ making one */

void dag_init(struct dag *dag, struct dag_node *nodes, uint32_t n_nodes, task_fn *on_end)
{
	*dag = (struct dag){ .nodes = nodes, .n_nodes = n_nodes };
	composite_init(&dag->base, &dag_ops, on_end, dag_begin, dag_on_child);
	for (uint32_t i = 0; i < n_nodes; i++)
		nodes[i] = (struct dag_node){ .dag = dag };
}

void dag_fini(struct dag *dag)
{
	uint8_t state = dag->base.task.state;

	check_that(state == TASK_IDLE || state == TASK_ENDED, "state=%u", state);
	graph_plan_destroy(dag->made);
	dag->made = NULL;
	dag->plan = NULL;
	if (dag->owns_counters)
		free(dag->counters);
	dag->counters = NULL;
	dag->owns_counters = false;
}

struct dag_node *dag_node(struct dag *dag, uint32_t number, struct task *task)
{
	check_that(number < dag->n_nodes, "number=%u n_nodes=%u", number, dag->n_nodes);
	dag->nodes[number].task = task;
	return &dag->nodes[number];
}

void graph_edge(struct dag_node *before, struct dag_node *after)
{
	struct dag *dag = before->dag;

	check(dag == after->dag && !dag->plan);
	if (!dag->made)
		dag->made = graph_plan_create(dag->n_nodes);
	graph_plan_edge(dag->made, (uint32_t)(before - dag->nodes), (uint32_t)(after - dag->nodes));
}

int dag_finish(struct dag *dag, const uint32_t **ret_cycle, size_t *ret_n_cycle)
{
	int r;

	check(!dag->plan);
	if (!dag->made)
		dag->made = graph_plan_create(dag->n_nodes);
	r = graph_plan_finish(dag->made, ret_cycle, ret_n_cycle);
	if (r < 0)
		return r;
	dag->counters = mem_realloc_array(NULL, dag->n_nodes + (size_t)1, sizeof(uint32_t));
	dag->owns_counters = true;
	dag->plan = dag->made;
	return 0;
}

void dag_use_plan(struct dag *dag, const struct graph_plan *plan, uint32_t *counters)
{
	check(!dag->plan && !dag->made && graph_plan_n_nodes(plan) == dag->n_nodes);
	dag->plan = plan;
	dag->counters = counters;
}
