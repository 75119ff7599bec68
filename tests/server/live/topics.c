/* tests/server/live/topics.c: publishing and subscribing over several loops, each with a thread.
 *
 * Each loop publishes to topics of all homes while its subscribers come and go; every subscriber checks
 * that what it gets of one publisher comes in order, each once, and without a gap while it is there. */
#include "server/live/topics.h"
#include "core/base/check.h"
#include "core/base/memory.h"
#include "tests/lib/tap.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { N_LOOPS = 4, N_TOPICS = 7, N_SUBSCRIBERS = 16, N_PUBLICATIONS = 400 };

struct subscriber {
	struct subscription subscription;
	struct place_of_loop *here;
	struct timer timer;
	unsigned topic;
	bool joined, subscribed;
	bool placed; /* has joined once: last_id tells where it is */
	uint64_t last_id;
	unsigned last[N_LOOPS]; /* of each publisher; 0: nothing yet */
	unsigned n_rounds;
};

struct place_of_loop {
	struct loop *loop;
	pthread_t thread;
	unsigned index, n_published, n_ended;
	struct publish publish;
	struct ready next;
	struct subscriber subscribers[N_SUBSCRIBERS];
	unsigned seed;
};

static struct place_of_loop places[N_LOOPS];
static struct topics *topics;
static struct arena_budget budget;
static atomic_uint n_done, n_got, n_wrong;

static void topic_name(char out[32], unsigned topic)
{
	snprintf(out, 32, "topic-%u", topic);
}

static void finish(void)
{
	if (atomic_fetch_add(&n_done, 1) + 1 == N_LOOPS * (1 + N_SUBSCRIBERS))
		for (unsigned i = 0; i < N_LOOPS; i++)
			loop_stop(places[i].loop);
}

/* ------------------------------------------------------------ publishers */

static void publish_next(struct ready *ready);

static void on_published(struct publish *publish, uint64_t n_subscribers)
{
	struct place_of_loop *here = container_of(publish, struct place_of_loop, publish);

	(void)n_subscribers;
	loop_ready(here->loop, &here->next);
}

static void publish_next(struct ready *ready)
{
	struct place_of_loop *here = container_of(ready, struct place_of_loop, next);
	char name[32], text[64];
	struct publication_text publication = { .event = STR("e") };

	if (here->n_published == N_PUBLICATIONS) {
		finish();
		return;
	}
	here->n_published++;
	topic_name(name, here->n_published % N_TOPICS);
	snprintf(text, sizeof(text), "%u %u", here->index, here->n_published);
	publication.topic = str_of(name);
	publication.payload = str_of(text);
	here->publish.on_end = on_published;
	check(publish_start(&here->publish, topics, &publication) == 0);
}

/* ------------------------------------------------------------ subscribers */

/* Whoever has been told where it is misses nothing behind that. */
static void on_joined(struct subscription *subscription)
{
	struct subscriber *own = container_of(subscription, struct subscriber, subscription);

	if (own->placed && (subscription->lost || subscription->at_id < own->last_id))
		atomic_fetch_add(&n_wrong, 1);
	own->last_id = subscription->at_id;
	own->placed = true;
	own->joined = true;
}

/* "event: e\ndata: PUBLISHER N" */
static void on_publication(struct subscription *subscription, struct publication *publication)
{
	struct subscriber *own = container_of(subscription, struct subscriber, subscription);
	struct packet *event = publication_event(publication);
	struct str frame = packet_bytes(publication_frame(publication));
	unsigned publisher, number;
	uint32_t epoch;
	uint64_t id;
	char text[128];

	check(event && packet_bytes(event).len < sizeof(text));
	memcpy(text, packet_bytes(event).ptr, packet_bytes(event).len);
	text[packet_bytes(event).len] = '\0';
	check(sscanf(text, "id: %" SCNx32 ".%" SCNx64 "\nevent: e\ndata: %u %u\n", &epoch, &id,
		     &publisher, &number) == 4);
	check(epoch == topics_epoch(topics));
	check(frame.len > 2 && strstr(text, "data: ") != NULL);
	atomic_fetch_add(&n_got, 1);
	if (id != publication_id(publication) || id <= own->last_id ||
	    number % N_TOPICS != own->topic)
		atomic_fetch_add(&n_wrong, 1);
	own->last_id = id;
	if (own->last[publisher] && number != own->last[publisher] + N_TOPICS)
		atomic_fetch_add(&n_wrong, 1);
	own->last[publisher] = number;
}

static void subscriber_go_on(struct timer *timer)
{
	static const struct topic_terms terms = { 1000, 1 << 20, 0, 60000 };
	struct subscriber *own = container_of(timer, struct subscriber, timer);
	struct place_of_loop *here = own->here;
	char name[32];

	if (own->subscribed)
		subscription_stop(&own->subscription);
	own->subscribed = false;
	if (own->n_rounds++ == 20) {
		finish();
		return;
	}
	/* one of two comes again where it was, and so may see no gap; the other begins anew */
	if (here->index % 2)
		memset(own->last, 0, sizeof(own->last));
	topic_name(name, own->topic);
	own->subscription.on_joined = on_joined;
	own->subscription.on_publication = on_publication;
	own->joined = false;
	check(subscription_start(&own->subscription, topics, str_of(name), &terms,
				 here->index % 2 ? NULL : &own->last_id) == 0);
	own->subscribed = true;
	timer_start(timer, (uint64_t)(rand_r(&here->seed) % 4));
}

static void *run(void *arg)
{
	struct place_of_loop *here = arg;

	loop_run(here->loop);
	return NULL;
}

static void begin(void)
{
	struct loop *loops[N_LOOPS];

	budget = (struct arena_budget){ .max = SIZE_MAX };
	for (unsigned i = 0; i < N_LOOPS; i++) {
		check(loop_create(&places[i].loop) == 0);
		loops[i] = places[i].loop;
	}
	topics = topics_create(loops, N_LOOPS, &budget);
	for (unsigned i = 0; i < N_LOOPS; i++) {
		struct place_of_loop *here = &places[i];

		here->index = i;
		here->seed = i + 1;
		ready_init(&here->next, publish_next);
		loop_ready(here->loop, &here->next);
		for (unsigned j = 0; j < N_SUBSCRIBERS; j++) {
			here->subscribers[j].here = here;
			here->subscribers[j].topic = j % N_TOPICS;
			timer_init(&here->subscribers[j].timer, here->loop, subscriber_go_on);
			timer_start(&here->subscribers[j].timer, 0);
		}
	}
}

static void end(void)
{
	struct topics_stats stats;

	for (unsigned i = 0; i < N_LOOPS; i++)
		pthread_join(places[i].thread, NULL);
	topics_settle(topics);
	topics_stats(topics, &stats);
	is_int((int64_t)stats.n_subscriptions, 0);
	is_int((int64_t)stats.n_published, N_LOOPS * N_PUBLICATIONS);
	topics_destroy(topics);
	is_int((int64_t)atomic_load(&budget.used), 0);
	for (unsigned i = 0; i < N_LOOPS; i++)
		loop_destroy(places[i].loop);
}

static void what_is_published_comes_in_order_and_once_while_subscribers_come_and_go(void)
{
	begin();
	for (unsigned i = 0; i < N_LOOPS; i++)
		check(pthread_create(&places[i].thread, NULL, run, &places[i]) == 0);
	end();
	is_int((int64_t)atomic_load(&n_wrong), 0);
	is_true(atomic_load(&n_got) > 0);
}

int main(void)
{
	TEST(what_is_published_comes_in_order_and_once_while_subscribers_come_and_go);
	return tap_done();
}
