/* server/kafka/kafka_source.c
 *
 * Events (messages, rebalances) come by the descriptor of the client's queue. When there is no room for
 * a message they are left in the queue, which librdkafka bounds; when that lasts, partitions are
 * paused, so that the queue can be looked at again: a member that does not is thought to be dead.
 *
 *   READ --(no room)--> FULL --(a while)--> PAUSED --(resume())--> READ
 *
 * Before partitions go to another member, what was taken of them is handled, for REVOKE_MS at most. */
#include "server/kafka/kafka_source.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/base/memory.h"
#include "server/kafka/kafka_client.h"
#include "server/kafka/kafka_end.h"
#include "server/kafka/kafka_source_private.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	EVENTS_A_TURN = 64,
	PAUSE_MS = 1000,
	REVOKE_MS = 10000,
	LOOK_MS = 30000, /* at the queue, in any case */
	CLOSE_MS = 3000,
};

static struct kafka_intake *intake_of(struct job_source *source)
{
	return container_of(source, struct kafka_intake, source);
}

/* ------------------------------------------------------------ settled */

static void intake_finish_revoke(struct kafka_intake *intake);

void kafka_letter_settle(struct kafka_intake *intake, struct kafka_letter *letter, bool handled)
{
	arena_budget_give_back(intake->budget, letter->size);
	kafka_part_settle(&intake->parts, intake->client, letter, handled);
	if (intake->revoking && intake->parts.n_letters == 0)
		intake_finish_revoke(intake);
}

static void intake_settle(struct job_source *source, struct source_message *message,
			  enum source_outcome outcome, const struct failure *failure)
{
	struct kafka_intake *intake = intake_of(source);
	struct kafka_letter *letter = container_of(message, struct kafka_letter, message);
	struct str why = failure ? failure_code(failure) : STR_NONE;

	if (outcome != SOURCE_FAILED) {
		kafka_letter_settle(intake, letter, outcome == SOURCE_DONE);
		return;
	}
	if (!intake->spec.dead_letter.len) {
		log_error("message is left behind job=%.*s topic=%s partition=%d offset=%" PRId64
			  " error=%.*s",
			  STR_ARG(intake->job), letter->part->topic, (int)letter->raw->partition,
			  letter->raw->offset, STR_ARG(why));
		kafka_letter_settle(intake, letter, true);
		return;
	}
	letter->why = mem_strndup(why.ptr, why.len);
	intake->n_dead++;
	kafka_dead_send(intake, letter);
}

/* ------------------------------------------------------------ events */

/* Messages of one lane are handled one after the other; 0 is none. */
static uint64_t intake_lane(const struct kafka_intake *intake, const struct kafka_part *part,
			    const rd_kafka_message_t *raw)
{
	uint64_t lane = str_hash(str_of(part->topic)) + ((uint64_t)(uint32_t)raw->partition << 1);

	if (intake->spec.by_key && !raw->key)
		return 0;
	if (intake->spec.by_key)
		lane ^= str_hash((struct str){ raw->key, raw->key_len });
	return lane | 1;
}

/* What has come, as far as there is room: a pause takes its time in librdkafka, and what it has given
 * out it does not give again. */
static void intake_hand_over(struct kafka_intake *intake)
{
	struct source_message *message;

	while (!intake->stopped && consumer_room(intake->source.consumer) > 0 &&
	       (message = list_first(&intake->held, struct source_message, link))) {
		list_remove(&message->link);
		consumer_take(intake->source.consumer, message);
	}
}

static void intake_take(struct kafka_intake *intake, rd_kafka_event_t *event)
{
	const rd_kafka_message_t *raw = rd_kafka_event_message_next(event);
	const char *topic = raw && !raw->err ? rd_kafka_topic_name(raw->rkt) : NULL;
	struct kafka_part *part = topic ? kafka_parts_find(&intake->parts, topic, raw->partition)
					: NULL;
	struct kafka_letter *letter;

	if (!part || intake->stopped || intake->revoking) { /* it is had again, by somebody */
		rd_kafka_event_destroy(event);
		return;
	}
	kafka_client_is_up(intake->spec.kafka);
	letter = mem_zalloc(sizeof(*letter));
	letter->event = event;
	letter->raw = raw;
	letter->is_base64 = intake->spec.is_base64;
	letter->size = sizeof(*letter) + raw->len + raw->key_len;
	arena_budget_add(intake->budget, letter->size);
	list_init(&letter->message.link);
	list_init(&letter->dead);
	letter->message.lane = intake_lane(intake, part, raw);
	kafka_part_take(&intake->parts, part, letter);
	list_add(&intake->held, &letter->message.link);
	intake_hand_over(intake);
}

