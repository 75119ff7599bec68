/* server/live/topic_home.c: topics at their home.
 *
 *   JOIN --> subscribed --> LEAVE of the last --> idle (while it keeps something) --> JOIN, or freed */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/live/topics_private.h"
#include <stdlib.h>

enum { SWEEP_MS = 1000 };

struct topic {
	struct topic_loop *home;
	struct list link; /* in home->idle or home->empty */
	struct str name;
	struct list kept; /* of struct publication.link, in their order */
	uint32_t n_kept;
	size_t kept_bytes;
	struct topic_terms terms;
	struct timer aging; /* while something is kept, and terms.age_ms bounds for how long */
	uint64_t since_id;  /* everything published behind that number is kept */
	uint64_t idle_until_ns;
	uint64_t n_subscribers;
	uint32_t n_by_loop[]; /* subscribers; then the name */
};

/* ------------------------------------------------------------ making and freeing */

static void topic_on_aged(struct timer *timer);

static struct topic *topic_create(struct topic_loop *home, struct str name)
{
	size_t n_loops = home->topics->n_loops;
	struct topic *topic =
		mem_zalloc(sizeof(*topic) + n_loops * sizeof(uint32_t) + name.len + 1);

	topic->name = (struct str){ (char *)&topic->n_by_loop[n_loops], name.len };
	memcpy(&topic->n_by_loop[n_loops], name.ptr, name.len);
	list_init(&topic->link);
	list_init(&topic->kept);
	topic->home = home;
	topic->since_id = home->last_id;
	timer_init(&topic->aging, home->loop, topic_on_aged);
	map_set(&home->homes, topic->name, topic);
	atomic_fetch_add(&home->topics->n_topics, 1);
	return topic;
}

static void topic_drop(struct topic_loop *home, struct topic *topic)
{
	struct publication *oldest = container_of(topic->kept.next, struct publication, link);

	list_remove(&oldest->link);
	list_remove(&oldest->age);
	topic->since_id = oldest->id;
	topic->n_kept--;
	topic->kept_bytes -= oldest->size;
	home->kept_bytes -= oldest->size;
	atomic_fetch_sub(&home->topics->kept_bytes, oldest->size);
	publication_unref(oldest);
}

static void topic_unlink_idle(struct topic_loop *home, struct topic *topic)
{
	if (!list_is_linked(&topic->link))
		return;
	list_remove(&topic->link);
	home->n_idle--;
}

static void topic_destroy(struct topic_loop *home, struct topic *topic)
{
	topic_unlink_idle(home, topic);
	timer_stop(&topic->aging);
	while (topic->n_kept > 0)
		topic_drop(home, topic);
	map_remove(&home->homes, topic->name);
	atomic_fetch_sub(&home->topics->n_topics, 1);
	free(topic);
}

/* ------------------------------------------------------------ those that nobody subscribes to */

static void home_sweep(struct topic_loop *home, struct list *topics)
{
	uint64_t now_ns = loop_now_ns(home->loop);
	struct topic *topic;

	list_each(topic, topics, struct topic, link)
		if (topic->idle_until_ns <= now_ns)
			topic_destroy(home, topic);
}

static void home_on_sweep(struct timer *timer)
{
	struct topic_loop *home = container_of(timer, struct topic_loop, sweep);

	home_sweep(home, &home->idle);
	home_sweep(home, &home->empty);
	if (home->n_idle > 0)
		timer_start(timer, SWEEP_MS);
}

/* Whoever may name topics, and only subscribe to them, takes nothing from those that have something. */
static void home_make_room(struct topic_loop *home)
{
	struct list *from = list_is_empty(&home->empty) ? &home->idle : &home->empty;

	topic_destroy(home, container_of(from->next, struct topic, link));
}

static void topic_rest(struct topic_loop *home, struct topic *topic)
{
	if (topic->terms.n_kept == 0) {
		topic_destroy(home, topic);
		return;
	}
	topic->idle_until_ns = loop_now_ns(home->loop) + topic->terms.keep_ms * NS_PER_MS;
	list_add(topic->n_kept > 0 ? &home->idle : &home->empty, &topic->link);
	home->n_idle++;
	if (home->n_idle > TOPICS_IDLE_MAX / home->topics->n_loops)
		home_make_room(home);
	if (!timer_is_running(&home->sweep))
		timer_start(&home->sweep, SWEEP_MS);
}

void topic_home_init(struct topic_loop *home)
{
	list_init(&home->idle);
	list_init(&home->empty);
	list_init(&home->kept);
	timer_init(&home->sweep, home->loop, home_on_sweep);
}

void topic_home_fini(struct topic_loop *home)
{
	struct map_slot *slot;

	timer_stop(&home->sweep);
	for (size_t at = 0; (slot = map_next(&home->homes, &at));)
		topic_destroy(home, slot->value);
}

/* ------------------------------------------------------------ publishing */

static bool topic_is_over(const struct topic *topic)
{
	return topic->n_kept > topic->terms.n_kept || topic->kept_bytes > topic->terms.kept_bytes;
}

