/* tests/core/task/dag.c */
#include "core/task/dag.h"
#include "tests/core/task/probe.h"
#include <errno.h>
#include <stdlib.h>

enum { N = 6 };

static struct dag dag;
static struct dag_node nodes[N];
static struct probe probes[N];

static void fill(void)
{
	dag_init(&dag, nodes, N, composite_on_end);
	for (unsigned i = 0; i < N; i++)
		dag_node(&dag, i, probe_init(&probes[i], 10, OUTCOME_OK));
}

static void edge(unsigned before, unsigned after)
{
	graph_edge(&nodes[before], &nodes[after]);
}

static void run(void)
{
	const uint32_t *cycle;
	size_t n_cycle;

	check(dag_finish(&dag, &cycle, &n_cycle) == 0);
	dag_start(&dag, &scope);
	settle();
}

/* 0 -> 1, 2, 3 -> 4 -> 5 */
static void fill_diamond(void)
{
	fill();
	for (unsigned i = 1; i <= 3; i++) {
		edge(0, i);
		edge(i, 4);
	}
	edge(4, 5);
}

static void a_diamond_runs_in_the_order_of_its_edges(void)
{
	fill_diamond();
	run();
	is_int(n_running, 1);
	pass_ms(10);
	is_int(n_running, 3);
	pass_ms(10);
	is_int(probes[4].n_started, 1);
	pass_ms(20);
	has_ended(&dag.base.task, OUTCOME_OK);
	is_int(probes[5].end_order, N);
	is_int(nodes[5].fate, DAG_RAN);
	dag_fini(&dag);
}

static void a_cycle_is_refused_with_its_path(void)
{
	const uint32_t *cycle = NULL;
	size_t n_cycle = 0;

	fill();
	edge(0, 1);
	edge(3, 1);
	edge(1, 5);
	edge(5, 3);
	edge(3, 4);
	is_int(dag_finish(&dag, &cycle, &n_cycle), -ELOOP);
	is_int(n_cycle, 3);
	is_true(cycle[0] == 1 && cycle[1] == 5 && cycle[2] == 3);
	dag_fini(&dag);
}

static void a_failure_drops_what_needs_it_and_gives_the_outcome(void)
{
	fill_diamond();
	probes[2].outcome = OUTCOME_TIMED_OUT;
	run();
	pass_ms(1000);
	has_ended(&dag.base.task, OUTCOME_TIMED_OUT);
	is_int(n_starts, 4);
	is_int(n_ends, N);
	is_int(nodes[4].fate, DAG_DROPPED);
	is_int(nodes[5].fate, DAG_DROPPED);
	is_int(probes[5].task.outcome, OUTCOME_CANCELLED);
	dag_fini(&dag);
}

static void any_ok_joins_when_one_was(void)
{
	fill_diamond();
	nodes[4].join = JOIN_ANY_OK;
	probes[1].outcome = probes[2].outcome = OUTCOME_FAILED;
	run();
	pass_ms(1000);
	has_ended(&dag.base.task, OUTCOME_FAILED);
	is_int(nodes[5].fate, DAG_RAN);
	dag_fini(&dag);
}

static void any_ok_does_not_join_when_none_was(void)
{
	fill_diamond();
	nodes[4].join = JOIN_ANY_OK;
	for (unsigned i = 1; i <= 3; i++)
		probes[i].outcome = OUTCOME_FAILED;
	run();
	pass_ms(1000);
	is_int(nodes[4].fate, DAG_DROPPED);
	dag_fini(&dag);
}

static void any_ok_of_none_joins(void)
{
	fill_diamond();
	nodes[0].join = JOIN_ANY_OK;
	run();
	pass_ms(1000);
	has_ended(&dag.base.task, OUTCOME_OK);
	dag_fini(&dag);
}

static void done_joins_whatever_was(void)
{
	fill_diamond();
	nodes[5].join = JOIN_DONE;
	probes[0].outcome = OUTCOME_FAILED;
	run();
	pass_ms(1000);
	has_ended(&dag.base.task, OUTCOME_FAILED);
	is_int(n_starts, 2);
	is_int(nodes[5].fate, DAG_RAN);
	dag_fini(&dag);
}

static bool no(struct dag_node *node)
{
	return node->task == NULL;
}

static void a_node_whose_condition_is_false_is_skipped_and_counts_as_ok(void)
{
	fill_diamond();
	nodes[2].when = no;
	nodes[4].when = no;
	run();
	pass_ms(1000);
	has_ended(&dag.base.task, OUTCOME_OK);
	is_int(nodes[2].fate, DAG_SKIPPED);
	is_int(probes[2].n_started, 0);
	is_int(probes[2].n_ended, 1);
	is_int(probes[5].n_started, 1);
	is_int(dag.base.n_failed, 0);
	dag_fini(&dag);
}

static void a_dropped_node_is_not_asked_its_condition(void)
{
	fill_diamond();
	probes[0].outcome = OUTCOME_FAILED;
	nodes[1].when = no;
	run();
	pass_ms(1000);
	is_int(nodes[1].fate, DAG_DROPPED);
	dag_fini(&dag);
}

