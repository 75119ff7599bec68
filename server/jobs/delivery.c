/* server/jobs/delivery.c: one run of a consumer: the attempts at a message, or at a batch. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/jobs/attempt.h"
#include "server/jobs/consumer.h"
#include "server/trace/trace.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void delivery_on_pause_end(struct timer *timer);

/* ------------------------------------------------------------ roots */

static int delivery_list(struct delivery *delivery, struct value *ret)
{
	const struct source_ops *ops = delivery->consumer->source->ops;
	struct value *items =
		arena_alloc_array(&delivery->arena, delivery->n_messages, sizeof(*items));
	struct source_message *message;
	size_t n = 0;
	int r = items ? 0 : -ENOMEM;

	list_each(message, &delivery->messages, struct source_message, link)
		if (r == 0)
			r = ops->value(message, &delivery->arena, &items[n++]);
	if (r == 0)
		*ret = value_list(items, n);
	return r;
}

/* Of one: its object. Of a batch: {messages: […], count}. */
static int delivery_message(struct delivery *delivery, struct value *ret)
{
	struct member *members;
	int r;

	if (delivery->spec->batch_max == 0)
		return delivery->consumer->source->ops->value(
			list_first(&delivery->messages, struct source_message, link),
			&delivery->arena, ret);
	members = arena_alloc_array(&delivery->arena, 2, sizeof(*members));
	if (!members)
		return -ENOMEM;
	members[0].key = value_text(STR("messages"));
	members[1].key = value_text(STR("count"));
	members[1].value = value_int((int64_t)delivery->n_messages);
	r = delivery_list(delivery, &members[0].value);
	if (r == 0)
		*ret = value_object(members, 2);
	return r;
}

static int delivery_get(struct value object, struct str key, struct value *ret)
{
	if (!key.ptr)
		*ret = object;
	else if (!value_member(object, key, ret))
		*ret = value_null();
	return 0;
}

static int delivery_run_root(struct delivery *delivery, struct str key, struct value *ret)
{
	struct member *members = arena_alloc_array(&delivery->arena, 2, sizeof(*members));

	if (!members)
		return -ENOMEM;
	members[0] = (struct member){ value_text(STR("id")), value_text(str_of(delivery->id)) };
	members[1] = (struct member){ value_text(STR("attempt")), value_int(delivery->attempt) };
	return delivery_get(value_object(members, 2), key, ret);
}

static int delivery_job_root(struct delivery *delivery, struct str key, struct value *ret)
{
	struct member *members = arena_alloc_array(&delivery->arena, 1, sizeof(*members));

	if (!members)
		return -ENOMEM;
	members[0] = (struct member){ value_text(STR("name")), value_text(delivery->spec->name) };
	return delivery_get(value_object(members, 1), key, ret);
}

static int delivery_root(struct context *context, enum expr_root root, struct str key,
			 struct value *ret)
{
	struct delivery *delivery = container_of(context, struct delivery, context);
	int r = 0;

	*ret = value_null();
	if (root == ROOT_RUN)
		return delivery_run_root(delivery, key, ret);
	if (root == ROOT_JOB)
		return delivery_job_root(delivery, key, ret);
	if (root == ROOT_MESSAGE) {
		r = delivery_message(delivery, ret);
		if (r == 0)
			r = delivery_get(*ret, key, ret);
	}
	return r;
}

static const struct context_ops delivery_ops = { .root = delivery_root };

/* ------------------------------------------------------------ the end of an attempt */

static const char *delivery_outcome(const struct delivery *delivery)
{
	enum error_code code = delivery->flow.failure.code;

	if (code == ERROR_NONE)
		return "ok";
	if (code == ERROR_TIMEOUT)
		return "timeout";
	return code == ERROR_CANCELLED ? "cancelled" : "failed";
}

static void delivery_over(struct delivery *delivery)
{
	struct detacher *detacher = delivery->consumer->job->scheduler->detacher;
	void *generation = delivery->generation;
	const struct failure *failure = &delivery->flow.failure;
	enum source_outcome outcome = failure->code == ERROR_NONE        ? SOURCE_DONE
				      : failure->code == ERROR_CANCELLED ? SOURCE_RETURNED
									 : SOURCE_FAILED;

	timer_stop(&delivery->timer);
	if (delivery->pausing)
		outcome = SOURCE_RETURNED;
	context_close(&delivery->context);
	consumer_on_delivered(delivery, outcome, outcome == SOURCE_FAILED ? failure : NULL);
	detacher->end(detacher, generation); /* last: the spec may go with it */
}

