/* server/trace/tracer.c
 *
 *   COLLECTING --(batch, interval)--> CALLING --(taken, refused for good)--> COLLECTING
 *                                      ^   |
 *                                      +---+  PAUSING  (not taken for now: again, TRACER_TRIES_MAX times)
 *
 * From CALLING to COLLECTING the generation that said whereto is pinned. */
#include "server/trace/tracer.h"
#include "core/base/backoff.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/flow/context.h"
#include "server/trace/span.h"
#include "server/trace/trace_conf.h"
#include <sys/random.h>

enum {
	TRACER_MEMORY_MAX = 128 << 10, /* of one request but its body */
	TRACER_ANSWER_MAX = 64 << 10,
	TRACER_PAUSE_MS = 500,
	TRACER_PAUSE_MAX_MS = 10000,
};

static void tracer_on_timer(struct timer *timer);
static void tracer_send(struct tracer *tracer);

static void tracer_count(_Atomic uint64_t *count, size_t n) /* by its only writer */
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

void tracer_init(struct tracer *tracer, struct loop *loop, struct client *client,
		 struct detacher *detacher)
{
	static const struct trace_conf off;

	*tracer = (struct tracer){
		.loop = loop, .client = client, .detacher = detacher, .conf = &off
	};
	check(getrandom(tracer->random, sizeof(tracer->random), 0) == sizeof(tracer->random));
	buf_init(&tracer->waiting, TRACER_BYTES_MAX);
	buf_init(&tracer->sending, TRACER_BYTES_MAX + (1 << 20));
	arena_init(&tracer->arena, TRACER_MEMORY_MAX + TRACER_ANSWER_MAX);
	timer_init(&tracer->timer, loop, tracer_on_timer);
}

void tracer_fini(struct tracer *tracer)
{
	check(!tracer->holds);
	timer_stop(&tracer->timer);
	buf_fini(&tracer->waiting);
	buf_fini(&tracer->sending);
	arena_fini(&tracer->arena);
}