static void intake_assign(struct kafka_intake *intake, const rd_kafka_topic_partition_list_t *list)
{
	intake->n_rebalances++;
	intake->n_parts = (size_t)list->cnt;
	intake->paused = false;
	for (int i = 0; i < list->cnt; i++)
		kafka_parts_add(&intake->parts, list->elems[i].topic, list->elems[i].partition);
	rd_kafka_assign(intake->client, list);
}

/* Their offsets are stored: librdkafka commits them when they go. */
static void intake_finish_revoke(struct kafka_intake *intake)
{
	intake->revoking = false;
	timer_start(&intake->look, LOOK_MS);
	kafka_parts_lose(&intake->parts);
	intake->n_parts = 0;
	rd_kafka_assign(intake->client, NULL);
}

static void intake_revoke(struct kafka_intake *intake)
{
	intake->revoking = true;
	if (intake->parts.n_letters == 0)
		intake_finish_revoke(intake);
	else
		timer_start(&intake->look, REVOKE_MS);
}

static void intake_on_event(struct kafka_intake *intake, rd_kafka_event_t *event)
{
	switch (rd_kafka_event_type(event)) {
	case RD_KAFKA_EVENT_FETCH:
		intake_take(intake, event); /* which owns it now */
		return;
	case RD_KAFKA_EVENT_REBALANCE:
		if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
			intake_assign(intake, rd_kafka_event_topic_partition_list(event));
		else
			intake_revoke(intake);
		break;
	case RD_KAFKA_EVENT_ERROR:
		kafka_client_on_error(intake->spec.kafka, rd_kafka_event_error(event),
				      rd_kafka_event_error_string(event));
		break;
	default:
		break;
	}
	rd_kafka_event_destroy(event);
}

static bool intake_has_room(const struct kafka_intake *intake)
{
	return intake->paused || intake->revoking || intake->stopped ||
	       consumer_room(intake->source.consumer) > 0;
}

static void intake_drain(struct kafka_intake *intake)
{
	rd_kafka_event_t *event;
	unsigned n_left = EVENTS_A_TURN;

	while (n_left > 0 && intake_has_room(intake) &&
	       (event = rd_kafka_queue_poll(intake->queue, 0))) {
		intake_on_event(intake, event);
		n_left--;
	}
	if (n_left == 0) {
		loop_ready_next(intake->loop, &intake->more);
	} else if (!intake_has_room(intake) && !intake->full) {
		intake->full = true;
		timer_start(&intake->look, PAUSE_MS);
	}
}

static void intake_on_more(struct ready *ready)
{
	intake_drain(container_of(ready, struct kafka_intake, more));
}

static void intake_on_wake(struct watch *watch, uint32_t events)
{
	struct kafka_intake *intake = container_of(watch, struct kafka_intake, wake);
	uint64_t count;
	ssize_t r = read(intake->wake_fd, &count, sizeof(count));

	(void)r; /* a descriptor that has nothing is looked at once in vain */
	(void)events;
	intake_drain(intake);
}

static void intake_pause(struct kafka_intake *intake, bool pause)
{
	rd_kafka_topic_partition_list_t *list = NULL;

	if (rd_kafka_assignment(intake->client, &list) || !list)
		return;
	if (pause)
		rd_kafka_pause_partitions(intake->client, list);
	else
		rd_kafka_resume_partitions(intake->client, list);
	rd_kafka_topic_partition_list_destroy(list);
	intake->paused = pause;
}

static void intake_on_look(struct timer *timer)
{
	struct kafka_intake *intake = container_of(timer, struct kafka_intake, look);

	timer_start(&intake->look, LOOK_MS);
	if (intake->revoking) {
		log_warning("partitions go while messages are in work job=%.*s messages=%zu",
			    STR_ARG(intake->job), intake->parts.n_letters);
		intake_finish_revoke(intake);
	} else if (intake->full && !intake->paused) {
		intake_pause(intake, true);
	}
	intake_drain(intake);
}

