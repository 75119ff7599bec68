/* server/kafka/kafka_client.h: what all of librdkafka's clients of an entry have in common:
 * settings, log, errors. */
#pragma once
#include "server/kafka/kafka.h"
#include <librdkafka/rdkafka.h>

/* With the entry's properties, which were found valid when they were read, and these events. */
rd_kafka_conf_t *kafka_client_conf(struct kafka *kafka, int events);
bool kafka_client_set(rd_kafka_conf_t *conf, const struct kafka_property properties[],
		      size_t n_properties, char *ret_why, size_t size);

/* Owns `conf`. NULL: it was not `ok`, or librdkafka refuses it; why is in ret_why. */
rd_kafka_t *kafka_client_open(rd_kafka_type_t type, rd_kafka_conf_t *conf, bool ok, char *ret_why,
			      size_t size);

/* A broker has answered; an error has come as an event. Both log what has changed. */
void kafka_client_is_up(struct kafka *kafka);
void kafka_client_on_error(struct kafka *kafka, rd_kafka_resp_err_t error, const char *text);
