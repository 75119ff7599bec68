/* server/live/topics.c: the loops of topics, and publications on their way. */
#include "core/base/memory.h"
#include "server/live/deflate.h"
#include "server/live/event.h"
#include "server/live/topics_private.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { SETTLE_ROUNDS = 10000, TOPIC_ID_LINE_MAX = 32 };

struct topics *topics_create(struct loop *const loops[], size_t n_loops,
			     struct arena_budget *budget)
{
	struct topics *topics = mem_zalloc(sizeof(*topics) + n_loops * sizeof(struct topic_loop));

	topics->budget = budget;
	check(getrandom(&topics->epoch, sizeof(topics->epoch), 0) == sizeof(topics->epoch));
	topics->n_loops = n_loops;
	for (size_t i = 0; i < n_loops; i++) {
		struct topic_loop *own = &topics->loops[i];

		own->topics = topics;
		own->loop = loops[i];
		own->index = (uint32_t)i;
		map_init(&own->homes);
		map_init(&own->locals);
		topic_home_init(own);
	}
	return topics;
}

void topics_settle(struct topics *topics)
{
	for (unsigned n = 0; n < SETTLE_ROUNDS && atomic_load(&topics->n_in_flight) > 0; n++)
		for (size_t i = 0; i < topics->n_loops; i++)
			loop_run_once(topics->loops[i].loop, false);
}

void topics_destroy(struct topics *topics)
{
	if (!topics)
		return;
	for (size_t i = 0; i < topics->n_loops; i++) {
		topic_home_fini(&topics->loops[i]);
		map_fini(&topics->loops[i].homes);
		map_fini(&topics->loops[i].locals);
		deflater_destroy(topics->loops[i].deflater);
	}
	free(topics);
}

void topics_stats(struct topics *topics, struct topics_stats *ret_stats)
{
	*ret_stats = (struct topics_stats){
		.n_topics = atomic_load(&topics->n_topics),
		.n_subscriptions = atomic_load(&topics->n_subscriptions),
		.n_published = atomic_load(&topics->n_published),
		.n_delivered = atomic_load(&topics->n_delivered),
		.kept_bytes = atomic_load(&topics->kept_bytes),
	};
}

struct topic_loop *topics_here(struct topics *topics)
{
	for (size_t i = 0; i < topics->n_loops; i++)
		if (loop_is_current(topics->loops[i].loop))
			return &topics->loops[i];
	unreachable();
}

uint32_t topics_home(const struct topics *topics, struct str name)
{
	return (uint32_t)(str_hash(name) % topics->n_loops);
}

void topics_post(struct topics *topics, uint32_t to, struct post *post, post_fn *run)
{
	atomic_fetch_add(&topics->n_in_flight, 1);
	post->run = run;
	loop_post(topics->loops[to].loop, post);
}

void topics_arrived(struct topics *topics)
{
	atomic_fetch_sub(&topics->n_in_flight, 1);
}

/* ------------------------------------------------------------ publications */

struct publication *publication_ref(struct publication *publication)
{
	atomic_fetch_add_explicit(&publication->n_refs, 1, memory_order_relaxed);
	return publication;
}

void publication_unref(struct publication *publication)
{
	if (atomic_fetch_sub_explicit(&publication->n_refs, 1, memory_order_acq_rel) != 1)
		return;
	packet_unref(publication->frame);
	packet_unref(atomic_load(&publication->as_event));
	packet_unref(atomic_load(&publication->as_bare));
	packet_unref(atomic_load(&publication->deflated));
	arena_budget_give_back(publication->topics->budget, publication->size);
	free(publication);
}

uint64_t publication_id(const struct publication *publication)
{
	return publication->id;
}

struct packet *publication_frame(const struct publication *publication)
{
	return publication->frame;
}

static char *text_put(char *at, struct str text)
{
	if (text.len)
		memcpy(at, text.ptr, text.len);
	return at + text.len;
}

uint32_t topics_epoch(const struct topics *topics)
{
	return topics->epoch;
}

/* Two loops may make it at once: one of them is kept. */
static struct packet *publication_make_event(struct publication *publication, struct str id_line,
					     _Atomic(struct packet *) *place)
{
	struct packet *there = NULL;
	struct packet *made = event_packet(publication->topics->budget, id_line, publication->event,
					   publication->payload);

	if (made && !atomic_compare_exchange_strong(place, &there, made)) {
		packet_unref(made);
		return there;
	}
	return made;
}

