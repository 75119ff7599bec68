/* tests/core/task/graph.c */
#include "core/task/graph.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { N_MAX = 200 };

static struct loop *loop;
static struct scope scope;
static unsigned n_empty, n_done, n_started;

static void on_empty(struct scope *empty)
{
	(void)empty;
	n_empty++;
}

static void on_done(struct graph *graph)
{
	check(graph_n_left(graph) == 0);
	n_done++;
}

static void setup(void)
{
	check(loop_create(&loop) == 0);
	scope_init(&scope, loop, on_empty);
	n_empty = n_done = n_started = 0;
}

static void teardown(void)
{
	scope_fini(&scope);
	loop_destroy(loop);
}

static struct graph_plan *plan_of(uint32_t n_nodes, const uint32_t edges[][2], size_t n_edges)
{
	struct graph_plan *plan = graph_plan_create(n_nodes);
	const uint32_t *cycle;
	size_t n_cycle;

	for (size_t i = 0; i < n_edges; i++)
		graph_plan_edge(plan, edges[i][0], edges[i][1]);
	check(graph_plan_finish(plan, &cycle, &n_cycle) == 0);
	return plan;
}

/* ------------------------------------------------------------ plans */

static void a_plan_knows_waves_predecessors_and_successors(void)
{
	static const uint32_t edges[][2] = { { 4, 1 }, { 4, 2 }, { 4, 1 }, { 1, 0 },
					     { 2, 0 }, { 4, 0 }, { 2, 0 } };
	struct graph_plan *plan = plan_of(5, edges, ARRAY_LEN(edges));
	static const uint32_t waves[] = { 2, 1, 1, 0, 0 }, n_before[] = { 3, 1, 1, 0, 0 };
	const uint32_t *after;
	size_t n;

	is_int(graph_plan_n_nodes(plan), 5);
	is_int(graph_plan_n_waves(plan), 3);
	for (uint32_t i = 0; i < 5; i++) {
		is_int(graph_plan_wave(plan, i), waves[i]);
		is_int(graph_plan_n_before(plan, i), n_before[i]);
	}
	after = graph_plan_after(plan, 4, &n);
	is_int(n, 3);
	is_true(after[0] == 1 && after[1] == 2 && after[2] == 0);
	graph_plan_after(plan, 3, &n);
	is_int(n, 0);
	graph_plan_destroy(plan);
	graph_plan_destroy(NULL);
}

static void is_cycle(const uint32_t edges[][2], size_t n_edges, const uint32_t want[],
		     size_t n_want)
{
	struct graph_plan *plan = graph_plan_create(10);
	const uint32_t *cycle = NULL;
	size_t n = 0;

	for (size_t i = 0; i < n_edges; i++)
		graph_plan_edge(plan, edges[i][0], edges[i][1]);
	is_int(graph_plan_finish(plan, &cycle, &n), -ELOOP);
	is_int(n, n_want);
	for (size_t i = 0; i < n && i < n_want; i++)
		is_int(cycle[i], want[i]);
	graph_plan_destroy(plan);
}

static void a_cycle_is_shown_as_its_path(void)
{
	static const uint32_t self[][2] = { { 1, 2 }, { 7, 7 } };
	static const uint32_t two[][2] = { { 5, 3 }, { 3, 5 }, { 3, 9 } };
	/* 6 and 8 stand behind the circle and 0 and 1 before it */
	static const uint32_t long_one[][2] = { { 0, 1 }, { 1, 9 }, { 9, 2 }, { 2, 7 }, { 7, 4 },
						{ 4, 9 }, { 4, 6 }, { 6, 8 }, { 2, 8 } };

	is_cycle(self, ARRAY_LEN(self), (const uint32_t[]){ 7 }, 1);
	is_cycle(two, ARRAY_LEN(two), (const uint32_t[]){ 3, 5 }, 2);
	is_cycle(long_one, ARRAY_LEN(long_one), (const uint32_t[]){ 2, 7, 4, 9 }, 4);
}

/* ------------------------------------------------------------ runs */

static uint32_t order[N_MAX], counters[N_MAX];

static void start_and_note(struct graph *graph, uint32_t node)
{
	order[n_started++] = node;
	graph_node_done(graph, node);
}

static void a_diamond_runs_from_top_to_bottom(void)
{
	static const uint32_t edges[][2] = { { 3, 1 }, { 3, 2 }, { 1, 0 }, { 2, 0 } };
	static const uint32_t want[] = { 3, 1, 2, 0 };
	struct graph_plan *plan = plan_of(4, edges, ARRAY_LEN(edges));
	struct graph graph;

	setup();
	graph_init(&graph, plan, counters, &scope, start_and_note, on_done);
	is_int(graph_n_left(&graph), 4);
	is_false(graph_node_has_started(&graph, 3));
	graph_run(&graph);
	is_int(n_started, 4);
	for (unsigned i = 0; i < 4; i++)
		is_int(order[i], want[i]);
	is_true(graph_node_has_started(&graph, 0));
	is_int(n_done, 1);
	graph_plan_destroy(plan);
	teardown();
}

