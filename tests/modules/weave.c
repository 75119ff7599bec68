/* tests/modules/weave.c: a verb on the loop that makes the tasks that it is told to, and says in
 * which order and how they have ended.
 *
 * 	weave: { series: [ { timer: 10, name: a }, { parallel: [ … ], policy: any } ] } */
#include <leat.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_MAX = 4000, NAMES_MAX = 16 };

struct weave {
	char log[LOG_MAX];
	size_t len;
	struct leat_task *counter;
	struct leat_promise *held; /* by { future: held }, until { complete: … } */
	pthread_t thread;
	int has_thread;
};

atomic_int n_released;            /* the tests look at it */
static struct leat_promise *left; /* by { future: left }: of a call that may be over */

static struct leat_task *weave(struct leat_call *call, const struct leat_value *plan);

/* ------------------------------------------------------------ small things */

static const struct leat_value *member(const struct leat_value *value, const char *name)
{
	return leat->member(value, name);
}

static int64_t number(const struct leat_value *value, int64_t otherwise)
{
	leat->integer(value, &otherwise);
	return otherwise;
}

static int is_text(const struct leat_value *value, const char *text)
{
	struct leat_text own = leat->text(value);

	return own.len == strlen(text) && memcmp(own.ptr, text, own.len) == 0;
}

static const char *copy_text(struct leat_call *call, const struct leat_value *value)
{
	struct leat_text text = leat->text(value);
	char *copy = leat->alloc(call, text.len + 1);

	if (copy && text.len)
		memcpy(copy, text.ptr, text.len);
	return copy;
}

static void say(struct weave *own, const char *text, size_t len)
{
	if (len > LOG_MAX - own->len)
		len = LOG_MAX - own->len;
	memcpy(own->log + own->len, text, len);
	own->len += len;
}

static const struct leat_value *plan_of(const struct leat_task *task)
{
	return leat->context(task);
}

/* ------------------------------------------------------------ what happens at the ends */

/* "a=ok b=failed:connect_failed c=ok:5 " */
static void on_end(struct leat_task *task)
{
	static const char *const outcomes[] = { "ok", "failed", "timed_out", "cancelled" };
	struct weave *own = leat->state(leat->call_of(task));
	struct leat_text name = leat->text(member(plan_of(task), "name"));
	char text[200];
	int64_t value = 0;
	int len;

	if (name.len == 0)
		return;
	len = snprintf(text, sizeof(text), "%.*s=%s", (int)name.len, name.ptr,
		       outcomes[leat->outcome(task)]);
	if (leat->error(task)[0])
		len += snprintf(text + len, sizeof(text) - (size_t)len, ":%s", leat->error(task));
	else if (leat->integer(leat->value(task), &value))
		len += snprintf(text + len, sizeof(text) - (size_t)len, ":%d", (int)value);
	else if (leat->data(task))
		len += snprintf(text + len, sizeof(text) - (size_t)len, ":%s",
				(const char *)leat->data(task));
	text[len++] = ' ';
	say(own, text, (size_t)len);
}

static void on_count_end(struct leat_task *task)
{
	struct weave *own = leat->state(leat->call_of(task));

	on_end(task);
	leat->count(own->counter, (uint64_t)number(member(plan_of(task), "count"), 1));
}

static void on_fail_end(struct leat_task *task)
{
	struct leat_call *call = leat->call_of(task);

	on_end(task);
	leat->fail(call, copy_text(call, member(plan_of(task), "fail")), 0, "as it was told");
}

static void on_push_end(struct leat_task *task)
{
	const struct leat_value *tasks = member(plan_of(task), "push");
	struct leat_call *call = leat->call_of(task);

	on_end(task);
	for (size_t i = leat->len(tasks); i-- > 0;)
		leat->push_front(leat->series_of(task), weave(call, leat->at(tasks, i)));
}

