/* server/jobs/consumer.c: which messages run now; the diagram is in source.h. */
#include "server/jobs/consumer.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include <inttypes.h>
#include <stdlib.h>

static const struct job_spec *consumer_spec(const struct consumer *consumer)
{
	return consumer->job->spec;
}

static struct loop *consumer_loop(const struct consumer *consumer)
{
	return consumer->job->scheduler->loop;
}

static void consumer_wake(struct consumer *consumer)
{
	loop_ready(consumer_loop(consumer), &consumer->pump);
}

/* ------------------------------------------------------------ what is settled */

static void consumer_count(struct consumer *consumer, enum source_outcome outcome)
{
	struct consumer_stats *stats = &consumer->stats;

	*(outcome == SOURCE_DONE     ? &stats->n_done
	  : outcome == SOURCE_FAILED ? &stats->n_failed
				     : &stats->n_returned) += 1;
}

static void consumer_settle(struct consumer *consumer, struct source_message *message,
			    enum source_outcome outcome, const struct failure *failure)
{
	consumer_count(consumer, outcome);
	consumer->source->ops->settle(consumer->source, message, outcome, failure);
}

static void consumer_return_waiting(struct consumer *consumer)
{
	struct source_message *message;

	list_each(message, &consumer->waiting, struct source_message, link) {
		list_remove(&message->link);
		consumer->n_waiting--;
		consumer_settle(consumer, message, SOURCE_RETURNED, NULL);
	}
}

void consumer_on_delivered(struct delivery *delivery, enum source_outcome outcome,
			   const struct failure *failure)
{
	struct consumer *consumer = delivery->consumer;
	struct job *job = consumer->job;
	struct source_message *message;

	list_each(message, &delivery->messages, struct source_message, link) {
		list_remove(&message->link);
		consumer_settle(consumer, message, outcome, failure);
	}
	list_remove(&delivery->link);
	consumer->n_runs--;
	job->n_failures += outcome == SOURCE_FAILED;
	arena_fini(&delivery->arena);
	free(delivery);
	consumer_wake(consumer);
}

/* ------------------------------------------------------------ what runs next */

static bool consumer_lane_is_busy(const struct consumer *consumer, uint64_t lane)
{
	struct delivery *delivery;

	if (lane == 0)
		return false;
	list_each(delivery, &consumer->runs, struct delivery, link)
		if (delivery->lane == lane)
			return true;
	return false;
}

static size_t consumer_count_lane(const struct consumer *consumer, uint64_t lane, size_t max)
{
	struct source_message *message;
	size_t n = 0;

	list_each(message, &consumer->waiting, struct source_message, link)
		if (message->lane == lane && ++n == max)
			break;
	return n;
}

/* A batch that is not full waits for others, from its first message on. */
static bool consumer_batch_is_due(struct consumer *consumer, const struct source_message *first)
{
	const struct job_spec *spec = consumer_spec(consumer);
	uint64_t due_ns = first->taken_ns + spec->batch_wait_ms * NS_PER_MS;

	if (spec->batch_max <= 1 || due_ns <= clock_monotonic_ns() ||
	    consumer_count_lane(consumer, first->lane, spec->batch_max) == spec->batch_max)
		return true;
	if (!timer_is_running(&consumer->timer))
		timer_start_at(&consumer->timer, due_ns);
	return false;
}

static struct source_message *consumer_find(struct consumer *consumer)
{
	struct source_message *message;

	list_each(message, &consumer->waiting, struct source_message, link)
		if (!consumer_lane_is_busy(consumer, message->lane) &&
		    consumer_batch_is_due(consumer, message))
			return message;
	return NULL;
}

/* The first, and others of its lane, in order. */
static void consumer_fill(struct consumer *consumer, struct delivery *delivery)
{
	size_t max = MAX(consumer_spec(consumer)->batch_max, (size_t)1);
	struct source_message *message;

	list_each(message, &consumer->waiting, struct source_message, link) {
		if (message->lane != delivery->lane)
			continue;
		list_remove(&message->link);
		consumer->n_waiting--;
		list_add(&delivery->messages, &message->link);
		if (++delivery->n_messages == max)
			break;
	}
}

static void consumer_run(struct consumer *consumer, const struct source_message *first)
{
	struct delivery *delivery = delivery_create(consumer, first->lane);

	if (!delivery) { /* tried again when something has ended, or comes */
		timer_start(&consumer->timer, 1000);
		return;
	}
	consumer_fill(consumer, delivery);
	list_add(&consumer->runs, &delivery->link);
	consumer->n_runs++;
	consumer->job->n_runs++;
	delivery_start(delivery);
}

static size_t consumer_window(const struct consumer *consumer)
{
	return consumer_spec(consumer)->waiting_max;
}

size_t consumer_room(const struct consumer *consumer)
{
	if (consumer->stopping || !consumer->job->spec)
		return 0;
	return consumer_window(consumer) - MIN(consumer->n_waiting, consumer_window(consumer));
}

static bool consumer_may_run(const struct consumer *consumer)
{
	return !consumer->stopping && consumer->job->spec &&
	       consumer->n_runs < consumer_spec(consumer)->concurrency;
}

static void consumer_check_source(struct consumer *consumer);

static void consumer_on_pump(struct ready *ready)
{
	struct consumer *consumer = container_of(ready, struct consumer, pump);
	struct source_message *message;
	bool short_of_memory = false;

	while (!short_of_memory && consumer_may_run(consumer) &&
	       (message = consumer_find(consumer))) {
		size_t before = consumer->n_waiting;

		consumer_run(consumer, message);
		short_of_memory = consumer->n_waiting == before;
	}
	if (consumer->source && consumer->starving &&
	    consumer_room(consumer) > consumer_window(consumer) / 2) {
		consumer->starving = false;
		consumer->source->ops->resume(consumer->source);
	}
	consumer_check_source(consumer);
}

