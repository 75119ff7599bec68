/* server/live/topic_local.c: the subscribers of one loop. */
#include "core/base/memory.h"
#include "server/live/topics_private.h"
#include <errno.h>
#include <stdlib.h>

/* A topic as a loop knows it: who subscribes to it there. */
struct topic_local {
	struct list subscriptions; /* of struct subscription */
	struct list *next;         /* who is told next; NULL: nothing is being delivered */
	size_t name_len;
	char name[];
};

static struct topic_local *local_find(struct topic_loop *here, struct str name)
{
	struct topic_local *local = map_find(&here->locals, name);

	if (local)
		return local;
	local = mem_zalloc(sizeof(*local) + name.len + 1);
	list_init(&local->subscriptions);
	local->name_len = name.len;
	memcpy(local->name, name.ptr, name.len);
	map_set(&here->locals, (struct str){ local->name, name.len }, local);
	return local;
}

static void local_check(struct topic_loop *here, struct topic_local *local)
{
	if (local->next || !list_is_empty(&local->subscriptions))
		return;
	map_remove(&here->locals, (struct str){ local->name, local->name_len });
	free(local);
}

/* Whoever is told may leave, also others than itself. */
static uint64_t local_tell(struct topic_local *local, struct publication *publication)
{
	uint64_t n = 0;

	local->next = local->subscriptions.next;
	while (local->next != &local->subscriptions) {
		struct subscription *subscription =
			container_of(local->next, struct subscription, link);

		local->next = local->next->next;
		subscription->on_publication(subscription, publication);
		n++;
	}
	local->next = NULL;
	return n;
}

/* Queues are filled here, in one turn; what goes out goes in the round of the loop's live connections
 * behind it, in the same turn. */
void topic_local_deliver(struct post *post)
{
	struct delivery *delivery = container_of(post, struct delivery, post);
	struct publication *publication = delivery->publication;
	struct topics *topics = publication->topics;
	struct topic_loop *here = &topics->loops[delivery->loop];
	struct topic_local *local = map_find(&here->locals, publication->topic);
	uint64_t n = 0;

	if (local) {
		n = local_tell(local, publication);
		local_check(here, local);
	}
	atomic_fetch_add_explicit(&topics->n_delivered, n, memory_order_relaxed);
	publication_unref(publication);
	topics_arrived(topics);
}

/* ------------------------------------------------------------ coming and going */

static void join_free(struct joining *join)
{
	for (size_t i = 0; i < join->n_missed; i++)
		publication_unref(join->missed[i]);
	free(join->missed);
	arena_budget_give_back(join->topics->budget, sizeof(*join) + join->name_len);
	free(join);
}

static void join_on_leave(struct post *post)
{
	struct joining *join = container_of(post, struct joining, post);
	struct topics *topics = join->topics;

	topic_home_leave(&topics->loops[join->home], join);
	join_free(join);
	topics_arrived(topics);
}

static void join_leave(struct joining *join)
{
	atomic_fetch_sub(&join->topics->n_subscriptions, 1);
	topics_post(join->topics, join->home, &join->post, join_on_leave);
}

static void join_give_missed(struct joining *join)
{
	for (size_t i = 0; i < join->n_missed; i++) {
		if (join->subscription)
			join->subscription->on_publication(join->subscription, join->missed[i]);
		publication_unref(join->missed[i]);
	}
	join->n_missed = 0;
	free(take(&join->missed));
}

static void join_on_joined(struct post *post)
{
	struct joining *join = container_of(post, struct joining, post);
	struct topics *topics = join->topics;
	struct topic_loop *here = &topics->loops[join->from];

	join_give_missed(join);
	if (join->subscription) {
		struct subscription *subscription = join->subscription;

		subscription->at_id = join->at_id;
		subscription->lost = join->lost;
		subscription->local = local_find(here, join_name(join));
		list_add(&subscription->local->subscriptions, &subscription->link);
		subscription->on_joined(subscription);
	} else {
		join_leave(join);
	}
	topics_arrived(topics);
}

static void join_on_home(struct post *post)
{
	struct joining *join = container_of(post, struct joining, post);
	struct topics *topics = join->topics;

	topic_home_join(&topics->loops[join->home], join);
	topics_post(topics, join->from, post, join_on_joined);
	topics_arrived(topics);
}

int subscription_start(struct subscription *subscription, struct topics *topics, struct str topic,
		       const struct topic_terms *terms, const uint64_t *after_id)
{
	size_t size = sizeof(struct joining) + topic.len;
	struct joining *join;

	if (!arena_budget_take(topics->budget, size))
		return -ENOMEM;
	join = calloc(1, size);
	if (!join) {
		arena_budget_give_back(topics->budget, size);
		return -ENOMEM;
	}
	join->topics = topics;
	join->subscription = subscription;
	join->from = topics_here(topics)->index;
	join->home = topics_home(topics, topic);
	join->terms = *terms;
	join->asks_kept = after_id != NULL;
	join->after_id = after_id ? *after_id : 0;
	join->name_len = topic.len;
	memcpy(join->name, topic.ptr, topic.len);
	list_init(&subscription->link);
	subscription->join = join;
	subscription->local = NULL;
	atomic_fetch_add(&topics->n_subscriptions, 1);
	topics_post(topics, join->home, &join->post, join_on_home);
	return 0;
}

void subscription_stop(struct subscription *subscription)
{
	struct joining *join = take(&subscription->join);
	struct topic_local *local = take(&subscription->local);

	if (!join)
		return;
	join->subscription = NULL; /* where it has not come back yet, that tells */
	if (!local)
		return;
	if (local->next == &subscription->link)
		local->next = subscription->link.next;
	list_remove(&subscription->link);
	local_check(&join->topics->loops[join->from], local);
	join_leave(join);
}