static void a_node_without_a_task_is_where_edges_meet(void)
{
	fill_diamond();
	dag_node(&dag, 0, NULL);
	dag_node(&dag, 4, NULL);
	run();
	pass_ms(20);
	has_ended(&dag.base.task, OUTCOME_OK);
	is_int(n_starts, 4);
	dag_fini(&dag);
}

static void a_failure_may_cancel_the_rest(void)
{
	fill_diamond();
	nodes[5].join = JOIN_DONE;
	probes[2].outcome = OUTCOME_FAILED;
	probes[2].delay_ms = 5;
	dag.cancel_on_failure = true;
	run();
	pass_ms(15);
	has_ended(&dag.base.task, OUTCOME_FAILED);
	is_int(probes[1].task.outcome, OUTCOME_CANCELLED);
	is_int(probes[5].n_started, 0);
	is_int(n_ends, N);
	dag_fini(&dag);
}

static void cancelling_ends_every_node(void)
{
	fill_diamond();
	nodes[5].join = JOIN_DONE;
	run();
	pass_ms(15);
	task_cancel(&dag.base.task);
	settle();
	has_ended(&dag.base.task, OUTCOME_CANCELLED);
	is_int(n_starts, 4);
	is_int(n_ends, N);
	is_int(nodes[3].fate, DAG_RAN);
	is_int(nodes[5].fate, DAG_DROPPED); /* not even with JOIN_DONE */
	dag_fini(&dag);
}

static void a_time_limit_ends_every_node(void)
{
	fill_diamond();
	dag.base.timeout_ms = 15;
	run();
	pass_ms(15);
	has_ended(&dag.base.task, OUTCOME_TIMED_OUT);
	is_int(n_ends, N);
	dag_fini(&dag);
}

static void a_dag_without_nodes_is_ok(void)
{
	dag_init(&dag, NULL, 0, composite_on_end);
	run();
	has_ended(&dag.base.task, OUTCOME_OK);
	dag_fini(&dag);
}

static void a_plan_is_shared_and_used_again(void)
{
	struct graph_plan *plan = graph_plan_create(N);
	uint32_t counters[N];
	const uint32_t *cycle;
	size_t n_cycle;

	for (unsigned i = 1; i < N; i++)
		graph_plan_edge(plan, i - 1, i);
	check(graph_plan_finish(plan, &cycle, &n_cycle) == 0);
	for (unsigned round = 1; round <= 3; round++) {
		fill();
		dag_use_plan(&dag, plan, counters);
		dag_start(&dag, &scope);
		pass_ms(1000);
		is_int(n_composites_ended, round);
		is_int(probes[N - 1].end_order, round * N);
		dag_fini(&dag);
	}
	graph_plan_destroy(plan);
}

/* ------------------------------------------------------------ a million */

enum { MANY = 1000000 };

static struct dag_node *many_nodes;
static struct probe *many;

static void many_run(bool chain, enum outcome first, bool with_tasks)
{
	setup();
	dag_init(&dag, many_nodes, MANY, composite_on_end);
	for (unsigned i = 0; i < MANY; i++) {
		struct task *task = probe_init(&many[i], 0, i ? OUTCOME_OK : first);

		dag_node(&dag, i, with_tasks ? task : NULL);
	}
	for (unsigned i = 1; i < MANY; i++)
		graph_edge(&many_nodes[chain ? i - 1 : 0], &many_nodes[i]);
	run();
	has_ended(&dag.base.task, with_tasks ? first : OUTCOME_OK);
	is_int(n_ends, with_tasks ? MANY : 0);
	is_int(n_starts, first != OUTCOME_OK ? 1 : with_tasks ? MANY : 0);
	dag_fini(&dag);
	teardown();
}

static void a_million_nodes_need_no_stack(void)
{
	many_nodes = calloc(MANY, sizeof(*many_nodes));
	many = calloc(MANY, sizeof(*many));
	many_run(true, OUTCOME_OK, true);
	many_run(false, OUTCOME_OK, true);
	many_run(true, OUTCOME_FAILED, true);
	many_run(true, OUTCOME_OK, false);
	free(many_nodes);
	free(many);
}

int main(void)
{
	small_stack();
	TRY(a_diamond_runs_in_the_order_of_its_edges);
	TRY(a_cycle_is_refused_with_its_path);
	TRY(a_failure_drops_what_needs_it_and_gives_the_outcome);
	TRY(any_ok_joins_when_one_was);
	TRY(any_ok_does_not_join_when_none_was);
	TRY(any_ok_of_none_joins);
	TRY(done_joins_whatever_was);
	TRY(a_node_whose_condition_is_false_is_skipped_and_counts_as_ok);
	TRY(a_dropped_node_is_not_asked_its_condition);
	TRY(a_node_without_a_task_is_where_edges_meet);
	TRY(a_failure_may_cancel_the_rest);
	TRY(cancelling_ends_every_node);
	TRY(a_time_limit_ends_every_node);
	TRY(a_dag_without_nodes_is_ok);
	TRY(a_plan_is_shared_and_used_again);
	TEST(a_million_nodes_need_no_stack);
	return tap_done();
}
