/* server/live/topics.h: what is published to a name reaches all who subscribe to it, on every loop.
 *
 * Each topic has one home among the loops, chosen by a hash of its name (DESIGN §2.1):
 *
 *   publisher                        home                                loops with subscribers
 *     PUBLISH  ------------------->   numbers it, keeps it a while
 *              <-------------------  ACK (how many get it)
 *                                    DELIVER  --------------------------> one message a loop
 *     JOIN     ------------------->   one more of that loop
 *              <-------------------  JOINED (what was kept behind the number that it knows)
 *     LEAVE    ------------------->   one less
 *
 * What a loop is told by one home comes in the order in which it was sent: a subscriber that has joined
 * gets everything behind what JOINED brought, once. A publication is one block, which all share.
 *
 * A topic exists while somebody subscribes to it, and for as long as what it keeps may be asked for;
 * a name costs nothing otherwise. Of those that nobody subscribes to there are at most
 * TOPICS_IDLE_MAX, the oldest go. What is kept is bounded for all topics together, and counted. */
#pragma once
#include "core/io/loop.h"
#include "server/live/packet.h"

enum {
	TOPIC_NAME_MAX = 1024,         /* bytes */
	TOPICS_IDLE_MAX = 10000,       /* of all homes */
	TOPICS_HISTORY_MAX = 64 << 20, /* bytes that are kept, of all homes */
};

struct topics;

/* `loops` are those that threads run, or will run. What travels and is kept counts in `budget`. */
struct topics *topics_create(struct loop *const loops[], size_t n_loops,
			     struct arena_budget *budget);

/* As homes_settle() and homes_destroy(); nobody subscribes any more. */
void topics_settle(struct topics *topics);
void topics_destroy(struct topics *topics); /* NULL is accepted */

struct topics_stats {
	size_t n_topics, n_subscriptions;
	uint64_t n_published, n_delivered; /* to subscribers */
	size_t kept_bytes;
};
void topics_stats(struct topics *topics, struct topics_stats *ret_stats); /* any thread */

/* ------------------------------------------------------------ publishing */

/* Read by any thread; immutable once it was sent. */
struct publication;

struct publication_text {
	struct str topic;
	struct str payload; /* UTF-8 */
	struct str event;   /* its name for event streams; or empty */
};

uint64_t publication_id(const struct publication *publication); /* grows, in a topic */

/* What ids belong to: another process has another, and so knows nothing of theirs. */
uint32_t topics_epoch(const struct topics *topics);

/* As one frame of WebSocket; the publication's. */
struct packet *publication_frame(const struct publication *publication);

/* The same with its message compressed, referring to nothing (permessage-deflate with a window of 15
 * bits); made when first asked for, once. It is publication_frame() when compressing is not worth it. */
struct packet *publication_deflated(struct publication *publication);

/* As an event, with its id in front ("id: EPOCH.ID"); made when first asked for. The publication's; NULL
 * without memory. */
struct packet *publication_event(struct publication *publication);
struct packet *publication_event_bare(struct publication *publication); /* without the id */

/* Embedded in who publishes. */
struct publish {
	struct publication *publication; /* under way; or NULL */
	void (*on_end)(struct publish *publish, uint64_t n_subscribers);
};

/* On one of the loops. on_end() is called once, from the loop, when the topic's home has it, unless
 * publish_leave() comes first. 0, or -ENOMEM. */
int publish_start(struct publish *publish, struct topics *topics,
		  const struct publication_text *text);
void publish_leave(struct publish *publish); /* it is published all the same */

/* ------------------------------------------------------------ subscribing */

/* What a topic keeps for those who come again; the most that a subscriber asks for counts. */
struct topic_terms {
	uint32_t n_kept; /* 0: nothing */
	uint64_t kept_bytes;
	uint64_t age_ms;  /* for how long; 0: for as long as there is room */
	uint64_t keep_ms; /* behind its last subscriber */
};

struct joining;
struct topic_local;

/* Embedded in who subscribes. */
struct subscription {
	struct list link; /* in the topic of its loop */
	struct joining *join;
	struct topic_local *local; /* NULL: it has not joined yet */

	/* From on_joined() on. It has been given, or has missed for good, what has a number up to that;
	 * and whether something between its `after_id` and what it has been given may be missing. */
	uint64_t at_id;
	bool lost;

	/* It has joined; what was missed has been given before. */
	void (*on_joined)(struct subscription *subscription);
	void (*on_publication)(struct subscription *subscription, struct publication *publication);
};

/* On one of the loops. With `after_id` what was kept behind it comes first. 0, or -ENOMEM. */
int subscription_start(struct subscription *subscription, struct topics *topics, struct str topic,
		       const struct topic_terms *terms, const uint64_t *after_id);
void subscription_stop(struct subscription *subscription); /* harmless before it was started */
