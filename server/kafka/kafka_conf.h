/* server/kafka/kafka_conf.h: an entry of the section `kafka:` becomes properties of librdkafka. */
#pragma once
#include "conf/load.h"
#include "server/kafka/kafka.h"

/* A new entry, or a reference to `before` (may be NULL) when it says the same. One with errors is
 * not valid, and known all the same: who asks it needs no error of its own. */
struct kafka *kafka_compile(const struct node_entry *entry, struct kafka *before, struct conf *conf,
			    struct diag *diag);

/* Why users may not set this property by `options`, or NULL. */
const char *kafka_option_refusal(struct str name);
