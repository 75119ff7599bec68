/* server/kafka/kafka_producer.h: librdkafka's producers of one entry, and the loop that hears them.
 *
 * A message is given to librdkafka on the loop of its task, which copies it into its bounded queue
 * and never waits. What becomes of it librdkafka says in its own queue, whose descriptor wakes the
 * entry's home loop: that of the first task. librdkafka's threads run no code of leat's but the one
 * that takes its log. */
#pragma once
#include "server/kafka/kafka_send.h"

enum {
	KAFKA_END_MS = 8000
}; /* what an entry that a reload has dropped has for its last messages */

/* Makes the producers that are wanted and not there yet. False: librdkafka refuses the settings,
 * and why. Any thread. */
bool kafka_start(struct kafka *kafka, char *ret_why, size_t size);

/* Nothing can be sent any more. What is queued has so long to go out; then it is given up. May be
 * called twice. Any thread. */
void kafka_stop(struct kafka *kafka, uint64_t end_ms);

/* On the task's loop. True: kafka_send_finish() will be called, once. False: the fields of `send`
 * say why not. */
bool kafka_produce(struct kafka *kafka, enum kafka_acks acks, const struct kafka_message *message,
		   struct kafka_send *send);

/* At the end of the process: until all that was stopped has ended, or `end_ms` and a little more
 * have passed. */
void kafka_wait_ends(uint64_t end_ms);

/* Whether librdkafka knows the property and takes the value; else why not. */
bool kafka_property_is_valid(const char *name, const char *value, char *ret_why, size_t size);
