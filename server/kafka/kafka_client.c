/* server/kafka/kafka_client.c */
#include "server/kafka/kafka_client.h"
#include "core/base/log.h"
#include "server/kafka/kafka_producer.h"
#include <signal.h>
#include <stdio.h>

enum {
	KAFKA_LOG_CRIT = 2, /* syslog's */
	SCRAM_MENDED = 0x02060100,
};

/* Any of librdkafka's threads. It tells of each broker that it cannot reach, again and again: that
 * is for those who look closely; what has changed is told by kafka_client_on_error(). */
static void client_on_log(const rd_kafka_t *client, int level, const char *facility,
			  const char *text)
{
	const struct kafka *kafka = rd_kafka_opaque(client);
	enum log_level ours = level <= KAFKA_LOG_CRIT ? LOG_ERROR : LOG_DEBUG;

	if (log_is_on(ours))
		log_write(ours, "kafka says name=%s what=%s text=%s", kafka->name.ptr, facility,
			  LOG_QUOTE(str_of(text)));
}

bool kafka_client_set(rd_kafka_conf_t *conf, const struct kafka_property properties[],
		      size_t n_properties, char *ret_why, size_t size)
{
	for (size_t i = 0; i < n_properties; i++)
		if (rd_kafka_conf_set(conf, properties[i].name.ptr, properties[i].value.ptr,
				      ret_why, size) != RD_KAFKA_CONF_OK)
			return false;
	return true;
}

rd_kafka_conf_t *kafka_client_conf(struct kafka *kafka, int events)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[KAFKA_PROBLEM_MAX];

	check(kafka_client_set(conf, kafka->properties, kafka->n_properties, why, sizeof(why)));
	rd_kafka_conf_set_opaque(conf, kafka);
	rd_kafka_conf_set_log_cb(conf, client_on_log);
	rd_kafka_conf_set_events(conf, events);
	return conf;
}

/* Its threads get no signals: they are for the main thread. */
rd_kafka_t *kafka_client_open(rd_kafka_type_t type, rd_kafka_conf_t *conf, bool ok, char *ret_why,
			      size_t size)
{
	rd_kafka_t *client = NULL;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (ok)
		client = rd_kafka_new(type, conf, ret_why, size);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!client)
		rd_kafka_conf_destroy(conf);
	return client;
}

void kafka_client_is_up(struct kafka *kafka)
{
	int before = atomic_load(&kafka->stats.state);

	if (before == KAFKA_UP)
		return;
	atomic_store(&kafka->stats.state, KAFKA_UP);
	kafka_set_problem(kafka, "");
	if (before == KAFKA_DOWN)
		log_info("kafka brokers are there again name=%s", kafka->name.ptr);
}

/* librdkafka before 2.6.1 says the client's part of the nonce twice; brokers took that until Kafka 4,
 * and call it wrong credentials since. */
static bool scram_is_old(const struct kafka *kafka, const char *problem)
{
	bool is_scram = false;

	for (size_t i = 0; i < kafka->n_properties; i++)
		is_scram |= str_eq(kafka->properties[i].name, STR("sasl.mechanism")) &&
			    str_starts_with(kafka->properties[i].value, STR("SCRAM-"));
	return is_scram && rd_kafka_version() < SCRAM_MENDED &&
	       strstr(problem, "SASL authentication error");
}

void kafka_client_on_error(struct kafka *kafka, rd_kafka_resp_err_t error, const char *text)
{
	if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
		kafka_set_problem(kafka, text);
		return;
	}
	if (atomic_exchange(&kafka->stats.state, KAFKA_DOWN) != KAFKA_DOWN) {
		char problem[KAFKA_PROBLEM_MAX];

		kafka_problem(kafka, problem);
		log_warning("kafka brokers cannot be reached name=%s detail=%s, retrying",
			    kafka->name.ptr, LOG_QUOTE(str_of(problem[0] ? problem : text)));
		if (scram_is_old(kafka, problem))
			log_warning("kafka 4 takes no SCRAM of librdkafka before 2.6.1 name=%s "
				    "librdkafka=%s",
				    kafka->name.ptr, rd_kafka_version_str());
	}
}

bool kafka_property_is_valid(const char *name, const char *value, char *ret_why, size_t size)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	bool ok = rd_kafka_conf_set(conf, name, value, ret_why, size) == RD_KAFKA_CONF_OK;

	rd_kafka_conf_destroy(conf);
	return ok;
}
