/* tests/server/live/topic_history.c: what a topic keeps, for how long, and what it knows to be missing; one
 * loop, on this thread, whose clock stands still. */
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/io/loop_clock.h"
#include "server/live/topics.h"
#include "tests/lib/tap.h"
#include <stdio.h>

static struct loop *loop;
static struct topics *topics;
static struct arena_budget budget;

/* Who has subscribed, and what it was given. */
static struct seen {
	struct subscription subscription;
	bool joined;
	unsigned n;
	uint64_t last_id;
	char last[32];
} seen;

static const struct topic_terms few = { 3, 1 << 20, 0, 60000 };

static void on_joined(struct subscription *subscription)
{
	container_of(subscription, struct seen, subscription)->joined = true;
}

static void on_publication(struct subscription *subscription, struct publication *publication)
{
	struct seen *own = container_of(subscription, struct seen, subscription);
	struct str event = packet_bytes(publication_event_bare(publication));

	snprintf(own->last, sizeof(own->last), "%.*s", (int)(event.len - strlen("data: \n\n")),
		 event.ptr + strlen("data: "));
	own->last_id = publication_id(publication);
	own->n++;
}

struct asking {
	struct ready ready;
	const char *topic, *text;
	const struct topic_terms *terms;
	const uint64_t *after_id;
};

static void on_published(struct publish *publish, uint64_t n_subscribers)
{
	(void)publish;
	(void)n_subscribers;
}

static void publish_now(struct ready *ready)
{
	const struct asking *asking = container_of(ready, struct asking, ready);
	static struct publish publish = { .on_end = on_published };
	const struct publication_text text = { .topic = str_of(asking->topic),
					       .payload = str_of(asking->text) };

	check(publish_start(&publish, topics, &text) == 0);
}

static void publish(const char *topic, const char *text)
{
	struct asking asking = { .topic = topic, .text = text };

	ready_init(&asking.ready, publish_now);
	loop_ready(loop, &asking.ready);
	loop_settle(loop);
}

static void join_now(struct ready *ready)
{
	const struct asking *asking = container_of(ready, struct asking, ready);

	seen = (struct seen){ .subscription = { .on_joined = on_joined,
						.on_publication = on_publication } };
	check(subscription_start(&seen.subscription, topics, str_of(asking->topic), asking->terms,
				 asking->after_id) == 0);
}

static void join(const char *topic, const struct topic_terms *terms, const uint64_t *after_id)
{
	struct asking asking = { .topic = topic, .terms = terms, .after_id = after_id };

	ready_init(&asking.ready, join_now);
	loop_ready(loop, &asking.ready);
	loop_settle(loop);
	check(seen.joined);
}

static void leave_now(struct ready *ready)
{
	(void)ready;
	subscription_stop(&seen.subscription);
}

static void leave(void)
{
	struct ready ready;

	ready_init(&ready, leave_now);
	loop_ready(loop, &ready);
	loop_settle(loop);
}

static void begin(void)
{
	budget = (struct arena_budget){ .max = SIZE_MAX };
	clock_freeze(1000 * NS_PER_S, INT64_C(1800000000) * (int64_t)NS_PER_S);
	check(loop_create(&loop) == 0);
	topics = topics_create(&loop, 1, &budget);
}

static void end(void)
{
	topics_settle(topics);
	topics_destroy(topics);
	loop_destroy(loop);
	is_int((int64_t)atomic_load(&budget.used), 0);
}

static size_t kept_bytes(void)
{
	struct topics_stats stats;

	topics_stats(topics, &stats);
	return stats.kept_bytes;
}

/* ------------------------------------------------------------ */

static void whoever_comes_again_gets_what_it_has_not_seen_and_learns_when_that_is_not_all(void)
{
	uint64_t ids[6];

	begin();
	join("t", &few, NULL);
	ids[0] = seen.subscription.at_id;
	for (unsigned i = 1; i < 6; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%u", i);
		publish("t", text);
		ids[i] = seen.last_id;
	}
	leave();
	for (unsigned i = 0; i < 6; i++) {
		join("t", &few, &ids[i]);
		is_int(seen.n, MIN(5 - i, 3U));
		is_true(seen.subscription.lost == (i < 2));
		is_true(seen.subscription.at_id == ids[5]);
		leave();
	}
	end();
}

static void a_clock_that_is_set_back_changes_nothing(void)
{
	uint64_t id;

	begin();
	join("t", &few, NULL);
	publish("t", "a");
	id = seen.last_id;
	leave();
	clock_freeze(1001 * NS_PER_S, INT64_C(1700000000) * (int64_t)NS_PER_S);
	publish("t", "b");
	join("t", &few, &id);
	is_int(seen.n, 1);
	is_str(str_of(seen.last), STR("b"));
	is_false(seen.subscription.lost);
	leave();
	end();
}

static void where_nothing_is_kept_whoever_comes_again_learns_that_something_was_published(void)
{
	static const struct topic_terms none = { 0 };
	uint64_t id;

	begin();
	join("t", &none, NULL);
	id = seen.subscription.at_id;
	leave();
	join("t", &none, &id);
	is_false(seen.subscription.lost);
	publish("t", "a");
	is_int(seen.n, 1);
	leave();
	join("t", &none, &id);
	is_true(seen.subscription.lost);
	is_int(seen.n, 0);
	leave();
	end();
}

static void what_is_too_old_goes_by_itself(void)
{
	static const struct topic_terms terms = { 100, 1 << 20, 1000, 60000 };
	uint64_t id;

	begin();
	join("t", &terms, NULL);
	id = seen.subscription.at_id;
	publish("t", "a");
	loop_advance(loop, 600 * NS_PER_MS);
	publish("t", "b");
	is_true(kept_bytes() > 0);
	leave();
	loop_advance(loop, 600 * NS_PER_MS);
	join("t", &terms, &id);
	is_int(seen.n, 1);
	is_str(str_of(seen.last), STR("b"));
	is_true(seen.subscription.lost);
	loop_advance(loop, 600 * NS_PER_MS);
	is_int((int64_t)kept_bytes(), 0);
	leave();
	end();
}

static void names_that_somebody_makes_up_take_nothing_from_topics_that_keep_something(void)
{
	uint64_t id;

	begin();
	join("t", &few, NULL);
	id = seen.subscription.at_id;
	leave();
	publish("t", "kept");
	for (unsigned i = 0; i < TOPICS_IDLE_MAX + 10; i++) {
		char name[32];

		snprintf(name, sizeof(name), "made up %u", i);
		join(name, &few, NULL);
		leave();
	}
	join("t", &few, &id);
	is_int(seen.n, 1);
	is_false(seen.subscription.lost);
	leave();
	end();
}

int main(void)
{
	TEST(whoever_comes_again_gets_what_it_has_not_seen_and_learns_when_that_is_not_all);
	TEST(a_clock_that_is_set_back_changes_nothing);
	TEST(where_nothing_is_kept_whoever_comes_again_learns_that_something_was_published);
	TEST(what_is_too_old_goes_by_itself);
	TEST(names_that_somebody_makes_up_take_nothing_from_topics_that_keep_something);
	return tap_done();
}