static void a_plan_without_nodes_is_done_at_once(void)
{
	struct graph_plan *plan = plan_of(0, NULL, 0);
	struct graph graph;

	setup();
	graph_init(&graph, plan, NULL, &scope, start_and_note, on_done);
	graph_run(&graph);
	is_int(n_done, 1);
	is_int(graph_plan_n_waves(plan), 0);
	graph_plan_destroy(plan);
	teardown();
}

static void start_only(struct graph *graph, uint32_t node)
{
	(void)graph;
	order[n_started++] = node;
}

static void a_node_waits_for_all_before_it(void)
{
	static const uint32_t edges[][2] = { { 0, 2 }, { 1, 2 } };
	struct graph_plan *plan = plan_of(3, edges, ARRAY_LEN(edges));
	struct graph graph;

	setup();
	graph_init(&graph, plan, counters, &scope, start_only, on_done);
	graph_run(&graph);
	is_int(n_started, 2);
	graph_node_done(&graph, 1);
	is_int(n_started, 2);
	graph_node_done(&graph, 0);
	is_int(n_started, 3);
	is_int(n_done, 0);
	graph_node_done(&graph, 2);
	is_int(n_done, 1);
	graph_plan_destroy(plan);
	teardown();
}

static void start_and_stop_at_five(struct graph *graph, uint32_t node)
{
	if (++n_started == 5)
		graph_stop(graph);
	graph_node_done(graph, node);
}

static void a_stopped_graph_starts_nothing_more(void)
{
	static const uint32_t edges[][2] = { { 0, 1 } };
	struct graph_plan *plan = plan_of(2, edges, 1), *fan = plan_of(100, NULL, 0);
	struct graph graph;

	setup();
	graph_init(&graph, plan, counters, &scope, start_only, on_done);
	graph_run(&graph);
	graph_stop(&graph);
	graph_node_done(&graph, 0);
	is_int(n_started, 1);
	is_false(graph_node_has_started(&graph, 1));
	is_int(graph_n_left(&graph), 1);
	n_started = 0;
	graph_init(&graph, fan, counters, &scope, start_and_stop_at_five, on_done);
	graph_run(&graph);
	is_int(n_started, 5);
	is_int(n_done, 0);
	graph_plan_destroy(plan);
	graph_plan_destroy(fan);
	teardown();
}

/* ------------------------------------------------------------ random graphs with tasks */

struct node {
	struct task task;
	uint32_t number;
	bool ended;
};

struct run {
	struct graph graph;
	struct node nodes[N_MAX];
	bool before[N_MAX][N_MAX]; /* [a][b]: b waits for a */
	uint32_t n_nodes;
	uint32_t running[N_MAX]; /* those that end later */
	uint32_t n_running;
	unsigned n_wrong;
};

static struct run run;
static uint64_t seed = 7;

static uint32_t random_below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 11) % n;
}

/* A third ends at once, the rest when it is picked. */
static void node_start(struct task *task)
{
	struct node *node = container_of(task, struct node, task);

	if (node->number % 3 == 0)
		task_end(task, OUTCOME_OK);
	else
		run.running[run.n_running++] = node->number;
}

static const struct task_ops node_ops = { "node", node_start, NULL };

static void node_on_end(struct task *task)
{
	struct node *node = container_of(task, struct node, task);

	node->ended = true;
	graph_node_done(&run.graph, node->number);
}

static void run_on_start(struct graph *graph, uint32_t number)
{
	struct node *node = &run.nodes[number];

	n_started++;
	run.n_wrong += node->ended;
	for (uint32_t i = 0; i < run.n_nodes; i++)
		run.n_wrong += run.before[i][number] && !run.nodes[i].ended;
	if (number % 7 == 0) { /* skipped */
		node->ended = true;
		graph_node_done(graph, number);
		return;
	}
	task_init(&node->task, &node_ops, node_on_end);
	task_start(&node->task, graph->scope);
}

/* Edges go from less to more in a random numbering. */
static struct graph_plan *run_make_plan(void)
{
	struct graph_plan *plan = graph_plan_create(run.n_nodes);
	uint32_t place[N_MAX], n_edges = random_below(run.n_nodes * 4 + 1);
	const uint32_t *cycle;
	size_t n_cycle;

	for (uint32_t i = 0; i < run.n_nodes; i++) {
		uint32_t j = random_below(i + 1);

		place[i] = place[j];
		place[j] = i;
	}
	for (uint32_t i = 0; i < n_edges && run.n_nodes > 1; i++) {
		uint32_t a = random_below(run.n_nodes - 1);
		uint32_t b = a + 1 + random_below(run.n_nodes - a - 1);

		run.before[place[a]][place[b]] = true;
		graph_plan_edge(plan, place[a], place[b]);
	}
	check(graph_plan_finish(plan, &cycle, &n_cycle) == 0);
	return plan;
}

