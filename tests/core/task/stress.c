/* tests/core/task/stress.c: thousands of scopes with random trees of composites in them, under a
 * clock that is moved by hand: random failures, cancels, early ends, growth and deadlines.
 * Whatever happens, each task that was handed over completes once, a composite after all that it
 * contains, a scope after all tasks; and nothing is left. Each node is freed in its own on_end,
 * so that ASan sees who looks at it afterwards.
 *
 * SEED=n repeats a run, SCOPES=n makes it longer. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/io/loop_clock.h"
#include "core/task/dag.h"
#include "core/task/dynamic.h"
#include "core/task/each.h"
#include "core/task/future_wait.h"
#include "core/task/module.h"
#include "core/task/parallel.h"
#include "core/task/race.h"
#include "core/task/repeater.h"
#include "core/task/series.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum kind {
	LEAF,
	PROMISED,
	SERIES,
	PARALLEL,
	DAG,
	MODULE,
	DYNAMIC,
	REPEATER,
	EACH,
	RACE,
	N_KINDS,
};

enum { DEPTH_MAX = 5, CHILDREN_MAX = 4, AT_ONCE = 100, DELAY_MAX_MS = 40 };

struct root {
	struct scope scope;
	unsigned n_nodes; /* that are alive */
	unsigned budget;  /* nodes that may still be made */
	bool started;     /* its tasks were */
	bool empty;
};

struct node {
	union {
		struct task task;
		struct composite base;
		struct future_wait wait;
		struct series series;
		struct parallel parallel;
		struct dag dag;
		struct module module;
		struct dynamic dynamic;
		struct repeater repeater;
		struct each each;
		struct race race;
	} as;
	enum kind kind;
	struct root *root;
	struct node *parent;
	struct list link, children; /* that have not completed */
	unsigned depth, n_children;
	struct timer timer; /* of a leaf */
	uint64_t delay_ms;
	enum outcome outcome;
	bool deaf, running;
	struct promise promise;
	struct dag_node nodes[CHILDREN_MAX];
};

static struct loop *loop;
static struct root roots[AT_ONCE];
static uint64_t random_state, n_made, n_completed, n_left_idle, n_values;
static unsigned n_running;
static uint64_t n_outcomes[N_KINDS][OUTCOME_CANCELLED + 1];

static uint32_t dice(uint32_t sides)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 20) % sides);
}

static bool percent(unsigned chance)
{
	return dice(100) < chance;
}

static struct node *node_of(struct task *task)
{
	return container_of(task, struct node, as.task);
}

static struct node *node_create(struct root *root, struct node *parent);

/* ------------------------------------------------------------ leaves */

static void leaf_end(struct node *node, enum outcome outcome)
{
	check(node->running);
	node->running = false;
	n_running--;
	task_end(&node->as.task, outcome);
}

static void leaf_on_timer(struct timer *timer)
{
	struct node *node = container_of(timer, struct node, timer);

	leaf_end(node, node->outcome);
}

static void leaf_start(struct task *task)
{
	struct node *node = node_of(task);

	node->running = true;
	n_running++;
	timer_init(&node->timer, loop, leaf_on_timer);
	if (dice(500) == 0)
		scope_cancel(&node->root->scope); /* from within a start() */
	if (task->state != TASK_STARTED)
		return;
	if (node->delay_ms == 0)
		leaf_end(node, node->outcome);
	else if (node->delay_ms != UINT64_MAX)
		timer_start(&node->timer, node->delay_ms);
}

static void leaf_cancel(struct task *task)
{
	struct node *node = node_of(task);

	if (node->deaf && timer_is_running(&node->timer))
		return;
	timer_stop(&node->timer);
	leaf_end(node, OUTCOME_CANCELLED);
}

static const struct task_ops leaf_ops = { "leaf", leaf_start, leaf_cancel };

static enum outcome random_outcome(void)
{
	if (percent(75))
		return OUTCOME_OK;
	return percent(60) ? OUTCOME_FAILED : percent(50) ? OUTCOME_TIMED_OUT : OUTCOME_CANCELLED;
}

