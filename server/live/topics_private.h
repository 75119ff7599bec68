/* server/live/topics_private.h: what travels between the loops. Internal to topics. */
#pragma once
#include "core/base/map.h"
#include "server/live/topics.h"
#include <stdatomic.h>

struct topic;

/* What one loop has: as a home, and as a place of subscribers. Its thread's alone. */
struct topic_loop {
	struct topics *topics;
	struct loop *loop;
	uint32_t index;
	struct map homes;  /* of struct topic, whose home this is */
	struct map locals; /* of struct topic_local, with subscribers on this loop */
	struct list idle;  /* of struct topic: without subscribers, the oldest first */
	struct list
		empty; /* those of them that keep nothing: the first to go where there are too many */
	struct list kept; /* of struct publication.age: all that topics keep, the oldest first */
	size_t n_idle, kept_bytes;
	struct timer sweep;
	uint64_t last_id;
	struct deflater *deflater; /* of publications that are told here; NULL until one is */
};

struct topics {
	struct arena_budget *budget;
	uint32_t epoch;
	atomic_size_t n_in_flight; /* blocks on their way to a loop */
	atomic_size_t n_topics, n_subscriptions, kept_bytes;
	_Atomic uint64_t n_published, n_delivered;
	size_t n_loops;
	struct topic_loop loops[];
};

struct delivery {
	struct post post;
	struct publication *publication;
	uint32_t loop;
};

struct publication {
	atomic_uint n_refs;
	struct topics *topics;
	struct post post;       /* to its home, and back */
	uint32_t from;          /* the loop of who publishes */
	struct publish *asker;  /* that loop's; NULL: it has left */
	uint64_t n_subscribers; /* the home's, until it goes back */
	uint64_t id;
	struct list link; /* in topic->kept; the home's */
	struct list age;  /* in topic_loop->kept */
	uint64_t kept_ns; /* since when it is */
	struct str topic, event, payload;
	size_t size; /* of all of it, as it is counted */
	struct packet *frame;
	_Atomic(struct packet *) as_event, as_bare, deflated;
	struct delivery deliveries[]; /* one a loop, then the texts */
};

/* A subscriber's block: goes to the home to join, comes back, and goes once more to leave. */
struct joining {
	struct post post;
	struct topics *topics;
	struct subscription *subscription; /* its loop's; NULL: it has left */
	uint32_t from, home;
	struct topic_terms terms;
	bool asks_kept;
	uint64_t after_id;
	uint64_t at_id; /* the home's answer, as in struct subscription */
	bool lost;
	size_t n_missed;
	struct publication **missed; /* references; or NULL */
	size_t name_len;
	char name[];
};

static inline struct str join_name(const struct joining *join)
{
	return (struct str){ join->name, join->name_len };
}

/* The loop whose thread this is. */
struct topic_loop *topics_here(struct topics *topics);
uint32_t topics_home(const struct topics *topics, struct str name);
void topics_post(struct topics *topics, uint32_t to, struct post *post, post_fn *run);
void topics_arrived(struct topics *topics); /* at the end of what was posted */

struct publication *publication_ref(struct publication *publication);
void publication_unref(struct publication *publication);

/* ---- topic_home.c: at the home */
void topic_home_publish(struct topic_loop *home, struct publication *publication);
void topic_home_join(struct topic_loop *home, struct joining *join);
void topic_home_leave(struct topic_loop *home, const struct joining *join);
void topic_home_init(struct topic_loop *home);
void topic_home_fini(struct topic_loop *home);

/* ---- topic_local.c: at a loop with subscribers */
void topic_local_deliver(struct post *post); /* of a struct delivery */