/* xorshift128+ (Vigna 2014): ids have to be different, not secret. */
uint64_t tracer_random(struct tracer *tracer)
{
	uint64_t a = tracer->random[0], b = tracer->random[1], number;

	do {
		number = a + b;
		a ^= a << 23;
		tracer->random[0] = b;
		tracer->random[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
		a = tracer->random[0];
		b = tracer->random[1];
	} while (number == 0);
	return number;
}

/* ------------------------------------------------------------ spans that wait */

static void tracer_drop_waiting(struct tracer *tracer)
{
	tracer_count(&tracer->stats.dropped, tracer->n_waiting);
	buf_clear(&tracer->waiting);
	tracer->n_waiting = 0;
	if (!tracer->holds)
		timer_stop(&tracer->timer);
}

void tracer_set(struct tracer *tracer, const struct trace_conf *conf, void *generation)
{
	tracer->conf = conf;
	tracer->generation = generation;
	tracer->on = conf->upstream != NULL;
	if (!tracer->on)
		tracer_drop_waiting(tracer);
}

static void tracer_send_when_due(struct tracer *tracer)
{
	if (tracer->holds || tracer->n_waiting == 0)
		return;
	if (tracer->n_waiting >= tracer->conf->batch || tracer->stopping)
		tracer_send(tracer);
	else if (!timer_is_running(&tracer->timer))
		timer_start(&tracer->timer, tracer->conf->interval_ms);
}

void tracer_add(struct tracer *tracer, const struct span *span)
{
	size_t len = tracer->waiting.len;

	tracer_count(&tracer->stats.spans, 1);
	if (!tracer->on || tracer->gave_up || tracer->n_waiting >= tracer->conf->queue) {
		tracer_count(&tracer->stats.dropped, 1);
		return;
	}
	if (len)
		buf_add_char(&tracer->waiting, ',');
	span_write(span, &tracer->waiting);
	if (tracer->waiting.error) {
		tracer->waiting.error = 0;
		tracer->waiting.len = len;
		tracer_count(&tracer->stats.dropped, 1);
		return;
	}
	tracer->n_waiting++;
	tracer_send_when_due(tracer);
}

/* ------------------------------------------------------------ the end of a request */

static void tracer_log_failure(const struct tracer *tracer)
{
	const struct http_call *call = &tracer->call;
	bool answered = call->task.outcome == OUTCOME_OK;
	const char *detail = call->detail ? call->detail : "not done in time";

	log_warning("spans not exported upstream=%s status=%d detail=%s spans=%zu; dropping them",
		    LOG_QUOTE(tracer->sent_conf->upstream->name),
		    answered ? call->response.status : 0, LOG_QUOTE(str_of(answered ? "" : detail)),
		    tracer->n_sending);
}

static void tracer_over(struct tracer *tracer)
{
	void *generation = tracer->sent_generation;

	buf_clear(&tracer->sending);
	tracer->n_sending = 0;
	tracer->holds = false;
	tracer->sent_conf = NULL;
	timer_stop(&tracer->timer);
	if (tracer->on)
		tracer_send_when_due(tracer);
	tracer->detacher->end(tracer->detacher, generation);
}

static void tracer_give_up(struct tracer *tracer)
{
	tracer_count(&tracer->stats.failed, 1);
	tracer_count(&tracer->stats.dropped, tracer->n_sending);
	tracer_log_failure(tracer);
	if (tracer->stopping) { /* what is left would fare no better */
		tracer->gave_up = true;
		tracer_drop_waiting(tracer);
	}
	tracer_over(tracer);
}

/* What may go better the next time (OTLP §OTLP/HTTP Response). */
static bool tracer_may_repeat(const struct tracer *tracer)
{
	int status = tracer->call.response.status;

	if (tracer->stopping || tracer->n_tries >= TRACER_TRIES_MAX)
		return false;
	if (tracer->call.task.outcome != OUTCOME_OK)
		return true;
	return status == 429 || status == 502 || status == 503 || status == 504;
}

static void tracer_on_empty(struct scope *scope)
{
	struct tracer *tracer = container_of(scope, struct tracer, scope);
	bool taken = tracer->call.task.outcome == OUTCOME_OK &&
		     tracer->call.response.status / 100 == 2;

	scope_fini(scope);
	tracer->calling = false;
	if (taken) {
		tracer_count(&tracer->stats.exported, tracer->n_sending);
		tracer_over(tracer);
	} else if (tracer_may_repeat(tracer)) {
		timer_start_at(&tracer->timer,
			       clock_monotonic_ns() + backoff_ns(TRACER_PAUSE_MS,
								 TRACER_PAUSE_MAX_MS,
								 tracer->n_tries));
	} else {
		tracer_give_up(tracer);
	}
}

static void tracer_on_call_end(struct task *task)
{
	check(task->state == TASK_ENDED);
}

/* ------------------------------------------------------------ a request */

static void tracer_call(struct tracer *tracer)
{
	const struct trace_conf *conf = tracer->sent_conf;
	const struct http_call_request request = {
		.upstream = conf->upstream,
		.method_id = HTTP_POST,
		.method = STR("POST"),
		.target = conf->target,
		.fields = conf->fields,
		.n_fields = conf->n_fields,
		.body = buf_str(&tracer->sending),
		.has_body = true,
		.response_max = TRACER_ANSWER_MAX,
	};
	uint64_t deadline_ns = clock_monotonic_ns() + conf->timeout_ms * NS_PER_MS;

	arena_reset(&tracer->arena);
	tracer->n_tries++;
	tracer->calling = true;
	http_call_init(&tracer->call, tracer->client, &tracer->arena, &request, tracer_on_call_end);
	scope_init(&tracer->scope, tracer->loop, tracer_on_empty);
	scope_set_deadline(&tracer->scope,
			   tracer->stopping ? MIN(deadline_ns, tracer->stop_ns) : deadline_ns);
	task_start(&tracer->call.task, &tracer->scope);
}

static void tracer_send(struct tracer *tracer)
{
	check(!tracer->holds && tracer->n_waiting > 0);
	timer_stop(&tracer->timer);
	buf_clear(&tracer->sending);
	buf_add(&tracer->sending, tracer->conf->before);
	buf_add(&tracer->sending, buf_str(&tracer->waiting));
	buf_add(&tracer->sending, tracer->conf->after);
	if (tracer->sending.error) {
		tracer_drop_waiting(tracer);
		return;
	}
	tracer->n_sending = tracer->n_waiting;
	buf_clear(&tracer->waiting);
	tracer->n_waiting = 0;
	tracer->n_tries = 0;
	tracer->holds = true;
	tracer->sent_conf = tracer->conf;
	tracer->sent_generation = tracer->generation;
	tracer->detacher->begin(tracer->detacher, tracer->sent_generation);
	tracer_call(tracer);
}

static void tracer_on_timer(struct timer *timer)
{
	struct tracer *tracer = container_of(timer, struct tracer, timer);

	if (tracer->holds)
		tracer_call(tracer);
	else
		tracer_send(tracer);
}

/* ------------------------------------------------------------ the end of the process */

bool tracer_flush(struct tracer *tracer)
{
	if (!tracer->stopping) {
		tracer->stopping = true;
		tracer->stop_ns = clock_monotonic_ns() + TRACER_FLUSH_MS * NS_PER_MS;
	}
	if (tracer->calling) {
		scope_set_deadline(&tracer->scope, tracer->stop_ns);
	} else if (tracer->holds) { /* it would have waited before the next try */
		timer_stop(&tracer->timer);
		tracer_call(tracer);
	} else if (tracer->n_waiting > 0) {
		tracer_send(tracer);
	}
	return tracer->holds;
}

void tracer_cancel(struct tracer *tracer)
{
	tracer->stopping = tracer->gave_up = true;
	tracer->stop_ns = clock_monotonic_ns();
	tracer_drop_waiting(tracer);
	if (tracer->calling) {
		scope_cancel(&tracer->scope);
	} else if (tracer->holds) {
		timer_stop(&tracer->timer);
		tracer_give_up(tracer);
	}
}