/* ------------------------------------------------------------ leaves that are promised */

static void value_free(void *value)
{
	n_values--;
	free(value);
}

static void promised_on_discard(struct promise *promise)
{
	promise_discard(promise);
}

static void promised_on_timer(struct timer *timer)
{
	struct node *node = container_of(timer, struct node, timer);

	if (!node->promise.future)
		return;
	if (node->outcome == OUTCOME_OK) {
		n_values++;
		promise_set(&node->promise, mem_alloc(1), value_free);
	} else if (node->outcome == OUTCOME_FAILED) {
		promise_drop(&node->promise);
	} else {
		promise_fail(&node->promise, -ETIMEDOUT);
	}
}

static void promised_then(struct future *from, struct promise *to, void *arg)
{
	(void)arg;
	promise_set(to, future_take(from), value_free);
}

static void promised_init(struct node *node, task_fn *on_end)
{
	struct future *future = promise_init(&node->promise, loop);

	promise_on_discard(&node->promise, loop, promised_on_discard);
	if (percent(50))
		future = future_then(future, promised_then, NULL);
	if (percent(50))
		future = future_after(future, 1 + dice(2 * DELAY_MAX_MS));
	future_wait_init(&node->as.wait, future, on_end);
	timer_init(&node->timer, loop, promised_on_timer);
	timer_start(&node->timer, dice(DELAY_MAX_MS));
}

/* ------------------------------------------------------------ the end of a node */

static void node_free(struct node *node)
{
	node->root->n_nodes--;
	if (node->parent)
		list_remove(&node->link);
	if (node->kind == PROMISED) {
		timer_stop(&node->timer);
		future_discard(node->as.wait.future);
		future_unref(node->as.wait.future);
		promise_drop(&node->promise);
	}
	if (node->kind == DAG)
		dag_fini(&node->as.dag);
	free(node);
}

/* What was given to a composite that never began is its owner's still. */
static void node_free_idle(struct node *node)
{
	struct node *child;

	check(node->as.task.state == TASK_IDLE);
	while ((child = list_first(&node->children, struct node, link)))
		node_free_idle(child);
	n_left_idle++;
	node_free(node);
}

static void node_disturb(struct node *node)
{
	struct node *parent = node->parent;
	struct composite *around = parent ? &parent->as.base : NULL;

	if (dice(400) == 0)
		scope_cancel(&node->root->scope);
	if (!parent)
		return;
	check(around->task.state == TASK_STARTED && around->begun);
	if (percent(2))
		composite_end(around, random_outcome());
	else if (percent(1))
		task_cancel(&around->task);
	if (parent->kind == SERIES && percent(20) && node->root->budget > 0) {
		struct node *step = node_create(node->root, parent);

		if (percent(50))
			series_push_back(&parent->as.series, &step->as.task);
		else
			series_push_front(&parent->as.series, &step->as.task);
	}
	if (parent->kind == MODULE && percent(20) && node->root->budget > 0)
		task_start(&node_create(node->root, parent)->as.task, node->as.task.scope);
}

static bool is_composite(const struct node *node)
{
	return node->kind >= SERIES;
}

static void node_on_end(struct task *task)
{
	struct node *node = node_of(task), *child;

	check(task->state == TASK_ENDED && !node->running);
	n_completed++;
	n_outcomes[node->kind][task->outcome]++;
	if (is_composite(node) && node->as.base.begun)
		check(list_is_empty(&node->children) && node->as.base.scope.n_live == 0);
	while ((child = list_first(&node->children, struct node, link)))
		node_free_idle(child);
	node_disturb(node);
	node_free(node);
}

/* ------------------------------------------------------------ composites */

static bool has_children(struct node *node)
{
	return node->depth < DEPTH_MAX && node->root->budget > 0;
}

static struct task *child_task(struct node *node)
{
	return &node_create(node->root, node)->as.task;
}

static void module_begin(struct module *module)
{
	struct node *node = node_of(&module->base.task);

	for (unsigned i = 0; i < node->n_children; i++)
		task_start(child_task(node), module_scope(module));
}