struct packet *publication_event(struct publication *publication)
{
	struct packet *there = atomic_load(&publication->as_event);
	char line[TOPIC_ID_LINE_MAX];
	int len;

	if (there)
		return there;
	len = snprintf(line, sizeof(line), "id: %" PRIx32 ".%" PRIx64 "\n",
		       publication->topics->epoch, publication->id);
	return publication_make_event(publication, (struct str){ line, (size_t)len },
				      &publication->as_event);
}

struct packet *publication_event_bare(struct publication *publication)
{
	struct packet *there = atomic_load(&publication->as_bare);

	return there ? there : publication_make_event(publication, STR_NONE, &publication->as_bare);
}

/* NULL: it is not worth it, or there is no memory. A loop's deflater is as its scratch: not counted. */
static struct packet *publication_deflate(struct publication *publication, struct topic_loop *here)
{
	struct str payload = publication->payload;
	struct packet *made = NULL;
	struct buf out;

	if (payload.len < DEFLATE_MIN || payload.len > DEFLATE_MAX)
		return NULL;
	if (!here->deflater)
		here->deflater = deflater_create(DEFLATE_BITS_MAX, NULL);
	if (!here->deflater)
		return NULL;
	buf_init(&out, 2 * DEFLATE_MAX);
	if (!deflater_message(here->deflater, payload, false, &out))
		deflater_destroy(take(&here->deflater));
	else if (out.len < payload.len)
		made = packet_create_frame(here->topics->budget, FRAME_TEXT, true, buf_str(&out));
	buf_fini(&out);
	return made;
}

struct packet *publication_deflated(struct publication *publication)
{
	struct packet *there = atomic_load(&publication->deflated), *made;

	if (there)
		return there;
	made = publication_deflate(publication, topics_here(publication->topics));
	if (!made)
		made = packet_ref(publication->frame);
	if (atomic_compare_exchange_strong(&publication->deflated, &there, made))
		return made;
	packet_unref(made);
	return there;
}

static size_t publication_size(const struct topics *topics, const struct publication_text *text)
{
	return sizeof(struct publication) + topics->n_loops * sizeof(struct delivery) +
	       text->topic.len + text->event.len + text->payload.len + 1;
}

static struct publication *publication_create(struct topics *topics,
					      const struct publication_text *text)
{
	size_t size = publication_size(topics, text);
	struct publication *publication;
	char *at;

	if (!arena_budget_take(topics->budget, size))
		return NULL;
	publication = calloc(1, size);
	if (!publication) {
		arena_budget_give_back(topics->budget, size);
		return NULL;
	}
	atomic_init(&publication->n_refs, 1);
	publication->topics = topics;
	publication->size = size;
	list_init(&publication->link);
	list_init(&publication->age);
	at = (char *)&publication->deliveries[topics->n_loops];
	publication->topic = (struct str){ at, text->topic.len };
	at = text_put(at, text->topic);
	publication->event = (struct str){ at, text->event.len };
	at = text_put(at, text->event);
	publication->payload = (struct str){ at, text->payload.len };
	text_put(at, text->payload);
	publication->frame = packet_create_frame(topics->budget, FRAME_TEXT, false, text->payload);
	if (publication->frame)
		return publication;
	publication_unref(publication);
	return NULL;
}

/* ------------------------------------------------------------ on their way */

/* Back at who has published it. */
static void publication_on_ack(struct post *post)
{
	struct publication *publication = container_of(post, struct publication, post);
	struct publish *publish = publication->asker;
	struct topics *topics = publication->topics;
	uint64_t n_subscribers = publication->n_subscribers;

	publication_unref(publication);
	topics_arrived(topics);
	if (!publish)
		return;
	publish->publication = NULL;
	publish->on_end(publish, n_subscribers);
}

static void publication_on_home(struct post *post)
{
	struct publication *publication = container_of(post, struct publication, post);
	struct topics *topics = publication->topics;

	topic_home_publish(topics_here(topics), publication);
	topics_post(topics, publication->from, post, publication_on_ack);
	topics_arrived(topics);
}

int publish_start(struct publish *publish, struct topics *topics,
		  const struct publication_text *text)
{
	struct publication *publication = publication_create(topics, text);

	if (!publication)
		return -ENOMEM;
	publication->from = topics_here(topics)->index;
	publication->asker = publish;
	publish->publication = publication;
	topics_post(topics, topics_home(topics, text->topic), &publication->post,
		    publication_on_home);
	return 0;
}

void publish_leave(struct publish *publish)
{
	if (publish->publication)
		take(&publish->publication)->asker = NULL;
}
