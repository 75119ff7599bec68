/* tests/bench/core.c: nanoseconds of what core/ does most. Each figure is the best of several
 * rounds: the machine's noise only ever adds. */
#include "core/base/clock.h"
#include "core/task/dag.h"
#include "core/task/each.h"
#include "core/task/future.h"
#include "core/task/graph.h"
#include "core/task/module.h"
#include "core/task/parallel.h"
#include "core/task/race.h"
#include "core/task/repeater.h"
#include "core/task/series.h"
#include "core/thread/pool.h"
#include "core/thread/wait_group.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 5, N_TASKS = 300000, N_NODES = 100000, N_TIMERS = 1000000, N_POSTS = 200000 };

static struct loop *loop;
static struct scope scope;
static size_t n_left;

typedef void round_fn(void);

/* The system's clock, also while that of core/base/clock.h is frozen. */
static uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static double best_of(round_fn *round, unsigned n_rounds, size_t n_items)
{
	double best = 1e18;

	for (unsigned i = 0; i < n_rounds; i++) {
		uint64_t start_ns = bench_now_ns();

		round();
		best = MIN(best, (double)(bench_now_ns() - start_ns) / (double)n_items);
	}
	return best;
}

static void print_ns(const char *what, double ns, unsigned max_ns)
{
	printf("%-44s %7.1f ns", what, ns);
	if (max_ns > 0)
		printf("   (to reach: %u)%s", max_ns, ns > max_ns ? "  MISSED" : "");
	printf("\n");
}

static void on_empty(struct scope *empty)
{
	(void)empty;
}

/* ------------------------------------------------------------ tasks */

static void start_and_end(struct task *task)
{
	task_end(task, OUTCOME_OK);
}

static const struct task_ops inline_ops = { "inline", start_and_end, NULL };

static void start_next(struct task *task)
{
	struct scope *in = task->scope;

	if (--n_left == 0)
		return;
	task_init(task, &inline_ops, start_next);
	task_start(task, in);
}

static void round_tasks(void)
{
	struct task task;

	n_left = N_TASKS;
	task_init(&task, &inline_ops, start_next);
	task_start(&task, &scope);
	while (n_left > 0)
		loop_run_once(loop, false);
}

/* ------------------------------------------------------------ graphs */

static struct graph_plan *plan;
static struct graph graph;
static struct task *node_tasks;
static uint32_t *counters;
static bool graph_done;

static void node_on_end(struct task *task)
{
	graph_node_done(&graph, (uint32_t)(task - node_tasks));
}

static void node_start(struct graph *of, uint32_t node)
{
	task_init(&node_tasks[node], &inline_ops, node_on_end);
	task_start(&node_tasks[node], of->scope);
}

static void on_done(struct graph *of)
{
	(void)of;
	graph_done = true;
}

/* Graphs of ten nodes as routes have them, one behind the other: two sources, three layers, two
 * edges a node. */
static void graph_make_plan(void)
{
	const uint32_t *cycle;
	size_t n_cycle;

	plan = graph_plan_create(10);
	for (uint32_t i = 2; i < 10; i++) {
		graph_plan_edge(plan, i - 2, i);
		graph_plan_edge(plan, i - 1 - i % 2, i);
	}
	check(graph_plan_finish(plan, &cycle, &n_cycle) == 0);
}

static void round_graphs(void)
{
	for (unsigned i = 0; i < N_NODES / 10; i++) {
		graph_done = false;
		graph_init(&graph, plan, counters, &scope, node_start, on_done);
		graph_run(&graph);
		while (!graph_done)
			loop_run_once(loop, false);
	}
}

static void big_graph_make_plan(void)
{
	const uint32_t *cycle;
	size_t n_cycle;

	plan = graph_plan_create(N_NODES);
	for (uint32_t i = 2; i < N_NODES; i++) {
		graph_plan_edge(plan, i - 1, i);
		graph_plan_edge(plan, i - 2, i);
	}
	check(graph_plan_finish(plan, &cycle, &n_cycle) == 0);
}

static void round_big_graph(void)
{
	graph_done = false;
	graph_init(&graph, plan, counters, &scope, node_start, on_done);
	graph_run(&graph);
	while (!graph_done)
		loop_run_once(loop, false);
}

/* ------------------------------------------------------------ composition */

static struct task *children;
static bool composite_done;

static void child_on_end(struct task *task)
{
	(void)task;
}

static void composite_on_end(struct task *task)
{
	(void)task;
	composite_done = true;
}