static struct task *dynamic_make(struct dynamic *dynamic)
{
	struct node *node = node_of(&dynamic->base.task);

	return node->n_children > 0 ? child_task(node) : NULL;
}

static struct task *repeater_make(struct repeater *repeater, uint32_t round)
{
	struct node *node = node_of(&repeater->base.task);

	return round < node->n_children ? child_task(node) : NULL;
}

static struct task *each_make(struct each *each, uint32_t index)
{
	struct node *node = node_of(&each->base.task);

	check(each->max == 0 || each->base.scope.n_live < each->max);
	check(index < each->n_items);
	return percent(90) ? child_task(node) : NULL;
}

static bool race_accept(struct race *race, struct task *candidate)
{
	(void)race;
	return candidate->outcome == OUTCOME_OK || percent(20);
}

static void parallel_make(struct node *node)
{
	struct parallel *parallel = &node->as.parallel;

	parallel_init(parallel, node_on_end);
	parallel->policy = (uint8_t)dice(3);
	parallel->quorum = dice(CHILDREN_MAX);
	parallel->rest = (uint8_t)dice(2);
	parallel->max = dice(3);
	for (unsigned i = 0; i < node->n_children; i++)
		parallel_add(parallel, child_task(node));
}

static bool node_when(struct dag_node *of)
{
	(void)of;
	return percent(80);
}

static void dag_make(struct node *node)
{
	struct dag *dag = &node->as.dag;
	const uint32_t *cycle;
	size_t n_cycle;

	dag_init(dag, node->nodes, node->n_children, node_on_end);
	dag->cancel_on_failure = percent(50);
	for (unsigned i = 0; i < node->n_children; i++) {
		struct dag_node *at = dag_node(dag, i, percent(90) ? child_task(node) : NULL);

		at->when = percent(50) ? node_when : NULL;
		at->join = (uint8_t)dice(3);
		for (unsigned before = 0; before < i; before++)
			if (percent(40))
				graph_edge(&node->nodes[before], at);
	}
	check(dag_finish(dag, &cycle, &n_cycle) == 0);
}

static void race_make(struct node *node)
{
	race_init(&node->as.race, node_on_end);
	node->as.race.losers = (uint8_t)dice(2);
	node->as.race.accept = percent(50) ? race_accept : NULL;
	for (unsigned i = 0; i < node->n_children; i++)
		race_add(&node->as.race, child_task(node));
}

static void series_make(struct node *node)
{
	series_init(&node->as.series, node_on_end);
	node->as.series.keep_going = percent(50);
	for (unsigned i = 0; i < node->n_children; i++)
		series_push_back(&node->as.series, child_task(node));
}

static void repeat_make(struct node *node)
{
	struct repeater *repeater = &node->as.repeater;

	repeater_init(repeater, repeater_make, node_on_end);
	repeater->keep_going = percent(50);
	repeater->max = dice(CHILDREN_MAX);
	repeater->delay_ms = dice(10);
}

static void node_make(struct node *node)
{
	switch (node->kind) {
	case LEAF:
		task_init(&node->as.task, &leaf_ops, node_on_end);
		break;
	case PROMISED:
		promised_init(node, node_on_end);
		break;
	case SERIES:
		series_make(node);
		break;
	case PARALLEL:
		parallel_make(node);
		break;
	case DAG:
		dag_make(node);
		break;
	case MODULE:
		module_init(&node->as.module, module_begin, node_on_end);
		break;
	case DYNAMIC:
		dynamic_init(&node->as.dynamic, dynamic_make, node_on_end);
		break;
	case REPEATER:
		repeat_make(node);
		break;
	case EACH:
		each_init(&node->as.each, 2 * node->n_children, each_make, node_on_end);
		node->as.each.max = dice(3);
		node->as.each.keep_going = percent(50);
		break;
	case RACE:
		race_make(node);
		break;
	case N_KINDS:
		unreachable();
	}
}