static unsigned plan_count_wrong(const struct graph_plan *plan)
{
	unsigned n_wrong = 0;

	for (uint32_t b = 0; b < run.n_nodes; b++) {
		uint32_t wave = 0, n_before = 0;

		for (uint32_t a = 0; a < run.n_nodes; a++) {
			if (!run.before[a][b])
				continue;
			n_before++;
			wave = MAX(wave, graph_plan_wave(plan, a) + 1);
		}
		n_wrong += wave != graph_plan_wave(plan, b) ||
			   n_before != graph_plan_n_before(plan, b);
	}
	return n_wrong;
}

static unsigned run_random(void)
{
	struct graph_plan *plan;

	run = (struct run){ .n_nodes = 1 + random_below(N_MAX) };
	for (uint32_t i = 0; i < run.n_nodes; i++)
		run.nodes[i].number = i;
	plan = run_make_plan();
	setup();
	graph_init(&run.graph, plan, counters, &scope, run_on_start, on_done);
	graph_run(&run.graph);
	loop_run_once(loop, false);
	while (run.n_running > 0) {
		uint32_t pick = random_below(run.n_running), node = run.running[pick];

		run.running[pick] = run.running[--run.n_running];
		task_end(&run.nodes[node].task, OUTCOME_OK);
		if (random_below(3) == 0 || run.n_running == 0)
			loop_run_once(loop, false);
	}
	run.n_wrong += n_started != run.n_nodes || n_done != 1;
	run.n_wrong += plan_count_wrong(plan);
	teardown();
	graph_plan_destroy(plan);
	return run.n_wrong;
}

static void random_graphs_run_each_node_once_and_in_order(void)
{
	unsigned n_wrong = 0;

	for (unsigned i = 0; i < 300; i++)
		n_wrong += run_random();
	is_int(n_wrong, 0);
}

/* ------------------------------------------------------------ a million nodes */

enum { MANY = 1000000 };

static uint32_t many_counters[MANY];
static struct node many_nodes[MANY];
static struct graph many_graph;

static void many_skip(struct graph *graph, uint32_t node)
{
	n_started++;
	graph_node_done(graph, node);
}

static void many_task_start(struct task *task)
{
	task_end(task, OUTCOME_OK);
}

static const struct task_ops many_ops = { "many", many_task_start, NULL };

static void many_on_end(struct task *task)
{
	graph_node_done(&many_graph,
			(uint32_t)(container_of(task, struct node, task) - many_nodes));
}

static void many_start(struct graph *graph, uint32_t node)
{
	n_started++;
	task_init(&many_nodes[node].task, &many_ops, many_on_end);
	task_start(&many_nodes[node].task, graph->scope);
}

static void run_million(struct graph_plan *plan, graph_start_fn *on_start)
{
	setup();
	graph_init(&many_graph, plan, many_counters, &scope, on_start, on_done);
	graph_run(&many_graph);
	while (n_done == 0)
		loop_run_once(loop, false);
	is_int(n_started, MANY);
	is_int(n_done, 1);
	teardown();
}

static void chains_and_fans_of_a_million_nodes_need_no_stack(void)
{
	struct graph_plan *chain = graph_plan_create(MANY), *fan = graph_plan_create(MANY);
	const struct rlimit limit = { 8 << 20, 8 << 20 };
	const uint32_t *cycle;
	size_t n_cycle;

	setrlimit(RLIMIT_STACK, &limit);
	for (uint32_t i = 1; i < MANY; i++)
		graph_plan_edge(chain, i, i - 1);
	for (uint32_t i = 1; i < MANY - 1; i++) {
		graph_plan_edge(fan, 0, i);
		graph_plan_edge(fan, i, MANY - 1);
	}
	is_int(graph_plan_finish(chain, &cycle, &n_cycle), 0);
	is_int(graph_plan_finish(fan, &cycle, &n_cycle), 0);
	is_int(graph_plan_wave(chain, 0), MANY - 1);
	is_int(graph_plan_n_before(fan, MANY - 1), MANY - 2);
	run_million(chain, many_skip);
	run_million(chain, many_start);
	run_million(fan, many_skip);
	run_million(fan, many_start);
	graph_plan_destroy(chain);
	graph_plan_destroy(fan);
}

static void a_cycle_of_a_million_nodes_is_found(void)
{
	struct graph_plan *plan = graph_plan_create(MANY);
	const uint32_t *cycle = NULL;
	size_t n_cycle = 0;

	for (uint32_t i = 0; i < MANY; i++)
		graph_plan_edge(plan, i, (i + 1) % MANY);
	is_int(graph_plan_finish(plan, &cycle, &n_cycle), -ELOOP);
	is_int(n_cycle, MANY);
	is_int(cycle[MANY - 1], MANY - 1);
	graph_plan_destroy(plan);
}

int main(void)
{
	TEST(a_plan_knows_waves_predecessors_and_successors);
	TEST(a_cycle_is_shown_as_its_path);
	TEST(a_diamond_runs_from_top_to_bottom);
	TEST(a_plan_without_nodes_is_done_at_once);
	TEST(a_node_waits_for_all_before_it);
	TEST(a_stopped_graph_starts_nothing_more);
	TEST(random_graphs_run_each_node_once_and_in_order);
	TEST(chains_and_fans_of_a_million_nodes_need_no_stack);
	TEST(a_cycle_of_a_million_nodes_is_found);
	return tap_done();
}
