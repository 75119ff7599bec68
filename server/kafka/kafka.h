/* server/kafka/kafka.h: one entry of the section `kafka:`: the brokers of a cluster, by name.
 *
 * It is counted as a database is: `refs` by the generations that name it, which carry it over when
 * it says the same; `n_holds` by whoever still looks at its memory. When the last ref goes it is
 * stopped: what was not sent yet has some time for it, on a thread of its own. When the last hold
 * goes it is freed. Nothing here needs librdkafka. */
#pragma once
#include "core/base/arena.h"
#include "core/io/loop.h"
#include "core/thread/lock.h"

enum {
	KAFKA_PROBLEM_MAX = 160,
	KAFKA_TOPIC_MAX = 249,   /* bytes of a name, as brokers have it */
	KAFKA_TOPICS_MAX = 1000, /* different ones that one producer knows */
	KAFKA_HEADERS_MAX = 100, /* of a message */
	KAFKA_PORT = 9092,
};

/* Who has a message when it counts as sent. Each is a producer of its own. */
enum kafka_acks { KAFKA_ACKS_ALL, KAFKA_ACKS_LEADER, KAFKA_ACKS_NONE, KAFKA_N_ACKS };

/* What librdkafka is told. */
struct kafka_property {
	struct str name, value; /* with a NUL behind each */
};

enum kafka_state {
	KAFKA_IDLE, /* nothing was sent yet */
	KAFKA_UP,   /* brokers have answered */
	KAFKA_DOWN, /* none of them can be reached */
};

struct kafka_stats {
	_Atomic uint64_t sent, errors, refused;
	atomic_int queued, state; /* messages without an answer; enum kafka_state */
	atomic_int kept;          /* those of them that are in the store as well */
};

struct kafka_outbox;
struct kafka_producer;

struct kafka {
	atomic_uint refs, n_holds;
	struct arena arena; /* of its texts */
	struct str name;
	size_t n_properties; /* of all clients of this entry */
	struct kafka_property *properties;
	size_t n_produce_properties; /* of its producers */
	struct kafka_property *produce_properties;
	enum kafka_acks acks;                  /* of tasks that say nothing else */
	size_t spool_max;                      /* messages that may be kept */
	bool is_valid;                         /* it was read without errors */
	_Atomic(struct kafka_outbox *) outbox; /* of its name; NULL: nothing can be kept */
	atomic_bool wanted[KAFKA_N_ACKS];
	struct kafka_stats stats;
	struct lock lock;
	struct kafka_producer *producers[KAFKA_N_ACKS]; /* guarded by lock */
	bool stopping;                                  /* guarded by lock */
	uint64_t end_ms;                                /* guarded by lock */
	char problem[KAFKA_PROBLEM_MAX];                /* guarded by lock */
	/* the home loop: that of the first task; its parts are for that loop alone */
	_Atomic(struct loop *) home;
	int wake_fd; /* an eventfd that librdkafka writes to; -1: there is no home yet */
	struct watch wake;
	struct ready more;
	struct post poke; /* it is to stop */
};

struct kafka *kafka_create(struct str name); /* one reference */
struct kafka *kafka_ref(struct kafka *kafka);
void kafka_unref(struct kafka *kafka); /* any thread; NULL is accepted */
void kafka_hold(struct kafka *kafka);
void kafka_release(struct kafka *kafka);
bool kafka_is_same(const struct kafka *a, const struct kafka *b);

void kafka_set_problem(struct kafka *kafka, const char *problem); /* "": there is none */
void kafka_problem(struct kafka *kafka, char ret_problem[KAFKA_PROBLEM_MAX]);

/* 1 to 249 of A-Z, a-z, 0-9, '.', '_' and '-', and neither "." nor "..". */
bool kafka_topic_is_valid(struct str topic);
const char *kafka_acks_name(enum kafka_acks acks); /* "all", "leader", "none" */
const char *kafka_state_name(const struct kafka *kafka);
