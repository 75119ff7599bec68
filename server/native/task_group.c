/* server/native/task_group.c: series, parallels and graphs. */
#include "core/base/memory.h"
#include "core/task/dag.h"
#include "server/native/api_parts.h"
#include "server/native/tasks.h"
#include <stdio.h>
#include <stdlib.h>

struct native_edge {
	struct native_edge *next;
	struct leat_task *before, *after;
};

/* Its outcome says it all, but for a time that has passed. */
static void group_end(struct leat_task *task)
{
	if (task->task->outcome == OUTCOME_TIMED_OUT)
		task->failure = (struct failure){ .code = ERROR_TIMEOUT,
						  .detail = STR("its time has passed") };
	native_task_end(task);
}

/* A composite that has not ended takes more. */
static bool group_may_take(const struct leat_task *group, enum native_kind kind,
			   const char *function, const char *what)
{
	if (!native_task_enter_kind(group, kind, function, what))
		return false;
	call_check(group->call, group->state != NATIVE_ENDED, function,
		   "a composite that has ended takes no more tasks");
	return true;
}

/* ------------------------------------------------------------ series */

static void series_on_end(struct task *task)
{
	group_end(container_of(task, struct leat_task, series.base.task));
}

struct leat_task *native_series(struct leat_call *call, bool go_on, leat_task_fn *on_end)
{
	struct leat_task *task = native_task_make(call, "series", NATIVE_SERIES, on_end);

	if (task->kind == NATIVE_SPARE)
		return task;
	series_init(&task->series, series_on_end);
	task->series.keep_going = go_on;
	task->task = &task->series.base.task;
	return task;
}

void native_push_back(struct leat_task *series, struct leat_task *task)
{
	static const char what[] = "what is pushed to is a series";

	if (!group_may_take(series, NATIVE_SERIES, "push_back", what))
		return;
	native_task_give(task, series, "push_back");
	if (task->kind != NATIVE_SPARE)
		series_push_back(&series->series, task->task);
}

void native_push_front(struct leat_task *series, struct leat_task *task)
{
	static const char what[] = "what is pushed to is a series";

	if (!group_may_take(series, NATIVE_SERIES, "push_front", what))
		return;
	native_task_give(task, series, "push_front");
	if (task->kind != NATIVE_SPARE)
		series_push_front(&series->series, task->task);
}

struct leat_task *native_series_of(const struct leat_task *task)
{
	native_task_enter(task, "series_of");
	return task->parent && task->parent->kind == NATIVE_SERIES ? task->parent : NULL;
}

/* ------------------------------------------------------------ parallels */

static void parallel_on_end(struct task *task)
{
	group_end(container_of(task, struct leat_task, parallel.base.task));
}

struct leat_task *native_parallel(struct leat_call *call, enum leat_policy policy, unsigned max,
				  leat_task_fn *on_end)
{
	struct leat_task *task = native_task_make(call, "parallel", NATIVE_PARALLEL, on_end);

	call_check(call, (unsigned)policy <= LEAT_EACH, "parallel",
		   "the policy is one of enum leat_policy");
	if (task->kind == NATIVE_SPARE)
		return task;
	parallel_init(&task->parallel, parallel_on_end);
	task->parallel.max = max;
	task->task = &task->parallel.base.task;
	if (policy == LEAT_ANY)
		task->parallel.policy = PARALLEL_ANY;
	if (policy == LEAT_EACH) { /* none has to be OK: that is decided at the start */
		task->parallel.policy = PARALLEL_QUORUM;
		task->parallel.rest = PARALLEL_FINISH_REST;
	}
	return task;
}

void native_add(struct leat_task *parallel, struct leat_task *task)
{
	if (!group_may_take(parallel, NATIVE_PARALLEL, "add", "what is added to is a parallel"))
		return;
	call_check(parallel->call, parallel->task->state == TASK_IDLE, "add",
		   "a parallel gets its tasks before its start");
	native_task_give(task, parallel, "add");
	if (task->kind != NATIVE_SPARE)
		parallel_add(&parallel->parallel, task->task);
}