/* The oldest goes when its time is over; then the next one is waited for. */
static void topic_age(struct topic *topic)
{
	uint64_t age_ns = topic->terms.age_ms * NS_PER_MS, now_ns = loop_now_ns(topic->home->loop);

	while (topic->n_kept > 0 && age_ns > 0) {
		struct publication *oldest =
			container_of(topic->kept.next, struct publication, link);

		if (now_ns < oldest->kept_ns + age_ns) {
			timer_start_at(&topic->aging, oldest->kept_ns + age_ns);
			return;
		}
		topic_drop(topic->home, topic);
	}
}

static void topic_on_aged(struct timer *timer)
{
	topic_age(container_of(timer, struct topic, aging));
}

static void topic_keep(struct topic_loop *home, struct topic *topic,
		       struct publication *publication)
{
	if (topic->terms.n_kept == 0) {
		topic->since_id = publication->id;
		return;
	}
	publication_ref(publication);
	publication->kept_ns = loop_now_ns(home->loop);
	list_add(&topic->kept, &publication->link);
	list_add(&home->kept, &publication->age);
	if (topic->n_kept++ == 0 && list_is_linked(&topic->link)) {
		list_remove(&topic->link);
		list_add(&home->idle, &topic->link);
	}
	topic->kept_bytes += publication->size;
	home->kept_bytes += publication->size;
	atomic_fetch_add(&home->topics->kept_bytes, publication->size);
	while (topic->n_kept > 0 && topic_is_over(topic))
		topic_drop(home, topic);
	while (home->kept_bytes > TOPICS_HISTORY_MAX / home->topics->n_loops) {
		struct publication *oldest = container_of(home->kept.next, struct publication, age);

		topic_drop(home, map_find(&home->homes, oldest->topic));
	}
	if (!timer_is_running(&topic->aging))
		topic_age(topic);
}

static uint64_t home_now_us(void)
{
	return (uint64_t)clock_wall_ns() / 1000;
}

/* Also behind a restart, numbers grow: they are microseconds of the clock on the wall, or one more. */
static uint64_t home_next_id(struct topic_loop *home)
{
	home->last_id = MAX(home->last_id + 1, home_now_us());
	return home->last_id;
}

void topic_home_publish(struct topic_loop *home, struct publication *publication)
{
	struct topic *topic = map_find(&home->homes, publication->topic);
	struct topics *topics = home->topics;

	atomic_fetch_add_explicit(&topics->n_published, 1, memory_order_relaxed);
	publication->id = home_next_id(home);
	publication->n_subscribers = topic ? topic->n_subscribers : 0;
	if (!topic)
		return;
	topic_keep(home, topic, publication);
	for (uint32_t i = 0; i < topics->n_loops; i++) {
		struct delivery *delivery = &publication->deliveries[i];

		if (topic->n_by_loop[i] == 0)
			continue;
		delivery->publication = publication_ref(publication);
		delivery->loop = i;
		topics_post(topics, i, &delivery->post, topic_local_deliver);
	}
}

/* ------------------------------------------------------------ subscribers */

/* What was kept behind the number; one that is still to come is of another life of this clock, and means
 * all of it. */
static void topic_collect(const struct topic_loop *home, const struct topic *topic,
			  struct joining *join)
{
	uint64_t newest = MAX(home->last_id, home_now_us());
	uint64_t after_id = join->after_id > newest ? 0 : join->after_id;
	struct publication *publication;

	join->at_id = home->last_id;
	join->lost = join->asks_kept && after_id < topic->since_id;
	if (!join->asks_kept || topic->n_kept == 0)
		return;
	join->missed = malloc(topic->n_kept * sizeof(struct publication *));
	if (!join->missed) { /* it joins without: better than not at all */
		join->lost = true;
		return;
	}
	list_each(publication, &topic->kept, struct publication, link)
		if (publication->id > after_id)
			join->missed[join->n_missed++] = publication_ref(publication);
}

static void topic_widen(struct topic_terms *terms, const struct topic_terms *more)
{
	terms->n_kept = MAX(terms->n_kept, more->n_kept);
	terms->kept_bytes = MAX(terms->kept_bytes, more->kept_bytes);
	terms->keep_ms = MAX(terms->keep_ms, more->keep_ms);
	terms->age_ms = MAX(terms->age_ms, more->age_ms);
}

void topic_home_join(struct topic_loop *home, struct joining *join)
{
	struct topic *topic = map_find(&home->homes, join_name(join));

	if (!topic)
		topic = topic_create(home, join_name(join));
	topic_unlink_idle(home, topic);
	topic_widen(&topic->terms, &join->terms);
	topic->n_subscribers++;
	topic->n_by_loop[join->from]++;
	topic_collect(home, topic, join);
}

void topic_home_leave(struct topic_loop *home, const struct joining *join)
{
	struct topic *topic = map_find(&home->homes, join_name(join));

	check(topic && topic->n_by_loop[join->from] > 0);
	topic->n_by_loop[join->from]--;
	if (--topic->n_subscribers == 0)
		topic_rest(home, topic);
}