static void intake_resume(struct job_source *source)
{
	struct kafka_intake *intake = intake_of(source);

	intake->full = false;
	if (!intake->client)
		return;
	intake_hand_over(intake);
	if (intake->paused)
		intake_pause(intake, false);
	loop_ready(intake->loop, &intake->more);
}

/* ------------------------------------------------------------ life */

static rd_kafka_t *intake_client(struct kafka_intake *intake)
{
	const struct kafka_source_spec *spec = &intake->spec;
	rd_kafka_conf_t *conf =
		kafka_client_conf(spec->kafka, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR);
	char session[24], heartbeat[24], why[256];
	const struct kafka_property properties[] = {
		{ STR("group.id"), spec->group },
		{ STR("auto.offset.reset"), spec->from_end ? STR("latest") : STR("earliest") },
		{ STR("session.timeout.ms"), str_of(session) },
		{ STR("heartbeat.interval.ms"), str_of(heartbeat) },
		{ STR("enable.auto.commit"), STR("true") },
		{ STR("enable.auto.offset.store"), STR("false") },
		{ STR("auto.commit.interval.ms"), STR("500") },
		{ STR("partition.assignment.strategy"), STR("range,roundrobin") },
		{ STR("queued.max.messages.kbytes"), STR("16384") },
		{ STR("fetch.message.max.bytes"), STR("1048576") },
	};
	rd_kafka_t *client;
	bool ok;

	snprintf(session, sizeof(session), "%" PRIu64, spec->session_ms);
	snprintf(heartbeat, sizeof(heartbeat), "%" PRIu64,
		 MIN(spec->session_ms / 3, UINT64_C(3000)));
	ok = kafka_client_set(conf, properties, ARRAY_LEN(properties), why, sizeof(why));
	client = kafka_client_open(RD_KAFKA_CONSUMER, conf, ok, why, sizeof(why));
	if (!client)
		log_error("job source cannot be opened name=%.*s detail=%s", STR_ARG(intake->job),
			  LOG_QUOTE(str_of(why)));
	return client;
}

static void intake_subscribe(struct kafka_intake *intake)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new((int)intake->spec.n_topics);

	for (size_t i = 0; i < intake->spec.n_topics; i++)
		rd_kafka_topic_partition_list_add(list, intake->spec.topics[i].ptr,
						  RD_KAFKA_PARTITION_UA);
	rd_kafka_poll_set_consumer(intake->client);
	rd_kafka_subscribe(intake->client, list);
	rd_kafka_topic_partition_list_destroy(list);
}

static bool intake_listen(struct kafka_intake *intake)
{
	static const uint64_t one = 1;

	intake->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (intake->wake_fd < 0)
		return false;
	if (loop_add(intake->loop, &intake->wake, intake->wake_fd, EPOLLIN, intake_on_wake) < 0) {
		close(intake->wake_fd);
		return false;
	}
	intake->queue = rd_kafka_queue_get_consumer(intake->client);
	rd_kafka_queue_io_event_enable(intake->queue, intake->wake_fd, &one, sizeof(one));
	timer_start(&intake->look, LOOK_MS);
	return true;
}

static void intake_copy_spec(struct kafka_intake *intake, const struct kafka_source_spec *spec)
{
	struct arena *arena = &intake->texts;
	struct str *topics = arena_alloc_array(arena, spec->n_topics, sizeof(*topics));

	intake->spec = *spec;
	for (size_t i = 0; i < spec->n_topics; i++)
		topics[i] = arena_str(arena, spec->topics[i]);
	intake->spec.topics = topics;
	intake->spec.group = arena_str(arena, spec->group);
	intake->spec.dead_letter = arena_str(arena, spec->dead_letter);
	kafka_ref(spec->kafka);
}

/* On a thread of its own: librdkafka commits what is stored, and leaves the group, if brokers are
 * there for it. */
static void client_end(void *arg)
{
	rd_kafka_t *client = arg;
	struct kafka *kafka = rd_kafka_opaque(client);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
	rd_kafka_error_t *error = rd_kafka_consumer_close_queue(client, queue);
	uint64_t until_ns = clock_monotonic_ns() + CLOSE_MS * NS_PER_MS;

	while (!error && !rd_kafka_consumer_closed(client) && clock_monotonic_ns() < until_ns) {
		rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20);

		if (event && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
			rd_kafka_assign(client, NULL);
		rd_kafka_event_destroy(event);
	}
	rd_kafka_error_destroy(error);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	kafka_unref(kafka);
}