static void on_complete_end(struct leat_task *task)
{
	struct weave *own = leat->state(leat->call_of(task));
	struct leat_promise *held = own->held;
	const struct leat_value *how = member(plan_of(task), "complete");

	on_end(task);
	own->held = NULL;
	if (is_text(how, "set"))
		leat->promise_set(held, " 7 ", 3);
	else if (is_text(how, "nonsense"))
		leat->promise_set(held, "{7}", 3);
	else if (is_text(how, "fail"))
		leat->promise_fail(held, "too_small", "of size %d", 3);
	else
		leat->promise_drop(held);
}

static void on_start_end(struct leat_task *task)
{
	const struct leat_value *tasks = member(plan_of(task), "start");
	struct leat_call *call = leat->call_of(task);

	on_end(task);
	for (size_t i = 0; i < leat->len(tasks); i++)
		leat->start(weave(call, leat->at(tasks, i)));
}

static void on_cancel_end(struct leat_task *task)
{
	struct weave *own = leat->state(leat->call_of(task));

	on_end(task);
	leat->cancel(own->counter);
}

/* As many more as it says, each made when the one before has ended. */
static void on_again_end(struct leat_task *task)
{
	int *left_over = leat->context(task);
	struct leat_task *next;

	if ((*left_over)-- == 0)
		return;
	next = leat->timer(leat->call_of(task), 0, on_again_end);
	leat->set_context(next, left_over);
	leat->start(next);
}

/* ------------------------------------------------------------ work, threads */

static void work(struct leat_call *call)
{
	const struct leat_value *input = leat->input(call);
	char *data = leat->state(call);

	if (data)
		data[0] = 'D';
	if (is_text(input, "fail"))
		leat->fail(call, "too_small", 422, "as it was told");
	else if (is_text(input, "spin"))
		while (!leat->is_cancelled(call))
			;
	else if (leat->type(input) != LEAT_NULL)
		leat->json_value(leat->result(call), input);
}

static void work_release(void *data)
{
	(void)data;
	atomic_fetch_add(&n_released, 1);
}

static void free_data(void *data)
{
	free(data);
	atomic_fetch_add(&n_released, 1);
}

static void *complete_elsewhere(void *promise)
{
	char *text = malloc(5);

	memcpy(text, "data", 5);
	leat->promise_set_data(promise, text, free_data);
	return NULL;
}

/* Its value is under way to the loop when this has returned. */
static void complete_by_another(struct leat_promise *promise)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, complete_elsewhere, promise) != 0)
		abort();
	pthread_join(thread, NULL);
}

static struct leat_task *weave_future(struct leat_call *call, const struct leat_value *how)
{
	struct weave *own = leat->state(call);
	struct leat_promise *promise;
	struct leat_task *task = leat->future(call, &promise, on_end);

	if (is_text(how, "thread"))
		own->has_thread = pthread_create(&own->thread, NULL, complete_elsewhere, promise) ==
				  0;
	else if (is_text(how, "given"))
		complete_by_another(promise);
	else if (is_text(how, "held"))
		own->held = promise;
	else if (is_text(how, "left"))
		left = promise;
	else
		leat->promise_set(promise, "5", 1);
	return task;
}

static struct leat_task *weave_http(struct leat_call *call, const struct leat_value *plan)
{
	struct leat_text body = leat->text(member(plan, "post"));
	const char *headers[] = { "X-Word", copy_text(call, member(plan, "word")), NULL };
	struct leat_request request = { 0 };

	request.url = copy_text(call, member(plan, "http"));
	request.headers = headers;
	if (body.len) {
		request.method = "POST";
		request.body = body.ptr;
		request.body_size = body.len;
	}
	request.body_max = (size_t)number(member(plan, "max"), 0);
	return leat->http(call, &request, on_end);
}

/* What came: "[5,null]". */
static void on_await_end(struct leat_task *task)
{
	struct leat_call *call = leat->call_of(task);
	struct leat_json *json = leat->json(call);
	struct leat_text text;

	on_end(task);
	if (leat->outcome(task) != LEAT_OK)
		return;
	leat->json_value(json, leat->value(task));
	text = leat->json_done(json);
	say(leat->state(call), text.ptr, text.len);
	say(leat->state(call), " ", 1);
}

static struct leat_task *weave_signal(struct leat_call *call, const struct leat_value *plan)
{
	struct leat_json *json = leat->json(call);
	struct leat_signal signal = { NULL, NULL, 0, 0, 0 };
	struct leat_text text;