static void delivery_log(const struct delivery *delivery, uint64_t took_ms, uint64_t wait_ms)
{
	const struct failure *failure = &delivery->flow.failure;
	const char *name = delivery->consumer->job->name;
	char again[64] = "";

	if (failure->code == ERROR_NONE) {
		log_debug("job run ended name=%s outcome=ok messages=%zu took_ms=%" PRIu64
			  " attempt=%u id=%s",
			  name, delivery->n_messages, took_ms, delivery->attempt, delivery->id);
		return;
	}
	if (wait_ms)
		snprintf(again, sizeof(again), " retry_in_ms=%" PRIu64, wait_ms);
	log_warning("job run ended name=%s outcome=%s messages=%zu took_ms=%" PRIu64
		    " attempt=%u id=%s error=%s task=%s detail=%s%s",
		    name, delivery_outcome(delivery), delivery->n_messages, took_ms,
		    delivery->attempt, delivery->id, LOG_QUOTE(failure_code(failure)),
		    LOG_QUOTE(failure->task), LOG_QUOTE(failure->detail), again);
}

static bool delivery_is_retried(const struct delivery *delivery)
{
	enum error_code code = delivery->flow.failure.code;

	return code != ERROR_NONE && code != ERROR_CANCELLED && !delivery->consumer->stopping &&
	       delivery->attempt <= (uint64_t)delivery->spec->retry_times;
}

static void delivery_tell(const struct delivery *delivery, uint64_t took_ns)
{
	job_attempt_end(&(struct job_attempt){ .spec = delivery->spec,
					       .context = &delivery->context,
					       .failure = &delivery->flow.failure,
					       .outcome = delivery_outcome(delivery),
					       .kind = SPAN_CONSUMER,
					       .number = delivery->attempt,
					       .started_ns = delivery->started_ns,
					       .took_ns = took_ns });
}

static void delivery_on_end(struct flow_run *flow)
{
	struct delivery *delivery = container_of(flow, struct delivery, flow);
	uint64_t took_ns = clock_monotonic_ns() - delivery->started_ns;
	uint64_t wait_ms = 0;

	if (delivery_is_retried(delivery))
		wait_ms =
			job_retry_wait_ms(delivery->spec, delivery->attempt, str_of(delivery->id));
	delivery_log(delivery, took_ns / NS_PER_MS, wait_ms);
	delivery_tell(delivery, took_ns);
	if (wait_ms == 0) {
		delivery_over(delivery);
		return;
	}
	delivery->consumer->stats.n_retried++;
	delivery->pausing = true;
	timer_start(&delivery->timer, wait_ms);
}

/* ------------------------------------------------------------ attempts */

static void delivery_attempt(struct delivery *delivery)
{
	const struct scheduler *scheduler = delivery->consumer->job->scheduler;

	context_close(&delivery->context);
	arena_reset(&delivery->arena);
	delivery->pausing = false;
	delivery->attempt++;
	delivery->started_ns = clock_monotonic_ns();
	delivery->started_wall_ns = clock_wall_ns();
	delivery->context.trace =
		trace_begin(scheduler->tracer, &delivery->arena, delivery->started_ns);
	job_attempt_begin(delivery->spec);
	flow_run_init(&delivery->flow, delivery->spec->flow, &delivery->context, delivery_on_end);
	flow_run_set_deadline(&delivery->flow,
			      delivery->started_ns + job_timeout_ms(delivery->spec) * NS_PER_MS);
	flow_run_start(&delivery->flow);
}

static void delivery_on_pause_end(struct timer *timer)
{
	delivery_attempt(container_of(timer, struct delivery, timer));
}

struct delivery *delivery_create(struct consumer *consumer, uint64_t lane)
{
	struct job *job = consumer->job;
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	if (!delivery)
		return NULL;
	list_init(&delivery->link);
	list_init(&delivery->messages);
	delivery->consumer = consumer;
	delivery->lane = lane;
	delivery->spec = job->spec;
	delivery->generation = job->generation;
	arena_init(&delivery->arena, job->scheduler->memory_max);
	delivery->arena.budget = job->scheduler->memory_budget;
	timer_init(&delivery->timer, job->scheduler->loop, delivery_on_pause_end);
	snprintf(delivery->id, sizeof(delivery->id), "%s-%" PRIx64 "-%" PRIu64, job->name,
		 (uint64_t)(clock_wall_ns() / (int64_t)NS_PER_MS), ++consumer->n_made);
	delivery->context = scheduler_context(job->scheduler, &delivery_ops, &delivery->arena,
					      str_of(delivery->id));
	delivery->context.generation = delivery->generation;
	return delivery;
}

void delivery_start(struct delivery *delivery)
{
	struct detacher *detacher = delivery->consumer->job->scheduler->detacher;

	detacher->begin(detacher, delivery->generation);
	delivery_attempt(delivery);
}

void delivery_cancel(struct delivery *delivery)
{
	if (delivery->pausing)
		delivery_over(delivery);
	else
		flow_run_cancel(&delivery->flow);
}
