/* core/task/dag.h: a graph of tasks, as one task; Workflow's graph task.
 *
 *   dag_init --> dag_node(), graph_edge() ... --> dag_finish --> dag_start --> on_end --> dag_fini
 *
 * Promises
 *   - A node's turn comes when all the nodes before it have ended; then its join rule is asked, then its condition:
 *       JOIN_ALL_OK   all of them were OK (unless set otherwise)
 *       JOIN_ANY_OK   at least one was, or there are none
 *       JOIN_DONE     whatever they were
 *     A node whose join rule is not met is DROPPED, and counts as not OK for those behind it. One whose condition
 *     (when) is false is SKIPPED, and counts as OK for them. In both cases its task is completed without its
 *     start(), with OUTCOME_CANCELLED, and node->fate tells why.
 *   - A node without a task (NULL) is a place where edges meet: it ends at once, and OK, when its turn comes.
 *   - The first node that ran and was not OK gives the dag its outcome. The others go on as their join rules say; with
 *     cancel_on_failure they are cancelled.
 *   - Edges that make a cycle are refused by dag_finish(), which tells the path.
 *   - A million nodes, in a chain or side by side, need no stack.
 *
 * task.index of a node's task is the node's number. Outcomes, cancelling and thread:
 * core/task/composite.h. Ownership: nodes are the owner's memory, and stay until dag_fini().
 * dag_finish() allocates the plan and four bytes a node, which dag_fini() frees; dag_use_plan()
 * in place of both allocates nothing. */
#pragma once
#include "core/task/composite.h"
#include "core/task/graph.h"

enum dag_join {
	JOIN_ALL_OK,
	JOIN_ANY_OK,
	JOIN_DONE,
};

enum dag_fate {
	DAG_WAITING, /* its turn has not come */
	DAG_RAN,     /* its task was started, or it has none */
	DAG_SKIPPED, /* its condition was false */
	DAG_DROPPED, /* its join rule was not met, or everything was cancelled before its turn */
};

struct dag;
struct dag_node;
typedef bool dag_when_fn(struct dag_node *node);

struct dag_node {
	struct dag *dag;
	struct task *task;
	dag_when_fn *when; /* NULL: always */
	uint32_t n_not_ok; /* nodes before it that have ended and were not OK */
	uint8_t join;      /* enum dag_join */
	uint8_t fate;      /* enum dag_fate */
};

struct dag {
	struct composite base;
	struct graph graph;
	struct graph_plan *made;       /* the plan that dag_finish() makes */
	const struct graph_plan *plan; /* that is used; NULL: not finished */
	struct dag_node *nodes;
	uint32_t *counters;
	uint32_t n_nodes;
	bool owns_counters;
	bool cancel_on_failure;
};

/* The nodes need not be cleared. */
void dag_init(struct dag *dag, struct dag_node *nodes, uint32_t n_nodes, task_fn *on_end);

/* What a dag holds is freed; it does not run. The nodes' tasks are not touched. */
void dag_fini(struct dag *dag);

/* Gives a node its task (IDLE, or NULL), and returns it, to set its `when` and `join`. */
struct dag_node *dag_node(struct dag *dag, uint32_t number, struct task *task);

/* `after` waits for `before`, a node of the same dag. Before dag_finish(). */
void graph_edge(struct dag_node *before, struct dag_node *after);

/* Ends the making: 0, or -ELOOP with the nodes of a cycle, in their order (graph_plan_finish());
 * they stay until dag_fini(). */
int dag_finish(struct dag *dag, const uint32_t **ret_cycle, size_t *ret_n_cycle);

/* In place of graph_edge() and dag_finish(): a finished plan without a cycle, for as many nodes,
 * and the owner's memory for a number a node. Both stay until dag_fini(). */
void dag_use_plan(struct dag *dag, const struct graph_plan *plan, uint32_t *counters);

static inline void dag_start(struct dag *dag, struct scope *scope)
{
	task_start(&dag->base.task, scope);
}

/* The dag whose on_end is called with this task. */
static inline struct dag *dag_from(struct task *task)
{
	return container_of(task, struct dag, base.task);
}

/* The node whose task this is; from its start to its on_end. */
static inline struct dag_node *dag_node_of(const struct task *task)
{
	return &container_of(composite_of(task), struct dag, base)->nodes[task->index];
}