	leat->json_value(json, member(plan, "message"));
	text = leat->json_done(json);
	signal.name = copy_text(call, member(plan, "signal"));
	signal.json = text.ptr;
	signal.json_len = text.len;
	signal.wake = (uint64_t)number(member(plan, "wake"), 0);
	signal.keep_ms = (uint64_t)number(member(plan, "keep"), 0);
	return leat->signal(call, &signal, on_end);
}

/* ------------------------------------------------------------ composites */

static struct leat_task *weave_series(struct leat_call *call, const struct leat_value *plan)
{
	const struct leat_value *tasks = member(plan, "series");
	struct leat_task *series = leat->series(call, leat->boolean(member(plan, "go_on")), on_end);

	for (size_t i = 0; i < leat->len(tasks); i++)
		leat->push_back(series, weave(call, leat->at(tasks, i)));
	return series;
}

static struct leat_task *weave_parallel(struct leat_call *call, const struct leat_value *plan)
{
	const struct leat_value *tasks = member(plan, "parallel"), *policy = member(plan, "policy");
	struct leat_task *parallel = leat->parallel(call,
						    is_text(policy, "any")    ? LEAT_ANY
						    : is_text(policy, "each") ? LEAT_EACH
									      : LEAT_ALL,
						    (unsigned)number(member(plan, "max"), 0),
						    on_end);

	for (size_t i = 0; i < leat->len(tasks); i++)
		leat->add(parallel, weave(call, leat->at(tasks, i)));
	return parallel;
}

/* { a: { timer: 1 }, b: { timer: 2, after: [a] } } */
static struct leat_task *weave_graph(struct leat_call *call, const struct leat_value *plan)
{
	const struct leat_value *nodes = member(plan, "graph"), *after;
	struct leat_task *graph = leat->graph(call, on_end), *tasks[NAMES_MAX];
	struct leat_text name;

	for (size_t i = 0; i < leat->len(nodes) && i < NAMES_MAX; i++) {
		tasks[i] = weave(call, leat->member_at(nodes, i, NULL));
		leat->node(graph, tasks[i]);
	}
	for (size_t i = 0; i < leat->len(nodes) && i < NAMES_MAX; i++) {
		after = member(leat->member_at(nodes, i, NULL), "after");
		for (size_t k = 0; k < leat->len(after); k++)
			for (size_t j = 0; j < leat->len(nodes); j++) {
				leat->member_at(nodes, j, &name);
				if (leat->text(leat->at(after, k)).len == name.len &&
				    !memcmp(leat->text(leat->at(after, k)).ptr, name.ptr, name.len))
					leat->edge(graph, tasks[j], tasks[i]);
			}
	}
	return graph;
}

static struct leat_task *weave_again(struct leat_call *call, const struct leat_value *plan)
{
	int *left_over = leat->alloc(call, sizeof(*left_over));
	struct leat_task *first = leat->timer(call, 0, on_again_end);

	*left_over = (int)number(member(plan, "again"), 0);
	leat->set_context(first, left_over);
	return first;
}

/* ------------------------------------------------------------ all together */

static struct leat_task *weave_simple(struct leat_call *call, const struct leat_value *plan)
{
	static const struct {
		const char *key;
		leat_task_fn *on_end;
	} rows[] = {
		{ "count", on_count_end },       { "fail", on_fail_end },
		{ "push", on_push_end },         { "start", on_start_end },
		{ "complete", on_complete_end }, { "cancel", on_cancel_end },
	};
	uint64_t delay = (uint64_t)number(member(plan, "timer"), 0);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (member(plan, rows[i].key))
			return leat->timer(call, delay, rows[i].on_end);
	return leat->timer(call, delay, on_end);
}

static struct leat_task *weave_one(struct leat_call *call, const struct leat_value *plan)
{
	struct weave *own = leat->state(call);
	struct leat_work compute = { work, NULL, "data", 5, work_release };

