/* tests/modules/clash.c: a verb on the loop that does one thing that a module must not do: what its
 * value says. */
#include <leat.h>
#include <pthread.h>
#include <string.h>

static struct leat_call *kept_call;
static struct leat_task *kept_task;

static void start_twice(struct leat_call *call)
{
	struct leat_task *task = leat->timer(call, 0, NULL);

	leat->start(task);
	leat->start(task);
}

static void start_what_is_given(struct leat_call *call)
{
	struct leat_task *task = leat->timer(call, 0, NULL);

	leat->push_back(leat->series(call, false, NULL), task);
	leat->start(task);
}

static void again(struct leat_task *task)
{
	leat->start(task);
}

static void start_what_has_ended(struct leat_call *call)
{
	leat->start(leat->timer(call, 0, again));
}

static void push_to_what_has_ended(struct leat_task *task)
{
	struct leat_task *series = leat->context(task);

	leat->push_back(series, leat->timer(leat->call_of(task), 0, NULL));
}

static void push_late(struct leat_call *call)
{
	struct leat_task *series = leat->series(call, false, NULL);
	struct leat_task *timer = leat->timer(call, 0, push_to_what_has_ended);
	struct leat_task *outer = leat->series(call, false, NULL);

	leat->set_context(timer, series);
	leat->push_back(outer, series);
	leat->push_back(outer, timer);
	leat->start(outer);
}

static void add_late(struct leat_call *call)
{
	struct leat_task *parallel = leat->parallel(call, LEAT_ALL, 0, NULL);

	leat->add(parallel, leat->timer(call, 1000, NULL));
	leat->start(parallel);
	leat->add(parallel, leat->timer(call, 0, NULL));
}

static void node_late(struct leat_call *call)
{
	struct leat_task *graph = leat->graph(call, NULL);

	leat->start(graph);
	leat->node(graph, leat->timer(call, 0, NULL));
}

static void cycle(struct leat_call *call)
{
	struct leat_task *graph = leat->graph(call, NULL);
	struct leat_task *a = leat->timer(call, 0, NULL), *b = leat->timer(call, 0, NULL);

	leat->node(graph, a);
	leat->node(graph, b);
	leat->edge(graph, a, b);
	leat->edge(graph, b, a);
	leat->start(graph);
}

static void foreign_edge(struct leat_call *call)
{
	leat->edge(leat->graph(call, NULL), leat->timer(call, 0, NULL), leat->timer(call, 0, NULL));
}

static void in_itself(struct leat_call *call)
{
	struct leat_task *series = leat->series(call, false, NULL);

	leat->push_back(series, series);
}

static void count_a_timer(struct leat_call *call)
{
	leat->count(leat->timer(call, 0, NULL), 1);
}

static void push_to_a_parallel(struct leat_call *call)
{
	leat->push_back(leat->parallel(call, LEAT_ALL, 0, NULL), leat->timer(call, 0, NULL));
}

static void early_outcome(struct leat_call *call)
{
	leat->outcome(leat->timer(call, 0, NULL));
}

static void time_of_a_timer(struct leat_call *call)
{
	leat->timeout(leat->timer(call, 0, NULL), 5);
}

static void status_of_a_timer(struct leat_call *call)
{
	leat->http_status(leat->timer(call, 0, NULL));
}

static void bad_policy(struct leat_call *call)
{
	leat->parallel(call, (enum leat_policy)9, 0, NULL);
}

static void two_results(struct leat_call *call)
{
	leat->json_null(leat->result(call));
	leat->json_null(leat->result(call));
}

static void half_a_result(struct leat_call *call)
{
	leat->json_list(leat->result(call));
}

static void *elsewhere(void *task)
{
	leat->start(task);
	return NULL;
}

static void other_thread(struct leat_call *call)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, elsewhere, leat->timer(call, 0, NULL)) == 0)
		pthread_join(thread, NULL);
}

static void make_on_the_pool(struct leat_call *call)
{
	leat->timer(call, 0, NULL);
}

static void tasks_on_the_pool(struct leat_call *call)
{
	const struct leat_work work = { make_on_the_pool, NULL, NULL, 0, NULL };

	leat->start(leat->compute(call, &work, NULL));
}

static void promise_twice(struct leat_call *call)
{
	struct leat_promise *promise;

	leat->start(leat->future(call, &promise, NULL));
	leat->promise_set(promise, "1", 1);
	leat->promise_fail(promise, "too_late", "by far");
}

static void ask_a_spent_promise(struct leat_call *call)
{
	struct leat_promise *promise;

	leat->future(call, &promise, NULL);
	leat->promise_drop(promise);
	leat->promise_is_cancelled(promise);
}

static void no_promise(struct leat_call *call)
{
	(void)call;
	leat->promise_drop(NULL);
}

static void no_task(struct leat_call *call)
{
	(void)call;
	leat->start(NULL);
}

static void odd_headers(struct leat_call *call)
{
	static const char *const headers[] = { "Name", NULL };
	struct leat_request request = { NULL, "http://127.0.0.1:1/", headers, NULL, 0, 0 };

	leat->http(call, &request, NULL);
}

static void keep(struct leat_call *call)
{
	kept_call = call;
	kept_task = leat->timer(call, 0, NULL);
	leat->start(kept_task);
}

static void use_kept_call(struct leat_call *call)
{
	(void)call;
	leat->timer(kept_call, 0, NULL);
}

static const struct {
	const char *name;
	leat_fn *run;
} rows[] = {
	{ "start_twice", start_twice },
	{ "start_what_is_given", start_what_is_given },
	{ "start_what_has_ended", start_what_has_ended },
	{ "push_late", push_late },
	{ "add_late", add_late },
	{ "node_late", node_late },
	{ "cycle", cycle },
	{ "foreign_edge", foreign_edge },
	{ "in_itself", in_itself },
	{ "count_a_timer", count_a_timer },
	{ "push_to_a_parallel", push_to_a_parallel },
	{ "early_outcome", early_outcome },
	{ "time_of_a_timer", time_of_a_timer },
	{ "status_of_a_timer", status_of_a_timer },
	{ "bad_policy", bad_policy },
	{ "two_results", two_results },
	{ "half_a_result", half_a_result },
	{ "other_thread", other_thread },
	{ "tasks_on_the_pool", tasks_on_the_pool },
	{ "promise_twice", promise_twice },
	{ "ask_a_spent_promise", ask_a_spent_promise },
	{ "no_promise", no_promise },
	{ "no_task", no_task },
	{ "odd_headers", odd_headers },
	{ "keep", keep },
	{ "use_kept_call", use_kept_call },
};

static void start(struct leat_call *call)
{
	struct leat_text name = leat->text(leat->input(call));

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strlen(rows[i].name) == name.len && !memcmp(rows[i].name, name.ptr, name.len))
			rows[i].run(call);
}

static const struct leat_verb verbs[] = {
	{ "clash", "What must not be done.", NULL, NULL, NULL, 0, NULL, 0, start },
	LEAT_END,
};

LEAT_MODULE("clash", NULL, verbs, NULL, NULL);