static void intake_free(struct kafka_intake *intake)
{
	timer_stop(&intake->look);
	timer_stop(&intake->again);
	loop_ready_cancel(&intake->more);
	kafka_parts_lose(&intake->parts);
	kafka_parts_fini(&intake->parts);
	arena_fini(&intake->texts);
	free(intake);
}

void kafka_intake_end(struct kafka_intake *intake)
{
	struct consumer *consumer = intake->source.consumer;

	if (intake->client) {
		rd_kafka_queue_io_event_enable(intake->queue, -1, NULL, 0);
		loop_remove(intake->loop, &intake->wake);
		close(intake->wake_fd);
		rd_kafka_queue_destroy(intake->queue);
		kafka_end_start(client_end, intake->client);
	} else {
		kafka_unref(intake->spec.kafka);
	}
	intake_free(intake);
	consumer_on_closed(consumer);
}

static void intake_stop(struct job_source *source)
{
	struct kafka_intake *intake = intake_of(source);
	struct source_message *message;

	intake->stopped = true;
	while ((message = list_first(&intake->held, struct source_message, link))) {
		list_remove(&message->link);
		kafka_letter_settle(intake, container_of(message, struct kafka_letter, message),
				    false);
	}
}

/* Dead letters that are on their way are waited for; those that could not be sent are had again. */
static void intake_close(struct job_source *source, bool now)
{
	struct kafka_intake *intake = intake_of(source);
	struct kafka_letter *letter;

	intake->closing = true;
	list_each(letter, &intake->dead, struct kafka_letter, dead) {
		list_remove(&letter->dead);
		intake->n_dead--;
		kafka_letter_settle(intake, letter, false);
	}
	if (intake->n_dead == 0 || now)
		kafka_intake_end(intake);
}

static void intake_write(const struct job_source *source, struct buf *out)
{
	const struct kafka_intake *intake = container_of(source, struct kafka_intake, source);

	buf_printf(out,
		   ",\"partitions\":%zu,\"paused\":%s,\"dead_letters_waiting\":%zu,\"rebalances\":"
		   "%" PRIu64 ",\"state\":\"%s\"",
		   intake->n_parts, intake->paused ? "true" : "false", intake->n_dead,
		   intake->n_rebalances, kafka_state_name(intake->spec.kafka));
}

static const struct source_ops intake_ops = {
	.value = kafka_letter_value,
	.settle = intake_settle,
	.resume = intake_resume,
	.stop = intake_stop,
	.close = intake_close,
	.write = intake_write,
};

bool kafka_source_is_same(const struct job_source *source, const void *spec_ptr)
{
	const struct kafka_source_spec *a = &container_of(source, struct kafka_intake, source)
						     ->spec,
				       *b = spec_ptr;
	bool same = a->kafka == b->kafka && a->n_topics == b->n_topics &&
		    str_eq(a->group, b->group) && str_eq(a->dead_letter, b->dead_letter) &&
		    a->from_end == b->from_end && a->by_key == b->by_key &&
		    a->is_base64 == b->is_base64 && a->session_ms == b->session_ms;

	for (size_t i = 0; same && i < a->n_topics; i++)
		same = str_eq(a->topics[i], b->topics[i]);
	return same;
}

struct job_source *kafka_source_open(const void *spec, struct consumer *consumer,
				     const struct source_env *env)
{
	struct kafka_intake *intake = calloc(1, sizeof(*intake));

	if (!intake)
		return NULL;
	intake->source = (struct job_source){ &intake_ops, consumer };
	intake->loop = env->loop;
	intake->budget = env->budget;
	intake->job = env->job;
	arena_init_required(&intake->texts);
	intake_copy_spec(intake, spec);
	kafka_parts_init(&intake->parts);
	list_init(&intake->dead);
	list_init(&intake->held);
	ready_init(&intake->more, intake_on_more);
	timer_init(&intake->look, env->loop, intake_on_look);
	timer_init(&intake->again, env->loop, kafka_dead_on_again);
	intake->client = intake_client(intake);
	if (intake->client && !intake_listen(intake)) {
		kafka_ref(intake->spec.kafka);
		kafka_end_start(client_end, take(&intake->client));
	}
	if (intake->client)
		intake_subscribe(intake);
	return &intake->source;
}
