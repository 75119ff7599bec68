/* server/kafka/kafka_part.c */
#include "server/kafka/kafka_part.h"
#include "core/base/memory.h"
#include <stdlib.h>

void kafka_parts_init(struct kafka_parts *parts)
{
	list_init(&parts->parts);
	parts->n_letters = 0;
}

static void letter_free(struct kafka_letter *letter)
{
	list_remove(&letter->of_part);
	rd_kafka_event_destroy(letter->event);
	free(letter->why);
	free(letter);
}

static void part_free(struct kafka_part *part)
{
	struct kafka_letter *letter;

	list_each(letter, &part->messages, struct kafka_letter, of_part)
		letter_free(letter); /* that were returned */
	list_remove(&part->link);
	free(part->topic);
	free(part);
}

void kafka_parts_fini(struct kafka_parts *parts)
{
	struct kafka_part *part;

	list_each(part, &parts->parts, struct kafka_part, link)
		part_free(part);
}

struct kafka_part *kafka_parts_find(const struct kafka_parts *parts, const char *topic,
				    int32_t partition)
{
	struct kafka_part *part;

	list_each(part, &parts->parts, struct kafka_part, link)
		if (!part->lost && part->partition == partition && strcmp(part->topic, topic) == 0)
			return part;
	return NULL;
}

void kafka_parts_add(struct kafka_parts *parts, const char *topic, int32_t partition)
{
	struct kafka_part *part = mem_zalloc(sizeof(*part));

	part->topic = mem_strdup(topic);
	part->partition = partition;
	list_init(&part->messages);
	list_add(&parts->parts, &part->link);
}

void kafka_parts_lose(struct kafka_parts *parts)
{
	struct kafka_part *part;

	list_each(part, &parts->parts, struct kafka_part, link) {
		part->lost = true;
		if (list_is_empty(&part->messages))
			part_free(part);
	}
}

void kafka_part_take(struct kafka_parts *parts, struct kafka_part *part,
		     struct kafka_letter *letter)
{
	letter->part = part;
	list_add(&part->messages, &letter->of_part);
	parts->n_letters++;
}

static void part_store(rd_kafka_t *client, const struct kafka_part *part, int64_t offset)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, part->topic, part->partition)->offset = offset;
	rd_kafka_offsets_store(client, list);
	rd_kafka_topic_partition_list_destroy(list);
}

/* Those at the head that are handled. A returned one stays in its place, so that no offset behind it is
 * stored. */
void kafka_part_settle(struct kafka_parts *parts, rd_kafka_t *client, struct kafka_letter *letter,
		       bool handled)
{
	struct kafka_part *part = letter->part;
	struct kafka_letter *at;
	int64_t offset = -1;

	parts->n_letters--;
	letter->handled = handled;
	if (!handled) {
		rd_kafka_event_destroy(take(&letter->event));
		return;
	}
	list_each(at, &part->messages, struct kafka_letter, of_part) {
		if (!at->handled)
			break;
		offset = at->raw->offset + 1;
		letter_free(at);
	}
	if (offset >= 0 && !part->lost)
		part_store(client, part, offset);
	if (part->lost && list_is_empty(&part->messages))
		part_free(part);
}