static void composite_run(struct task *task)
{
	composite_done = false;
	task_start(task, &scope);
	while (!composite_done)
		loop_run_once(loop, false);
}

static void round_series(void)
{
	struct series series;

	series_init(&series, composite_on_end);
	for (size_t i = 0; i < N_NODES; i++) {
		task_init(&children[i], &inline_ops, child_on_end);
		series_push_back(&series, &children[i]);
	}
	composite_run(&series.base.task);
}

static void round_parallel(void)
{
	struct parallel parallel;

	parallel_init(&parallel, composite_on_end);
	parallel.max = 16;
	for (size_t i = 0; i < N_NODES; i++) {
		task_init(&children[i], &inline_ops, child_on_end);
		parallel_add(&parallel, &children[i]);
	}
	composite_run(&parallel.base.task);
}

/* Series of one step: what a composite costs on top of its children. */
static void round_composites(void)
{
	struct series series;

	for (size_t i = 0; i < N_NODES; i++) {
		series_init(&series, composite_on_end);
		task_init(&children[0], &inline_ops, child_on_end);
		series_push_back(&series, &children[0]);
		composite_run(&series.base.task);
	}
}

static struct task *make_child(struct repeater *repeater, uint32_t round)
{
	(void)repeater;
	task_init(&children[0], &inline_ops, child_on_end);
	return round < N_NODES ? &children[0] : NULL;
}

static void round_repeater(void)
{
	struct repeater repeater;

	repeater_init(&repeater, make_child, composite_on_end);
	composite_run(&repeater.base.task);
}

static struct task *make_item(struct each *each, uint32_t index)
{
	(void)each;
	task_init(&children[index % 16], &inline_ops, child_on_end);
	return &children[index % 16];
}

static void round_each(void)
{
	struct each each;

	each_init(&each, N_NODES, make_item, composite_on_end);
	each.max = 16;
	composite_run(&each.base.task);
}

static void future_on_end(struct future_watch *watch, struct future *future)
{
	(void)watch;
	(void)future;
	n_left--;
}

static void round_futures(void)
{
	for (size_t i = 0; i < N_NODES; i++) {
		struct promise promise;
		struct future *future = promise_init(&promise, loop);
		struct future_watch watch;

		n_left = 1;
		future_on_any(future, &watch, future_on_end);
		promise_set(&promise, &n_left, NULL);
		while (n_left > 0)
			loop_run_once(loop, false);
		future_unref(future);
	}
}

static void then_set(struct future *from, struct promise *to, void *arg)
{
	promise_set(to, future_take(from), NULL);
	(void)arg;
}

static void round_then(void)
{
	struct promise promise;
	struct future *future = promise_init(&promise, loop);
	struct future_watch watch;

	n_left = 1;
	for (size_t i = 0; i < N_NODES; i++)
		future = future_then(future, then_set, NULL);
	future_on_any(future, &watch, future_on_end);
	promise_set(&promise, &n_left, NULL);
	while (n_left > 0)
		loop_run_once(loop, false);
	future_unref(future);
}

static void bench_composition(void)
{
	children = calloc(N_NODES, sizeof(*children));
	check(children);
	print_ns("series: a step", best_of(round_series, ROUNDS, N_NODES), 0);
	print_ns("parallel: a child, 16 at once", best_of(round_parallel, ROUNDS, N_NODES), 0);
	print_ns("repeater: a round", best_of(round_repeater, ROUNDS, N_NODES), 0);
	print_ns("each: an item, 16 at once", best_of(round_each, ROUNDS, N_NODES), 0);
	print_ns("series of one step, with a turn of the loop",
		 best_of(round_composites, ROUNDS, N_NODES), 0);
	print_ns("future: made, set, called, with a turn", best_of(round_futures, ROUNDS, N_NODES),
		 0);
	print_ns("future: a then in a chain", best_of(round_then, ROUNDS, N_NODES), 0);
	free(children);
}

/* ------------------------------------------------------------ timers */

static struct timer *timers;

static void count_fire(struct timer *timer)
{
	(void)timer;
	n_left--;
}

static void round_start_stop(void)
{
	for (size_t i = 0; i < N_TIMERS; i++)
		timer_start(&timers[i], 1000 + i * 7919 % 100000);
	for (size_t i = 0; i < N_TIMERS; i++)
		timer_stop(&timers[i]);
}

