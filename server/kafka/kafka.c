/* server/kafka/kafka.c */
#include "server/kafka/kafka.h"
#include "core/base/memory.h"
#include "server/kafka/kafka_producer.h"
#include <stdio.h>
#include <stdlib.h>

struct kafka *kafka_create(struct str name)
{
	struct kafka *kafka = mem_zalloc(sizeof(*kafka));

	atomic_init(&kafka->refs, 1);
	atomic_init(&kafka->n_holds, 1);
	arena_init_required(&kafka->arena);
	kafka->name = arena_str(&kafka->arena, name);
	lock_init(&kafka->lock);
	kafka->wake_fd = -1;
	kafka->wake.fd = -1;
	return kafka;
}

struct kafka *kafka_ref(struct kafka *kafka)
{
	check(atomic_fetch_add(&kafka->refs, 1) > 0);
	return kafka;
}

void kafka_unref(struct kafka *kafka)
{
	if (!kafka || atomic_fetch_sub(&kafka->refs, 1) != 1)
		return;
#if WITH_KAFKA
	kafka_stop(kafka, KAFKA_END_MS);
#endif
	kafka_release(kafka);
}

void kafka_hold(struct kafka *kafka)
{
	atomic_fetch_add(&kafka->n_holds, 1);
}

void kafka_release(struct kafka *kafka)
{
	if (atomic_fetch_sub(&kafka->n_holds, 1) != 1)
		return;
	lock_fini(&kafka->lock);
	arena_fini(&kafka->arena);
	free(kafka);
}

static bool properties_are_same(const struct kafka_property a[], size_t n_a,
				const struct kafka_property b[], size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (!str_eq(a[i].name, b[i].name) || !str_eq(a[i].value, b[i].value))
			return false;
	return true;
}

bool kafka_is_same(const struct kafka *a, const struct kafka *b)
{
	return a->is_valid && b->is_valid && a->acks == b->acks && a->spool_max == b->spool_max &&
	       properties_are_same(a->properties, a->n_properties, b->properties,
				   b->n_properties) &&
	       properties_are_same(a->produce_properties, a->n_produce_properties,
				   b->produce_properties, b->n_produce_properties);
}

void kafka_set_problem(struct kafka *kafka, const char *problem)
{
	lock_acquire(&kafka->lock);
	snprintf(kafka->problem, sizeof(kafka->problem), "%s", problem);
	lock_release(&kafka->lock);
}

void kafka_problem(struct kafka *kafka, char ret_problem[KAFKA_PROBLEM_MAX])
{
	lock_acquire(&kafka->lock);
	memcpy(ret_problem, kafka->problem, KAFKA_PROBLEM_MAX);
	lock_release(&kafka->lock);
}

bool kafka_topic_is_valid(struct str topic)
{
	if (topic.len == 0 || topic.len > KAFKA_TOPIC_MAX || str_eq(topic, STR(".")) ||
	    str_eq(topic, STR("..")))
		return false;
	for (size_t i = 0; i < topic.len; i++)
		if (!char_is_alpha(topic.ptr[i]) && !char_is_digit(topic.ptr[i]) &&
		    !str_has(STR("._-"), topic.ptr[i]))
			return false;
	return true;
}

const char *kafka_acks_name(enum kafka_acks acks)
{
	switch (acks) {
	case KAFKA_ACKS_ALL:
		return "all";
	case KAFKA_ACKS_LEADER:
		return "leader";
	case KAFKA_ACKS_NONE:
		return "none";
	case KAFKA_N_ACKS:
		break;
	}
	unreachable();
}

const char *kafka_state_name(const struct kafka *kafka)
{
	static const char *const names[] = { "idle", "up", "down" };

	return names[atomic_load(&kafka->stats.state)];
}
