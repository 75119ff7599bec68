/* server/live/live_topics.c: what a live connection subscribes to. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/live/live.h"
#include "server/worker.h"
#include <errno.h>

const char *const live_slow_choices[] = { "drop_oldest", "disconnect", NULL };

/* ------------------------------------------------------------ compiling */

static bool topics_compile_one(struct expr_compiler *compiler, const struct node *node,
			       struct live_topics_spec *spec)
{
	struct expr_compiler inner = *compiler;
	struct expr_uses uses = { 0 };
	struct template *name;
	struct str constant;

	inner.uses = &uses;
	name = template_compile(&inner, node, TEMPLATE_NAME);
	if (!name)
		return false;
	spec->names[spec->n_names++] = name;
	if (!uses.secrets && (!template_is_constant(name, &constant) || constant.len > 0))
		return true;
	diag_error(compiler->diag, node->place,
		   uses.secrets ? "a topic cannot be named by a secret"
				: "subscribe takes the names of topics, and this one is empty");
	return false;
}

bool live_topics_compile(struct expr_compiler *compiler, const struct node *node,
			 struct live_topics_spec *spec)
{
	bool ok = true;

	if (!node)
		return true;
	spec->names = arena_alloc_array(compiler->arena, LIVE_TOPICS_MAX, sizeof(*spec->names));
	if (node->kind != NODE_LIST)
		return topics_compile_one(compiler, node, spec);
	if (node->n_entries == 0 || node->n_entries > LIVE_TOPICS_MAX) {
		diag_error(compiler->diag, node->place, "subscribe takes 1 to %d topics",
			   LIVE_TOPICS_MAX);
		return false;
	}
	for (size_t i = 0; i < node->n_entries; i++)
		ok &= topics_compile_one(compiler, node->entries[i].value, spec);
	return ok;
}

/* ------------------------------------------------------------ subscribing */

static void topic_on_publication(struct subscription *subscription, struct publication *publication)
{
	struct live_topic *topic = container_of(subscription, struct live_topic, subscription);

	topic->live->ops->publish(topic->live, topic, publication);
}

static void topic_on_joined(struct subscription *subscription)
{
	struct live_topic *topic = container_of(subscription, struct live_topic, subscription);
	struct live *live = topic->live;

	topic->joined = true;
	topic->last_id = subscription->at_id;
	live->lost |= subscription->lost;
	if (--live->n_joining == 0)
		live->ops->joined(live);
}

/* 0; -EBADMSG, -EINVAL or -ENOMEM, with the environment's message. */
static int topic_start(struct live *live, struct live_topic *topic, struct template *name,
		       struct expr_env *env, const struct live_following *following)
{
	struct str text;
	int r = template_eval(name, env, &text);

	if (r == 0 && (text.len == 0 || text.len > TOPIC_NAME_MAX)) {
		strcpy(env->message, "a topic's name has 1 to 1024 bytes");
		return -EBADMSG;
	}
	if (r < 0)
		return r;
	topic->live = live;
	topic->subscription.on_joined = topic_on_joined;
	topic->subscription.on_publication = topic_on_publication;
	r = subscription_start(&topic->subscription, live->context.topics, text, &following->terms,
			       following->comes_again ? &topic->last_id : NULL);
	live->n_topics += r == 0;
	return r;
}

int live_follow(struct live *live, const struct live_topics_spec *spec, struct expr_env *env,
		const struct live_following *following)
{
	uint64_t now_us = (uint64_t)clock_wall_ns() / 1000 - 1;
	int r = 0;

	if (spec->n_names == 0)
		return 0;
	if (!live->context.topics) {
		strcpy(env->message, "nothing is published here");
		return -EINVAL;
	}
	live->topics = arena_alloc_array(&live->arena, spec->n_names, sizeof(*live->topics));
	if (!live->topics)
		return -ENOMEM;
	memset(live->topics, 0, spec->n_names * sizeof(*live->topics));
	for (size_t i = 0; i < spec->n_names; i++)
		live->topics[i].last_id = following->comes_again ? following->after_ids[i] : now_us;
	for (size_t i = 0; r == 0 && i < spec->n_names; i++)
		r = topic_start(live, &live->topics[i], spec->names[i], env, following);
	live->n_joining = live->n_topics;
	if (r < 0)
		live_unfollow(live);
	return r;
}

void live_unfollow(struct live *live)
{
	for (size_t i = 0; i < live->n_topics; i++)
		subscription_stop(&live->topics[i].subscription);
	live->n_topics = 0;
}

static void live_log_slow(const struct live *live, const struct outbox *outbox, const char *what)
{
	log_info("client is slow route=%s policy=%s queued_bytes=%zu id=%.*s",
		 LOG_QUOTE(live->route->pattern.text), what, outbox->size, STR_ARG(live->id));
}

bool live_make_room(struct live *live, struct outbox *outbox, size_t size, size_t max, int slow)
{
	struct worker_stats *stats = &live->worker->stats;
	size_t n_dropped;

	if (outbox->n_items == 0 || outbox_has_room(outbox, size, max))
		return true;
	if (outbox->held) { /* by us: it is not the client that is slow */
		outbox_release(outbox);
		return true;
	}
	if (slow == LIVE_SLOW_DISCONNECT) {
		live_log_slow(live, outbox, live_slow_choices[slow]);
		atomic_fetch_add_explicit(&stats->live_slow, 1, memory_order_relaxed);
		return false;
	}
	if (live->n_dropped == 0) /* once a connection: the rest are counted */
		live_log_slow(live, outbox, live_slow_choices[slow]);
	n_dropped = outbox_drop(outbox, size, max);
	live->n_dropped += n_dropped;
	atomic_fetch_add_explicit(&stats->live_dropped, n_dropped, memory_order_relaxed);
	return true;
}