/* ------------------------------------------------------------ graphs */

struct native_dag {
	struct dag dag;
	struct leat_task *task;
};

static void graph_on_end(struct task *task)
{
	group_end(container_of(dag_from(task), struct native_dag, dag)->task);
}

struct leat_task *native_graph(struct leat_call *call, leat_task_fn *on_end)
{
	struct leat_task *task = native_task_make(call, "graph", NATIVE_GRAPH, on_end);
	struct native_dag *own;

	if (task->kind == NATIVE_SPARE)
		return task;
	own = mem_alloc(sizeof(*own));
	own->task = task;
	dag_init(&own->dag, NULL, 0, graph_on_end); /* again when it is known how many */
	task->graph.dag = &own->dag;
	task->task = &own->dag.base.task;
	return task;
}

static bool graph_may_take(const struct leat_task *graph, const char *function)
{
	if (!native_task_enter_kind(graph, NATIVE_GRAPH, function, "what has nodes is a graph"))
		return false;
	call_check(graph->call, graph->state == NATIVE_MADE, function,
		   "a graph is whole before it is started or given away");
	return true;
}

void native_node(struct leat_task *graph, struct leat_task *task)
{
	struct native_graph *own = &graph->graph;

	if (!graph_may_take(graph, "node"))
		return;
	native_task_give(task, graph, "node");
	if (task->kind == NATIVE_SPARE)
		return;
	task->number = own->n_nodes++;
	if (own->last)
		own->last->next_node = task;
	else
		own->first = task;
	own->last = task;
}

void native_edge(struct leat_task *graph, struct leat_task *before, struct leat_task *after)
{
	struct native_edge *edge;

	if (!graph_may_take(graph, "edge"))
		return;
	native_task_enter(before, "edge");
	native_task_enter(after, "edge");
	if (before->kind == NATIVE_SPARE || after->kind == NATIVE_SPARE)
		return;
	call_check(graph->call, before->parent == graph && after->parent == graph, "edge",
		   "an edge is between two nodes of its graph");
	edge = arena_alloc(&graph->call->arena, sizeof(*edge));
	if (!edge) {
		graph->call->out_of_memory = true;
		return;
	}
	*edge = (struct native_edge){ graph->graph.edges, before, after };
	graph->graph.edges = edge;
}

_Noreturn static void graph_refuse(const struct leat_task *graph, const char *function,
				   const uint32_t *cycle, size_t n_cycle)
{
	char text[200] = "the edges of a graph make a cycle: ";
	size_t len = strlen(text);

	for (size_t i = 0; i <= n_cycle && len < sizeof(text) - 24; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", i ? " -> " : "",
					cycle[i % n_cycle]);
	call_misused(graph->call, function, text, __FILE__, __LINE__);
}

void native_graph_finish(struct leat_task *task, const char *function)
{
	struct native_graph *own = &task->graph;
	uint64_t timeout_ms = own->dag->base.timeout_ms;
	struct dag_node *nodes = mem_alloc((own->n_nodes + 1) * sizeof(*nodes));
	const uint32_t *cycle;
	size_t n_cycle;

	dag_init(own->dag, nodes, own->n_nodes, graph_on_end);
	own->dag->base.timeout_ms = timeout_ms;
	for (struct leat_task *node = own->first; node; node = node->next_node)
		dag_node(own->dag, node->number, node->task);
	for (const struct native_edge *edge = own->edges; edge; edge = edge->next)
		graph_edge(&nodes[edge->before->number], &nodes[edge->after->number]);
	if (dag_finish(own->dag, &cycle, &n_cycle) < 0)
		graph_refuse(task, function, cycle, n_cycle);
}

void native_graph_fini(struct leat_task *task)
{
	struct dag *dag = task->graph.dag;

	dag_fini(dag);
	free(dag->nodes);
	free(container_of(dag, struct native_dag, dag));
}
