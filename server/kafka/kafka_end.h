/* server/kafka/kafka_end.h: threads that end librdkafka's clients: it waits for its own threads
 * then, which may wait for a name or a broker, and no loop may. */
#pragma once
#include <stdint.h>

/* Runs it on a thread of its own; at once where there is none to be had. Any thread. */
void kafka_end_start(void (*run)(void *arg), void *arg);

/* The earlier of `end_ns` and the time that the process, which has come to its end, leaves them. */
uint64_t kafka_end_due_ns(uint64_t end_ns);