static void consumer_on_timer(struct timer *timer)
{
	consumer_wake(container_of(timer, struct consumer, timer));
}

void consumer_take(struct consumer *consumer, struct source_message *message)
{
	consumer->stats.n_received++;
	message->taken_ns = clock_monotonic_ns();
	list_add(&consumer->waiting, &message->link);
	consumer->n_waiting++;
	consumer->starving |= consumer_room(consumer) == 0;
	consumer_wake(consumer);
}

void consumer_count_dropped(struct consumer *consumer)
{
	consumer->stats.n_received++;
	consumer->stats.n_dropped++;
}

/* ------------------------------------------------------------ its source */

static void consumer_open(struct consumer *consumer)
{
	struct job *job = consumer->job;
	struct scheduler *scheduler = job->scheduler;
	const struct source_env env = { .loop = scheduler->loop,
					.redis = scheduler->redis,
					.memory_max = scheduler->memory_max,
					.budget = scheduler->memory_budget,
					.job = str_of(job->name) };

	consumer->kind = job->spec->source_kind;
	consumer->source = consumer->kind->open(job->spec->source, consumer, &env);
	if (!consumer->source) {
		log_warning("job source cannot be opened name=%s error=no memory", job->name);
		timer_start(&consumer->timer, 1000);
	}
}

static bool consumer_is_wanted(const struct consumer *consumer)
{
	const struct job *job = consumer->job;

	return job->spec && job->spec->kind == JOB_SOURCE && !job->paused && !job_is_unknown(job) &&
	       !job->scheduler->stopped;
}

/* One that was stopped goes when all is settled, and only then comes the next. */
static void consumer_check_source(struct consumer *consumer)
{
	if (!consumer->source && consumer_is_wanted(consumer))
		consumer_open(consumer);
	if (!consumer->stopping || consumer->closing || consumer->n_runs > 0)
		return;
	check(consumer->source && consumer->n_waiting == 0);
	consumer->closing = true;
	consumer->source->ops->close(consumer->source, false);
}

void consumer_on_closed(struct consumer *consumer)
{
	struct detacher *detacher = consumer->job->scheduler->detacher;
	struct job *job = consumer->job;
	void *pinned = take(&consumer->pinned);

	consumer->source = NULL;
	consumer->stopping = consumer->closing = false;
	if (!consumer->ending) {
		consumer_wake(consumer);
		job_check_idle(job); /* the job may go, and the consumer with it */
	}
	if (pinned)
		detacher->end(detacher, pinned);
}

/* Its generation is pinned until it is gone, so that the end of the process waits for it. */
static void consumer_stop_source(struct consumer *consumer)
{
	struct detacher *detacher = consumer->job->scheduler->detacher;

	if (!consumer->source || consumer->stopping)
		return;
	consumer->stopping = true;
	consumer->starving = false;
	consumer->pinned = consumer->job->generation;
	if (consumer->pinned)
		detacher->begin(detacher, consumer->pinned);
	consumer->source->ops->stop(consumer->source);
	consumer_return_waiting(consumer);
	consumer_wake(consumer);
}

void consumer_set(struct consumer *consumer)
{
	const struct job_spec *spec = consumer_spec(consumer);

	if (consumer->source &&
	    (!consumer_is_wanted(consumer) || spec->source_kind != consumer->kind ||
	     !consumer->kind->is_same(consumer->source, spec->source)))
		consumer_stop_source(consumer);
	consumer_wake(consumer);
}

void consumer_stop(struct consumer *consumer, bool cancel)
{
	struct delivery *delivery;

	timer_stop(&consumer->timer);
	consumer_stop_source(consumer);
	list_each(delivery, &consumer->runs, struct delivery, link)
		if (cancel || delivery->pausing)
			delivery_cancel(delivery);
}

bool consumer_is_busy(const struct consumer *consumer)
{
	return consumer->source || consumer->n_runs > 0;
}

/* ------------------------------------------------------------ life */

struct consumer *consumer_create(struct job *job)
{
	struct consumer *consumer = mem_zalloc(sizeof(*consumer));

	consumer->job = job;
	list_init(&consumer->waiting);
	list_init(&consumer->runs);
	ready_init(&consumer->pump, consumer_on_pump);
	timer_init(&consumer->timer, job->scheduler->loop, consumer_on_timer);
	return consumer;
}

void consumer_destroy(struct consumer *consumer)
{
	if (!consumer)
		return;
	check(consumer->n_runs == 0);
	if (consumer->source) { /* the loop turns no more */
		consumer->source->ops->stop(consumer->source);
		consumer_return_waiting(consumer);
		consumer->closing = consumer->ending = true;
		consumer->source->ops->close(consumer->source, true);
	}
	check(!consumer->source && consumer->n_waiting == 0);
	timer_stop(&consumer->timer);
	loop_ready_cancel(&consumer->pump);
	free(consumer);
}

void consumer_write(const struct consumer *consumer, struct buf *out)
{
	const struct consumer_stats *stats = &consumer->stats;

	buf_printf(out,
		   "{\"received\":%" PRIu64 ",\"done\":%" PRIu64 ",\"failed\":%" PRIu64
		   ",\"returned\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"retried\":%" PRIu64
		   ",\"waiting\":%zu,\"in_work\":%zu",
		   stats->n_received, stats->n_done, stats->n_failed, stats->n_returned,
		   stats->n_dropped, stats->n_retried, consumer->n_waiting, consumer->n_runs);
	if (consumer->source && !consumer->closing)
		consumer->source->ops->write(consumer->source, out);
	buf_add_char(out, '}');
}
