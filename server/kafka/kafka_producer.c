/* server/kafka/kafka_producer.c
 *
 * Locking: kafka.lock guards the producers, their topics, `stopping` and the choice of a home. It is held
 * while librdkafka takes a message, which never waits and calls nobody.
 *
 * An entry ends in three steps: no more messages are taken; its home loop, if there is one, lets go of the
 * descriptor; a thread hears what becomes of the rest and destroys the producers, since librdkafka
 * waits for its own threads there. */
#include "server/kafka/kafka_producer.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/base/memory.h"
#include "server/kafka/kafka_client.h"
#include "server/kafka/kafka_end.h"
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 64, PURGE_MS = 2000, KEPT_MS = 1000 };

struct kafka_producer {
	struct kafka *kafka;
	rd_kafka_t *client;
	rd_kafka_queue_t *queue; /* of its events */
	struct map topics;       /* name to rd_kafka_topic_t * */
	atomic_bool full;        /* it knows as many as it may */
	uint64_t end_ns;         /* of its thread at the end */
};

/* ------------------------------------------------------------ what librdkafka says */

static void send_take_error(struct kafka_send *send, rd_kafka_resp_err_t error)
{
	send->kafka = rd_kafka_err2name(error);
	send->text = rd_kafka_err2str(error);
	/* by ifs: it is an enum of hundreds */
	if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		send->code = ERROR_QUEUE_FULL;
	else if (error == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT)
		send->code = ERROR_TIMEOUT;
	else if (error == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
		 error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT ||
		 error == RD_KAFKA_RESP_ERR__DESTROY || error == RD_KAFKA_RESP_ERR__FATAL)
		send->code = ERROR_UNAVAILABLE;
	else
		send->code = ERROR_KAFKA_ERROR;
}

static void count_queued(struct kafka *kafka, const struct kafka_send *send, int change)
{
	atomic_fetch_add(&kafka->stats.queued, change);
	if (send->kept)
		atomic_fetch_add(&kafka->stats.kept, change);
}

static void producer_on_message(struct kafka *kafka, const rd_kafka_message_t *message)
{
	struct kafka_send *send = message->_private;

	(void)atomic_load_explicit(&send->state,
				   memory_order_acquire); /* see kafka_send_submit() */
	count_queued(kafka, send, -1);
	send->sent = rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
	send->partition = message->partition;
	if (message->err) {
		send_take_error(send, message->err);
		atomic_fetch_add(&kafka->stats.errors, 1);
	} else {
		send->offset = message->offset;
		atomic_fetch_add(&kafka->stats.sent, 1);
		kafka_client_is_up(kafka);
	}
	kafka_send_finish(send);
}

static void producer_on_event(struct kafka_producer *producer, rd_kafka_event_t *event)
{
	const rd_kafka_message_t *message;

	if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
		while ((message = rd_kafka_event_message_next(event)))
			producer_on_message(producer->kafka, message);
	} else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR) {
		kafka_client_on_error(producer->kafka, rd_kafka_event_error(event),
				      rd_kafka_event_error_string(event));
	}
}

/* False: there was nothing within that time. */
static bool producer_poll(struct kafka_producer *producer, int wait_ms)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(producer->queue, wait_ms);

	if (!event)
		return false;
	producer_on_event(producer, event);
	rd_kafka_event_destroy(event);
	return true;
}

/* ------------------------------------------------------------ one producer */