	if (member(plan, "series"))
		return weave_series(call, plan);
	if (member(plan, "parallel"))
		return weave_parallel(call, plan);
	if (member(plan, "graph"))
		return weave_graph(call, plan);
	if (member(plan, "future"))
		return weave_future(call, member(plan, "future"));
	if (member(plan, "http"))
		return weave_http(call, plan);
	if (member(plan, "await"))
		return leat->await(call, copy_text(call, member(plan, "await")),
				   (unsigned)number(member(plan, "times"), 0),
				   (uint64_t)number(member(plan, "wait"), 1000), on_await_end);
	if (member(plan, "signal"))
		return weave_signal(call, plan);
	compute.input = member(plan, "compute");
	if (compute.input)
		return leat->compute(call, &compute, on_end);
	if (!member(plan, "counter"))
		return weave_simple(call, plan);
	own->counter = leat->counter(call, (uint64_t)number(member(plan, "counter"), 1), on_end);
	return own->counter;
}

static struct leat_task *weave(struct leat_call *call, const struct leat_value *plan)
{
	struct leat_task *task;
	int64_t timeout;

	if (member(plan, "again"))
		return weave_again(call, plan);
	task = weave_one(call, plan);
	leat->set_context(task, (void *)(uintptr_t)plan);
	if (leat->integer(member(plan, "timeout"), &timeout))
		leat->timeout(task, (uint64_t)timeout);
	return task;
}

static void on_root_end(struct leat_task *root)
{
	struct leat_call *call = leat->call_of(root);
	struct weave *own = leat->state(call);

	leat->json_text(leat->result(call), own->log, own->len ? own->len - 1 : 0);
}

static void start(struct leat_call *call)
{
	struct leat_task *root = leat->series(call, true, on_root_end);

	leat->push_back(root, weave(call, leat->input(call)));
	leat->start(root);
}

static void weave_release(void *data)
{
	struct weave *own = data;

	if (own->has_thread)
		pthread_join(own->thread, NULL);
	if (own->held)
		leat->promise_drop(own->held);
	atomic_fetch_add(&n_released, 1);
}

/* Without any task: it is over at once. */
static void start_nothing(struct leat_call *call)
{
	leat->json_int(leat->result(call), 3);
}

static void start_and_fail(struct leat_call *call)
{
	leat->start(leat->timer(call, 1000000, NULL));
	leat->fail(call, "too_small", 0, "at once");
	leat->start(leat->timer(call, 1000000, NULL));
}

/* Makes tasks and gives them to nobody. */
static void start_idle(struct leat_call *call)
{
	const struct leat_work compute = { work, NULL, NULL, 0, NULL };
	const struct leat_request request = { NULL, "http://127.0.0.1:1/", NULL, NULL, 0, 0 };
	struct leat_task *series = leat->series(call, false, NULL);
	struct leat_promise *promise;

	leat->push_back(series, leat->graph(call, NULL));
	leat->compute(call, &compute, NULL);
	leat->http(call, &request, NULL);
	leat->future(call, &promise, NULL);
	leat->promise_set(promise, "1", 1);
}

static void left_complete(struct leat_call *call)
{
	struct leat_json *json = leat->result(call);

	leat->json_list(json);
	leat->json_bool(json, leat->promise_is_cancelled(left));
	leat->promise_set(left, "1", 1);
	leat->json_int(json, atomic_load(&n_released));
	leat->json_end(json);
}

static const struct leat_function functions[] = {
	{ "left", "Completes a promise that nobody waits for.", left_complete, 0 },
	LEAT_END,
};

static const struct leat_verb verbs[] = {
	{ "weave", "Tasks as told.", NULL, NULL, NULL, sizeof(struct weave), weave_release, 0,
	  start },
	{ "weave_nothing", "No tasks.", NULL, NULL, NULL, 0, NULL, 0, start_nothing },
	{ "weave_fail", "A failure in start().", NULL, NULL, NULL, 0, NULL, 0, start_and_fail },
	{ "weave_idle", "Tasks that are not started.", NULL, NULL, NULL, 0, NULL, 0, start_idle },
	LEAT_END,
};

LEAT_MODULE("weave", functions, verbs, NULL, NULL);
