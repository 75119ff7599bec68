/* server/kafka/kafka_dead.c: messages of which all attempts have failed, on their way to another topic. */
#include "core/base/log.h"
#include "server/kafka/kafka_send.h"
#include "server/kafka/kafka_source_private.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEAD_AGAIN_MS = 1000 };

struct dead_send {
	struct kafka_intake *intake;
	struct kafka_letter *letter;
};

static void dead_retry(struct kafka_intake *intake, struct kafka_letter *letter)
{
	list_add(&intake->dead, &letter->dead);
	timer_start(&intake->again, DEAD_AGAIN_MS);
}

static void dead_on_sent(struct kafka_send *send)
{
	struct dead_send *dead = send->owner;
	struct kafka_intake *intake = dead->intake;
	struct kafka_letter *letter = dead->letter;

	free(dead);
	if (send->code != ERROR_NONE && !intake->closing) {
		log_warning("dead letter cannot be sent job=%.*s topic=%s error=%s, retrying",
			    STR_ARG(intake->job), intake->spec.dead_letter.ptr, send->kafka);
		dead_retry(intake, letter);
		return;
	}
	intake->n_dead--;
	kafka_letter_settle(intake, letter, send->code == ERROR_NONE);
	if (intake->closing && intake->n_dead == 0)
		kafka_intake_end(intake);
}

enum { DEAD_HEADERS = 4 };

static size_t dead_headers(const struct kafka_letter *letter, struct kafka_header *headers,
			   char numbers[2][24])
{
	rd_kafka_headers_t *raw = NULL;
	size_t n = rd_kafka_message_headers(letter->raw, &raw) ? 0 : rd_kafka_header_cnt(raw);

	n = MIN(n, (size_t)KAFKA_HEADERS_MAX - DEAD_HEADERS);
	for (size_t i = 0; i < n; i++) {
		const char *name = NULL;
		const void *bytes = NULL;
		size_t size = 0;

		rd_kafka_header_get_all(raw, i, &name, &bytes, &size);
		headers[i] = (struct kafka_header){ str_of(name), { bytes, size } };
	}
	snprintf(numbers[0], 24, "%" PRId32, letter->raw->partition);
	snprintf(numbers[1], 24, "%" PRId64, letter->raw->offset);
	headers[n++] = (struct kafka_header){ STR("leat-error"), str_of(letter->why) };
	headers[n++] = (struct kafka_header){ STR("leat-topic"), str_of(letter->part->topic) };
	headers[n++] = (struct kafka_header){ STR("leat-partition"), str_of(numbers[0]) };
	headers[n++] = (struct kafka_header){ STR("leat-offset"), str_of(numbers[1]) };
	return n;
}

void kafka_dead_send(struct kafka_intake *intake, struct kafka_letter *letter)
{
	struct kafka_header headers[KAFKA_HEADERS_MAX];
	char numbers[2][24];
	const rd_kafka_message_t *raw = letter->raw;
	const struct kafka_message message = { .topic = intake->spec.dead_letter,
					       .key = { raw->key, raw->key_len },
					       .value = { raw->payload, raw->len },
					       .partition = -1,
					       .headers = headers,
					       .n_headers =
						       dead_headers(letter, headers, numbers) };
	struct kafka_send *send = kafka_send_create(intake->loop, NULL);
	struct dead_send *dead = malloc(sizeof(*dead));

	if (send && dead) {
		*dead = (struct dead_send){ intake, letter };
		send->owner = dead;
		send->on_done = dead_on_sent;
		if (kafka_send_submit(send, intake->spec.kafka, KAFKA_ACKS_ALL, &message))
			return;
	}
	kafka_send_free(send);
	free(dead);
	dead_retry(intake, letter);
}

void kafka_dead_on_again(struct timer *timer)
{
	struct kafka_intake *intake = container_of(timer, struct kafka_intake, again);
	struct list letters;
	struct kafka_letter *letter;

	list_init(&letters);
	list_move_all(&letters, &intake->dead);
	list_each(letter, &letters, struct kafka_letter, dead) {
		list_remove(&letter->dead);
		kafka_dead_send(intake, letter);
	}
}