static void round_start_fire(void)
{
	n_left = N_TIMERS;
	for (size_t i = 0; i < N_TIMERS; i++)
		timer_start(&timers[i], 1 + i * 7919 % 100000);
	while (n_left > 0) {
		clock_advance(100 * NS_PER_MS);
		loop_run_once(loop, false);
	}
}

/* ------------------------------------------------------------ between threads */

static struct post *posts;

static void count_post(struct post *post)
{
	(void)post;
	if (--n_left == 0)
		loop_stop(loop);
}

static void *send_posts(void *unused)
{
	(void)unused;
	for (size_t i = 0; i < N_POSTS; i++)
		loop_post(loop, &posts[i]);
	return NULL;
}

static void round_posts(void)
{
	pthread_t thread;

	n_left = N_POSTS;
	check(pthread_create(&thread, NULL, send_posts, NULL) == 0);
	loop_run(loop);
	pthread_join(thread, NULL);
}

static struct pool *pool;
static struct work *works;
static atomic_size_t n_worked;

static void count_work(struct work *work)
{
	(void)work;
	atomic_fetch_add_explicit(&n_worked, 1, memory_order_release);
}

static void round_works(void)
{
	n_worked = 0;
	for (size_t i = 0; i < N_POSTS; i++)
		pool_submit(pool, &works[i]);
	while (atomic_load_explicit(&n_worked, memory_order_acquire) < N_POSTS)
		sched_yield();
}

/* ------------------------------------------------------------ */

static void bench_tasks(void)
{
	scope_init(&scope, loop, on_empty);
	print_ns("task: start to completion, inline", best_of(round_tasks, ROUNDS, N_TASKS), 60);
	counters = calloc(N_NODES, sizeof(*counters));
	node_tasks = calloc(N_NODES, sizeof(*node_tasks));
	check(counters && node_tasks);
	graph_make_plan();
	print_ns("graph: a node and its task, 10 nodes", best_of(round_graphs, ROUNDS, N_NODES),
		 150);
	graph_plan_destroy(plan);
	big_graph_make_plan();
	print_ns("graph: a node and its task, 100,000 nodes",
		 best_of(round_big_graph, ROUNDS, N_NODES), 150);
	graph_plan_destroy(plan);
	free(counters);
	free(node_tasks);
}

static void bench_timers(void)
{
	timers = calloc(N_TIMERS, sizeof(*timers));
	check(timers);
	for (size_t i = 0; i < N_TIMERS; i++)
		timer_init(&timers[i], loop, count_fire);
	print_ns("timer: start and stop, 1,000,000 pending", best_of(round_start_stop, 3, N_TIMERS),
		 300);
	clock_freeze(clock_monotonic_ns(), 0);
	print_ns("timer: start and fire, 1,000,000 pending", best_of(round_start_fire, 3, N_TIMERS),
		 0);
	clock_thaw();
	free(timers);
}

static void bench_threads(void)
{
	posts = calloc(N_POSTS, sizeof(*posts));
	works = calloc(N_POSTS, sizeof(*works));
	check(posts && works && pool_create(&pool, "bench", 1) == 0);
	for (size_t i = 0; i < N_POSTS; i++) {
		posts[i].run = count_post;
		works[i].run = count_work;
	}
	print_ns("loop: post from another thread", best_of(round_posts, ROUNDS, N_POSTS), 0);
	print_ns("pool: submit to run", best_of(round_works, ROUNDS, N_POSTS), 0);
	pool_destroy(pool);
	free(posts);
	free(works);
}

#define PRINT_SIZE(type) printf("%-44s %5zu bytes\n", #type, sizeof(type))

static void print_sizes(void)
{
	printf("%-44s %5zu bytes   (to reach: 100)\n", "struct timer", sizeof(struct timer));
	PRINT_SIZE(struct task);
	PRINT_SIZE(struct scope);
	PRINT_SIZE(struct composite);
	PRINT_SIZE(struct series);
	PRINT_SIZE(struct parallel);
	PRINT_SIZE(struct dag);
	PRINT_SIZE(struct dag_node);
	PRINT_SIZE(struct module);
	PRINT_SIZE(struct repeater);
	PRINT_SIZE(struct each);
	PRINT_SIZE(struct race);
	PRINT_SIZE(struct wait_group);
	printf("%-44s %5zu bytes\n", "a future", future_size());
}

int main(void)
{
	check(loop_create(&loop) == 0);
	bench_tasks();
	bench_composition();
	bench_timers();
	bench_threads();
	print_sizes();
	loop_destroy(loop);
	return 0;
}