static rd_kafka_t *producer_open(struct kafka *kafka, enum kafka_acks acks, char *why, size_t size)
{
	static const char *const acks_values[] = { "all", "1", "0" };
	rd_kafka_conf_t *conf = kafka_client_conf(kafka, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
	bool ok = kafka_client_set(conf, kafka->produce_properties, kafka->n_produce_properties,
				   why, size) &&
		  rd_kafka_conf_set(conf, "acks", acks_values[acks], why, size) ==
			  RD_KAFKA_CONF_OK &&
		  rd_kafka_conf_set(conf, "enable.idempotence",
				    acks == KAFKA_ACKS_ALL ? "true" : "false", why,
				    size) == RD_KAFKA_CONF_OK;

	return kafka_client_open(RD_KAFKA_PRODUCER, conf, ok, why, size);
}

static struct kafka_producer *producer_create(struct kafka *kafka, enum kafka_acks acks, char *why,
					      size_t size)
{
	struct kafka_producer *producer;
	rd_kafka_t *client = producer_open(kafka, acks, why, size);

	if (!client)
		return NULL;
	producer = mem_zalloc(sizeof(*producer));
	producer->kafka = kafka;
	producer->client = client;
	producer->queue = rd_kafka_queue_get_main(client);
	map_init(&producer->topics);
	kafka_hold(kafka);
	return producer;
}

static void producer_destroy(struct kafka_producer *producer)
{
	struct map_slot *slot;

	rd_kafka_queue_destroy(producer->queue);
	for (size_t at = 0; (slot = map_next(&producer->topics, &at));) {
		free((char *)(uintptr_t)slot->key.ptr);
		rd_kafka_topic_destroy(slot->value);
	}
	map_fini(&producer->topics);
	rd_kafka_destroy(producer->client);
	kafka_release(producer->kafka);
	free(producer);
}

/* On a thread of its own. */
static void producer_end(void *arg)
{
	struct kafka_producer *producer = arg;
	struct kafka_stats *stats = &producer->kafka->stats;
	uint64_t kept_ns = MIN(clock_monotonic_ns() + KEPT_MS * NS_PER_MS, producer->end_ns);
	uint64_t purge_ns;
	int n_left;

	/* what is in the store as well need not go out now */
	while (rd_kafka_outq_len(producer->client) > 0 &&
	       clock_monotonic_ns() <
		       kafka_end_due_ns(atomic_load(&stats->queued) > atomic_load(&stats->kept)
						? producer->end_ns
						: kept_ns))
		producer_poll(producer, 50);
	n_left = MIN(atomic_load(&stats->queued) - atomic_load(&stats->kept),
		     rd_kafka_outq_len(producer->client));
	if (n_left > 0)
		log_warning("kafka messages are given up name=%s messages=%d",
			    producer->kafka->name.ptr, n_left);
	rd_kafka_purge(producer->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	purge_ns = clock_monotonic_ns() + PURGE_MS * NS_PER_MS;
	while (rd_kafka_outq_len(producer->client) > 0 && clock_monotonic_ns() < purge_ns)
		producer_poll(producer, 50);
	while (producer_poll(producer, 0))
		;
	producer_destroy(producer);
}

static void producer_retire(struct kafka_producer *producer, uint64_t end_ms)
{
	if (!producer)
		return;
	rd_kafka_queue_io_event_enable(producer->queue, -1, NULL, 0);
	producer->end_ns = clock_monotonic_ns() + end_ms * NS_PER_MS;
	kafka_end_start(producer_end, producer);
}

/* librdkafka forgets no topic, and asks brokers about all of them: one whose names come from requests is
 * of no use any more when it knows as many as it may. What it was given has to be out first, or newer
 * messages would pass older ones. */
static bool producer_is_full(const struct kafka_producer *producer)
{
	return atomic_load_explicit(&producer->full, memory_order_relaxed);
}

/* A topic that the producer knows from now on. NULL: it is full. */
static rd_kafka_topic_t *producer_topic(struct kafka_producer *producer, struct str name)
{
	rd_kafka_topic_t *topic = map_find(&producer->topics, name);

	if (topic || producer_is_full(producer))
		return topic;
	topic = rd_kafka_topic_new(producer->client, name.ptr, NULL);
	if (topic)
		map_set(&producer->topics,
			(struct str){ mem_strndup(name.ptr, name.len), name.len }, topic);
	if (producer->topics.n_items >= KAFKA_TOPICS_MAX)
		atomic_store(&producer->full, true);
	return topic;
}

/* ------------------------------------------------------------ the home loop */

static void producer_listen(struct kafka_producer *producer, int wake_fd)
{
	static const uint64_t one = 1;

	rd_kafka_queue_io_event_enable(producer->queue, wake_fd, &one, sizeof(one));
}

/* Another takes its place, with the messages that come from now on: of one that librdkafka has declared
 * of no use (a broker has lost what it had acknowledged), or that is full and has nothing to do. */
static void kafka_replace(struct kafka *kafka, enum kafka_acks acks, bool failed)
{
	struct kafka_producer *producer = NULL, *before;
	char why[KAFKA_PROBLEM_MAX];

	lock_acquire(&kafka->lock);
	before = kafka->producers[acks];
	if (!kafka->stopping &&
	    (failed || (producer_is_full(before) && rd_kafka_outq_len(before->client) == 0)))
		producer = producer_create(kafka, acks, why, sizeof(why));
	if (producer) {
		kafka->producers[acks] = producer;
		producer_listen(producer, kafka->wake_fd);
	}
	lock_release(&kafka->lock);
	if (!producer)
		return;
	if (failed)
		log_warning("kafka producer has failed for good name=%s, going on with another",
			    kafka->name.ptr);
	else
		log_info("kafka producer knows too many topics name=%s topics=%d, going on with "
			 "another",
			 kafka->name.ptr, KAFKA_TOPICS_MAX);
	producer_retire(before, 0);
}

static struct kafka_producer *kafka_producer_of(struct kafka *kafka, size_t acks)
{
	struct kafka_producer *producer;

	lock_acquire(&kafka->lock);
	producer = kafka->producers[acks];
	lock_release(&kafka->lock);
	return producer;
}

/* Only the home loop replaces a producer or hands it to its end, so that it lives while this runs. */
static void kafka_drain(struct kafka *kafka)
{
	unsigned n_left = EVENTS_A_TURN;

	for (size_t i = 0; i < KAFKA_N_ACKS; i++) {
		struct kafka_producer *producer = kafka_producer_of(kafka, i);
		bool failed;
		char why[8];

		if (!producer)
			continue;
		while (n_left > 0 && producer_poll(producer, 0))
			n_left--;
		failed = rd_kafka_fatal_error(producer->client, why, sizeof(why));
		if (failed || producer_is_full(producer))
			kafka_replace(kafka, (enum kafka_acks)i, failed);
	}
	if (n_left == 0)
		loop_ready_next(atomic_load(&kafka->home), &kafka->more);
}

static void kafka_on_more(struct ready *ready)
{
	kafka_drain(container_of(ready, struct kafka, more));
}

static void kafka_on_wake(struct watch *watch, uint32_t events)
{
	struct kafka *kafka = container_of(watch, struct kafka, wake);
	uint64_t count;

	(void)events;
	if (read(kafka->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_warning("kafka events cannot be read name=%s error=%s, going on",
			    kafka->name.ptr, strerrorname_np(errno));
	kafka_drain(kafka);
}

static void kafka_retire_all(struct kafka *kafka)
{
	struct kafka_producer *producers[KAFKA_N_ACKS];
	uint64_t end_ms;

	lock_acquire(&kafka->lock);
	end_ms = kafka->end_ms;
	for (size_t i = 0; i < KAFKA_N_ACKS; i++)
		producers[i] = take(&kafka->producers[i]);
	lock_release(&kafka->lock);
	for (size_t i = 0; i < KAFKA_N_ACKS; i++)
		producer_retire(producers[i], end_ms);
}

static void kafka_on_poke(struct post *post)
{
	struct kafka *kafka = container_of(post, struct kafka, poke);

	loop_remove(atomic_load(&kafka->home), &kafka->wake);
	loop_ready_cancel(&kafka->more);
	kafka_retire_all(kafka);
	close(kafka->wake_fd);
	kafka_release(kafka);
}

/* The loop of who asks becomes its home. 0 or a negative errno. */
static int kafka_settle(struct kafka *kafka, struct loop *loop) HOLDS(kafka->lock)
{
	int r;

	if (kafka->wake_fd >= 0)
		return 0;
	kafka->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (kafka->wake_fd < 0)
		return -errno;
	r = loop_add(loop, &kafka->wake, kafka->wake_fd, EPOLLIN, kafka_on_wake);
	if (r < 0) {
		close(kafka->wake_fd);
		kafka->wake_fd = -1;
		return r;
	}
	ready_init(&kafka->more, kafka_on_more);
	atomic_store(&kafka->home, loop);
	kafka_hold(kafka);
	for (size_t i = 0; i < KAFKA_N_ACKS; i++)
		if (kafka->producers[i])
			producer_listen(kafka->producers[i], kafka->wake_fd);
	loop_ready(loop, &kafka->more); /* what was said before anybody listened */
	return 0;
}

/* ------------------------------------------------------------ for everybody */

bool kafka_start(struct kafka *kafka, char *ret_why, size_t size)
{
	bool ok = true;

	lock_acquire(&kafka->lock);
	for (size_t i = 0; ok && i < KAFKA_N_ACKS; i++) {
		if (kafka->producers[i] || !atomic_load(&kafka->wanted[i]) || kafka->stopping)
			continue;
		kafka->producers[i] = producer_create(kafka, (enum kafka_acks)i, ret_why, size);
		ok = kafka->producers[i] != NULL;
		if (ok && kafka->wake_fd >= 0)
			producer_listen(kafka->producers[i], kafka->wake_fd);
	}
	lock_release(&kafka->lock);
	return ok;
}

void kafka_stop(struct kafka *kafka, uint64_t end_ms)
{
	struct loop *home;
	bool stopped;

	lock_acquire(&kafka->lock);
	stopped = kafka->stopping;
	kafka->stopping = true;
	if (!stopped)
		kafka->end_ms = end_ms;
	home = atomic_load(&kafka->home);
	lock_release(&kafka->lock);
	if (stopped)
		return;
	kafka->poke.run = kafka_on_poke;
	if (home)
		loop_post(home, &kafka->poke);
	else
		kafka_retire_all(kafka);
}

static rd_kafka_headers_t *message_headers(const struct kafka_message *message)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(message->n_headers);

	for (size_t i = 0; i < message->n_headers; i++)
		rd_kafka_header_add(headers, message->headers[i].name.ptr,
				    (ssize_t)message->headers[i].name.len,
				    message->headers[i].value.ptr,
				    (ssize_t)message->headers[i].value.len);
	return headers;
}

static rd_kafka_resp_err_t producer_give(struct kafka_producer *producer, rd_kafka_topic_t *topic,
					 const struct kafka_message *message,
					 struct kafka_send *send)
{
	rd_kafka_headers_t *headers = message->n_headers ? message_headers(message) : NULL;
	const rd_kafka_vu_t parts[] = {
		{ RD_KAFKA_VTYPE_RKT, { .rkt = topic } },
		{ RD_KAFKA_VTYPE_MSGFLAGS, { .i = RD_KAFKA_MSG_F_COPY } },
		{ RD_KAFKA_VTYPE_PARTITION, { .i32 = message->partition } },
		{ RD_KAFKA_VTYPE_VALUE,
		  { .mem = { (void *)(uintptr_t)message->value.ptr, message->value.len } } },
		{ RD_KAFKA_VTYPE_KEY,
		  { .mem = { (void *)(uintptr_t)message->key.ptr, message->key.len } } },
		{ RD_KAFKA_VTYPE_OPAQUE, { .ptr = send } },
		{ RD_KAFKA_VTYPE_HEADERS, { .headers = headers } },
	};
	rd_kafka_error_t *error =
		rd_kafka_produceva(producer->client, parts, ARRAY_LEN(parts) - (headers ? 0 : 1));
	rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;

	if (error && headers)
		rd_kafka_headers_destroy(headers);
	rd_kafka_error_destroy(error);
	return code;
}

static bool send_refuse(struct kafka_send *send, enum error_code code, const char *text)
{
	send->code = code;
	send->text = text;
	return false;
}

static bool kafka_produce_locked(struct kafka *kafka, enum kafka_acks acks,
				 const struct kafka_message *message, struct kafka_send *send)
	HOLDS(kafka->lock)
{
	struct kafka_producer *producer = kafka->producers[acks];
	rd_kafka_topic_t *topic;
	rd_kafka_resp_err_t error;

	if (kafka->stopping || !producer)
		return send_refuse(send, ERROR_UNAVAILABLE, "no messages are taken any more");
	if (kafka_settle(kafka, send->loop) < 0)
		return send_refuse(send, ERROR_UNAVAILABLE, "there is no descriptor for it");
	topic = producer_topic(producer, message->topic);
	if (!topic) {
		eventfd_write(kafka->wake_fd, 1); /* it may have nothing to do by now */
		return send_refuse(send, ERROR_UNAVAILABLE, "there are too many topics at once");
	}
	count_queued(kafka, send, 1);
	error = producer_give(producer, topic, message, send);
	if (!error)
		return true;
	count_queued(kafka, send, -1);
	send_take_error(send, error);
	return false;
}

bool kafka_produce(struct kafka *kafka, enum kafka_acks acks, const struct kafka_message *message,
		   struct kafka_send *send)
{
	bool ok;

	lock_acquire(&kafka->lock);
	ok = kafka_produce_locked(kafka, acks, message, send);
	lock_release(&kafka->lock);
	return ok;
}