/* Handed over at once by whoever calls. */
static struct node *node_create(struct root *root, struct node *parent)
{
	struct node *node = mem_zalloc(sizeof(*node));

	n_made++;
	root->n_nodes++;
	root->budget -= root->budget > 0;
	*node = (struct node){ .root = root, .parent = parent };
	node->depth = parent ? parent->depth + 1 : 0;
	node->kind = has_children(node) && percent(parent ? 60 : 95)
			     ? SERIES + dice(N_KINDS - SERIES)
			     : dice(SERIES);
	node->n_children = dice(CHILDREN_MAX + 1);
	node->delay_ms = percent(30) ? 0 : percent(10) ? UINT64_MAX : 1 + dice(DELAY_MAX_MS);
	node->outcome = random_outcome();
	node->deaf = percent(10);
	list_init(&node->children);
	if (parent)
		list_add(&parent->children, &node->link);
	node_make(node);
	if (is_composite(node) && percent(15))
		node->as.base.timeout_ms = 1 + dice(2 * DELAY_MAX_MS);
	return node;
}

/* ------------------------------------------------------------ scopes */

static void root_on_empty(struct scope *scope)
{
	struct root *root = container_of(scope, struct root, scope);

	check(scope->n_live == 0 && root->started && !root->empty);
	check_that(root->n_nodes == 0, "n_nodes=%u", root->n_nodes);
	root->empty = true;
	scope_fini(scope);
}

static void root_start(struct root *root)
{
	unsigned n = 1 + dice(2);

	*root = (struct root){ .budget = 10 + dice(50), .started = true };
	scope_init(&root->scope, loop, root_on_empty);
	if (percent(50))
		scope_set_deadline(&root->scope, clock_monotonic_ns() + dice(200) * NS_PER_MS);
	for (unsigned i = 0; i < n; i++)
		task_start(&node_create(root, NULL)->as.task, &root->scope);
}

static void stress_round(void)
{
	unsigned n_empty = 0;

	for (unsigned i = 0; i < AT_ONCE; i++)
		root_start(&roots[i]);
	for (unsigned step = 0; step < 10; step++) {
		struct root *root = &roots[dice(AT_ONCE)];

		if (!root->empty)
			scope_cancel(&root->scope);
		loop_advance(loop, dice(30) * NS_PER_MS + dice(1000));
	}
	for (unsigned i = 0; i < AT_ONCE; i++)
		if (!roots[i].empty)
			scope_cancel(&roots[i].scope);
	loop_advance(loop, DELAY_MAX_MS * NS_PER_MS); /* the deaf end, too */
	for (unsigned i = 0; i < AT_ONCE; i++)
		n_empty += roots[i].empty;
	check_that(n_empty == AT_ONCE, "n_empty=%u", n_empty);
	check_that(n_running == 0, "n_running=%u", n_running);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void each_task_completes_once_and_nothing_is_left(void)
{
	uint64_t rounds = number_of("SCOPES", 20000) / AT_ONCE;
	uint64_t next_ns;

	for (uint64_t i = 0; i < rounds; i++)
		stress_round();
	loop_advance(loop, 3600 * NS_PER_S);
	next_ns = loop_next_timer_ns(loop);
	is_true(next_ns == UINT64_MAX);
	is_int(n_completed + n_left_idle, n_made);
	is_int(n_values, 0);
	for (unsigned kind = 0; kind < N_KINDS; kind++)
		is_true(n_outcomes[kind][OUTCOME_OK] > 0 &&
			n_outcomes[kind][OUTCOME_CANCELLED] > 0);
	printf("# %llu scopes, %llu tasks\n", (unsigned long long)(rounds * AT_ONCE),
	       (unsigned long long)n_made);
}

int main(void)
{
	uint64_t seed = number_of("SEED", (uint64_t)time(NULL));

	printf("# SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	clock_freeze(1000 * NS_PER_S, 0);
	check(loop_create(&loop) == 0);
	TEST(each_task_completes_once_and_nothing_is_left);
	loop_destroy(loop);
	return tap_done();
}
