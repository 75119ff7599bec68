/* tests/server/kafka/send.c: messages against librdkafka's mock cluster, on a loop. */
#include "core/base/clock.h"
#include "server/kafka/kafka_conf.h"
#include "server/kafka/kafka_producer.h"
#include "tests/lib/tap.h"
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

static rd_kafka_t *mock_client;
static rd_kafka_mock_cluster_t *cluster;
static struct loop *loop;
static struct arena_budget budget = { .max = SIZE_MAX };
static unsigned n_done;
static enum error_code last_code;
static int64_t last_offset;

static void on_done(struct kafka_send *send)
{
	n_done++;
	last_code = send->code;
	last_offset = send->offset;
}

static void on_look(struct timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

/* Until the next message is done, or it is time to look whether something else is. */
static void run_a_while(void)
{
	struct timer look;

	timer_init(&look, loop, on_look);
	timer_start(&look, 5);
	loop_run(loop);
	timer_stop(&look);
}

static void await_done(unsigned n)
{
	uint64_t until_ns = clock_monotonic_ns() + 60 * NS_PER_S;

	while (n_done < n && clock_monotonic_ns() < until_ns)
		run_a_while();
	is_int(n_done, n);
}

static struct kafka *entry(const char *brokers)
{
	static struct kafka_property properties[1], produce[1];
	struct kafka *kafka = kafka_create(STR("bus"));
	char why[256];

	properties[0] = (struct kafka_property){ STR("bootstrap.servers"), str_of(brokers) };
	produce[0] = (struct kafka_property){ STR("linger.ms"), STR("0") };
	kafka->properties = properties;
	kafka->n_properties = 1;
	kafka->produce_properties = produce;
	kafka->n_produce_properties = 1;
	kafka->is_valid = true;
	atomic_store(&kafka->wanted[KAFKA_ACKS_ALL], true);
	is_true(kafka_start(kafka, why, sizeof(why)));
	return kafka;
}

static struct kafka_send *submit(struct kafka *kafka, const char *topic, const char *value)
{
	const struct kafka_message message = { .topic = str_of(topic),
					       .value = str_of(value),
					       .partition = -1 };
	struct kafka_send *send = kafka_send_create(loop, &budget);

	send->on_done = on_done;
	if (kafka_send_submit(send, kafka, KAFKA_ACKS_ALL, &message))
		return send;
	last_code = send->code;
	kafka_send_free(send);
	return NULL;
}

/* The entry goes, and what is left of it with it. */
static void end(struct kafka *kafka)
{
	kafka_unref(kafka);
	loop_run_once(loop, false);
	kafka_wait_ends(KAFKA_END_MS);
	is_int(budget.used, 0);
}

static void a_message_is_acknowledged_on_the_loop_of_its_task(void)
{
	struct kafka *kafka = entry(rd_kafka_mock_cluster_bootstraps(cluster));

	n_done = 0;
	is_true(submit(kafka, "a", "x") != NULL);
	is_true(budget.used > 0);
	await_done(1);
	is_int(last_code, ERROR_NONE);
	is_int(last_offset, 0);
	is_int(atomic_load(&kafka->stats.sent), 1);
	is_int(atomic_load(&kafka->stats.queued), 0);
	is_text(kafka_state_name(kafka), "up");
	end(kafka);
}

static void a_message_whose_task_has_gone_goes_out_all_the_same(void)
{
	struct kafka *kafka = entry(rd_kafka_mock_cluster_bootstraps(cluster));
	uint64_t until_ns = clock_monotonic_ns() + 60 * NS_PER_S;

	n_done = 0;
	kafka_send_leave(submit(kafka, "b", "x"));
	while (atomic_load(&kafka->stats.sent) < 1 && clock_monotonic_ns() < until_ns)
		run_a_while();
	is_int(atomic_load(&kafka->stats.sent), 1);
	loop_run_once(loop, false);
	is_int(n_done, 0);
	end(kafka);
}

static void a_stopped_entry_takes_no_message_and_gives_up_what_cannot_be_sent(void)
{
	struct kafka *kafka = entry("127.0.0.1:1");

	n_done = 0;
	is_true(submit(kafka, "a", "x") != NULL);
	kafka_stop(kafka, 0);
	is_true(submit(kafka, "a", "y") == NULL);
	is_int(last_code, ERROR_UNAVAILABLE);
	loop_run_once(loop, false);
	kafka_wait_ends(KAFKA_END_MS);
	await_done(1);
	is_int(last_code, ERROR_UNAVAILABLE);
	end(kafka);
}

/* Nobody waits for it, and no loop hears of it once the process has stopped waiting. */
static void an_entry_that_a_reload_has_dropped_is_given_up_when_the_process_ends(void)
{
	struct kafka *kafka = entry("127.0.0.1:1");

	n_done = 0;
	is_true(submit(kafka, "a", "x") != NULL);
	kafka_hold(kafka);
	kafka_unref(kafka); /* it has KAFKA_END_MS from now */
	loop_run_once(loop, false);
	kafka_wait_ends(0);
	is_int(atomic_load(&kafka->stats.queued), 0);
	await_done(1);
	is_int(last_code, ERROR_UNAVAILABLE);
	kafka_release(kafka);
}

static void only_so_many_topics_are_known(void)
{
	struct kafka *kafka = entry("127.0.0.1:1");
	unsigned n_taken = 0;
	char topic[16];

	n_done = 0;
	for (unsigned i = 0; i < KAFKA_TOPICS_MAX + 10; i++) {
		snprintf(topic, sizeof(topic), "t%u", i);
		n_taken += submit(kafka, topic, "x") != NULL;
	}
	is_int(n_taken, KAFKA_TOPICS_MAX);
	is_int(last_code, ERROR_UNAVAILABLE);
	is_true(submit(kafka, "t5", "x") != NULL);
	kafka_stop(kafka, 0);
	loop_run_once(loop, false);
	kafka_wait_ends(KAFKA_END_MS);
	await_done(KAFKA_TOPICS_MAX + 1);
	end(kafka);
}

static void entries_are_the_same_when_their_properties_are(void)
{
	struct kafka *a = entry("127.0.0.1:1"), *b = entry("127.0.0.1:1");

	is_true(kafka_is_same(a, b));
	b->acks = KAFKA_ACKS_NONE;
	is_false(kafka_is_same(a, b));
	b->acks = a->acks;
	b->n_produce_properties = 0;
	is_false(kafka_is_same(a, b));
	end(a);
	end(b);
}

static void topics_are_names_that_brokers_take(void)
{
	char text[KAFKA_TOPIC_MAX + 2];

	is_true(kafka_topic_is_valid(STR("a.B_9-x")));
	is_false(kafka_topic_is_valid(STR("")));
	is_false(kafka_topic_is_valid(STR(".")));
	is_false(kafka_topic_is_valid(STR("..")));
	is_true(kafka_topic_is_valid(STR("...")));
	is_false(kafka_topic_is_valid(STR("a b")));
	is_false(kafka_topic_is_valid(STR("a\0b")));
	is_false(kafka_topic_is_valid(STR("\xc3\xa9")));
	memset(text, 'x', sizeof(text));
	is_true(kafka_topic_is_valid((struct str){ text, KAFKA_TOPIC_MAX }));
	is_false(kafka_topic_is_valid((struct str){ text, KAFKA_TOPIC_MAX + 1 }));
}

static void options_that_would_get_around_a_key_are_refused(void)
{
	is_text(kafka_option_refusal(STR("bootstrap.servers")), "write `brokers`");
	is_text(kafka_option_refusal(STR("ssl.key.location")), "write `tls`");
	is_text(kafka_option_refusal(STR("oauthbearer_token_refresh_cb")), "it is no setting");
	is_text(kafka_option_refusal(STR("plugin.library.paths")), "no code is loaded");
	is_null(kafka_option_refusal(STR("batch.size")));
	is_null(kafka_option_refusal(STR("partitioner")));
}

static void say_nothing(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
	(void)client;
	(void)level;
	(void)facility;
	(void)text;
}

int main(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];

	rd_kafka_conf_set_log_cb(conf, say_nothing);
	mock_client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	cluster = rd_kafka_mock_cluster_new(mock_client, 1);
	is_int(loop_create(&loop), 0);
	TEST(a_message_is_acknowledged_on_the_loop_of_its_task);
	TEST(a_message_whose_task_has_gone_goes_out_all_the_same);
	TEST(a_stopped_entry_takes_no_message_and_gives_up_what_cannot_be_sent);
	TEST(an_entry_that_a_reload_has_dropped_is_given_up_when_the_process_ends);
	TEST(only_so_many_topics_are_known);
	TEST(entries_are_the_same_when_their_properties_are);
	TEST(topics_are_names_that_brokers_take);
	TEST(options_that_would_get_around_a_key_are_refused);
	loop_destroy(loop);
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(mock_client);
	return tap_done();
}
