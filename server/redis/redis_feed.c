/* server/redis/redis_feed.c: subscriptions.
 *
 * The channels are subscribed by one command over a connection of the source's own; its first
 * confirmation is the command's reply, and all that follows is said unasked: other confirmations,
 * messages, and answers to the PINGs that show whether the server is still there. At most once:
 * what is published while nobody is subscribed, or while as many messages wait as may, is lost;
 * the latter is counted. */
#include "core/base/log.h"
#include "server/redis/redis_source.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PING_MIN_MS = 500 };

struct feed_message {
	struct source_message message;
	struct redis_load *load;
	struct value reply; /* [kind, …, channel, payload] */
};

struct redis_feed {
	struct redis_intake intake;
	struct redis_push push;
	struct redis_call call;
	struct redis_load *call_load;
	struct redis_load *load; /* what is being said; or NULL */
	bool calling, subscribed, stopped;
	bool heard; /* since the last PING */
	struct timer ping;
	size_t n_taken; /* messages that are not settled */
};

static struct redis_feed *feed_of(struct job_source *source)
{
	return container_of(source, struct redis_feed, intake.source);
}

static void feed_drop_load(struct redis_feed *feed)
{
	if (feed->load)
		redis_load_put(take(&feed->load));
}

static void feed_failed(struct redis_feed *feed, const char *problem)
{
	feed->subscribed = false;
	feed_drop_load(feed);
	timer_stop(&feed->ping);
	if (!timer_is_running(&feed->intake.timer))
		redis_intake_failed(&feed->intake, problem);
}

/* ------------------------------------------------------------ messages */

static int feed_value(const struct source_message *message, struct arena *arena, struct value *ret)
{
	const struct feed_message *mine = container_of(message, struct feed_message, message);
	const struct value *items = mine->reply.items;
	bool by_pattern = mine->reply.len == 4;
	struct member *members = arena_alloc_array(arena, 3, sizeof(*members));
	int r;

	if (!members)
		return -ENOMEM;
	members[0].key = value_text(STR("channel"));
	members[1].key = value_text(STR("payload"));
	members[2].key = value_text(STR("pattern"));
	members[2].value = value_null();
	r = redis_decode(items[by_pattern ? 2 : 1], arena, &members[0].value);
	if (r == 0)
		r = redis_decode(items[by_pattern ? 3 : 2], arena, &members[1].value);
	if (r == 0 && by_pattern)
		r = redis_decode(items[1], arena, &members[2].value);
	if (r == 0)
		*ret = value_object(members, 3);
	return r;
}

static void feed_want(struct redis_push *push, struct resp_want *ret_want)
{
	struct redis_feed *feed = container_of(push, struct redis_feed, push);

	feed_drop_load(feed);
	feed->load = redis_load_create(&feed->intake);
	if (feed->load)
		*ret_want = (struct resp_want){ .arena = &feed->load->arena,
						.max = feed->intake.spec.redis->reply_max,
						.base64 = true };
}

static void feed_take(struct redis_feed *feed, struct value reply)
{
	struct consumer *consumer = feed->intake.source.consumer;
	struct feed_message *message;

	if (feed->stopped)
		return;
	message = consumer_room(consumer) > 0 ? arena_zalloc(&feed->load->arena, sizeof(*message))
					      : NULL;
	if (!message) {
		consumer_count_dropped(consumer);
		return;
	}
	list_init(&message->message.link);
	message->load = take(&feed->load);
	message->reply = reply;
	message->message.lane = 1; /* in order */
	feed->n_taken++;
	consumer_take(consumer, &message->message);
}

/* The server has ended a subscription by itself: as when the slot of a sharded channel goes to another
 * one. It says no more of it. */
static bool feed_is_ended(struct str word)
{
	return str_eq(word, STR("unsubscribe")) || str_eq(word, STR("punsubscribe")) ||
	       str_eq(word, STR("sunsubscribe"));
}

/* What is too large, or has no room, is lost as well. */
static void feed_on_reply(struct redis_push *push, const struct resp_reply *reply)
{
	struct redis_feed *feed = container_of(push, struct redis_feed, push);
	struct value kind = value_null();

	feed->heard = true;
	if (!feed->load || reply->status != RESP_OK) {
		if (reply->status != RESP_ERROR)
			consumer_count_dropped(feed->intake.source.consumer);
	} else if (reply->value.kind == VALUE_LIST && reply->value.len >= 3 &&
		   redis_decode(reply->value.items[0], &feed->load->arena, &kind) == 0 &&
		   kind.kind == VALUE_TEXT) {
		struct str word = value_str(kind);

		if ((reply->value.len == 3 &&
		     (str_eq(word, STR("message")) || str_eq(word, STR("smessage")))) ||
		    (reply->value.len == 4 && str_eq(word, STR("pmessage"))))
			feed_take(feed, reply->value);
		else if (feed_is_ended(word) && !feed->stopped)
			feed_failed(feed, "the server has ended the subscription");
	}
	feed_drop_load(feed);
}

static void feed_settle(struct job_source *source, struct source_message *settled,
			enum source_outcome outcome, const struct failure *failure)
{
	struct redis_feed *feed = feed_of(source);

	if (outcome == SOURCE_FAILED)
		log_warning("job source drops a message name=%.*s error=%s",
			    STR_ARG(feed->intake.env.job), LOG_QUOTE(failure_code(failure)));
	feed->n_taken--;
	redis_load_put(container_of(settled, struct feed_message, message)->load);
}

/* ------------------------------------------------------------ subscribing */

static void feed_on_lost(struct redis_push *push, const char *problem)
{
	struct redis_feed *feed = container_of(push, struct redis_feed, push);

	if (!feed->stopped && !feed->calling)
		feed_failed(feed, problem);
}

static void feed_on_ping(struct timer *timer)
{
	struct redis_feed *feed = container_of(timer, struct redis_feed, ping);

	if (!feed->heard) {
		feed_failed(feed, "the server does not answer");
		return;
	}
	feed->heard = false;
	timer_start(&feed->ping, MAX(feed->intake.spec.redis->response_ms, (uint64_t)PING_MIN_MS));
	redis_loop_ping(feed->intake.rloop);
}

static void feed_on_subscribed(struct redis_call *call)
{
	struct redis_feed *feed = container_of(call, struct redis_feed, call);

	feed->calling = false;
	if (call->error != REDIS_OK) {
		feed_failed(feed, call->detail);
	} else {
		feed->subscribed = feed->heard = true;
		redis_intake_works(&feed->intake);
		timer_start(&feed->ping, PING_MIN_MS);
	}
	redis_load_put(take(&feed->call_load));
}

static void feed_subscribe(struct timer *timer)
{
	static const struct str names[] = { [REDIS_SUBSCRIBE] = STR_INIT("SUBSCRIBE"),
					    [REDIS_PSUBSCRIBE] = STR_INIT("PSUBSCRIBE"),
					    [REDIS_SSUBSCRIBE] = STR_INIT("SSUBSCRIBE") };
	struct redis_feed *feed = container_of(timer, struct redis_feed, intake.timer);
	const struct redis_source_spec *spec = &feed->intake.spec;
	size_t n = spec->channels.n_texts + 1;
	struct redis_command *command = NULL;
	struct str *args = NULL;

	redis_intake_reconnect(&feed->intake);
	feed->intake.rloop->push = &feed->push;
	feed->call_load = redis_load_create(&feed->intake);
	if (feed->call_load) {
		args = arena_alloc_array(&feed->call_load->arena, n, sizeof(*args));
		command = arena_zalloc(&feed->call_load->arena, sizeof(*command));
	}
	if (!args || !command) {
		if (feed->call_load)
			redis_load_put(take(&feed->call_load));
		redis_intake_failed(&feed->intake, "no memory to subscribe");
		return;
	}
	args[0] = names[spec->mode];
	memcpy(args + 1, spec->channels.texts, (n - 1) * sizeof(*args));
	*command = (struct redis_command){ command_find(args[0]), args, n };
	feed->calling = true;
	feed->call = (struct redis_call){ .on_end = feed_on_subscribed };
	redis_call_start(&feed->call, feed->intake.rloop, &feed->call_load->arena,
			 &(struct redis_request){
				 .redis = spec->redis, .commands = command, .n_commands = 1 });
}

/* ------------------------------------------------------------ life */

static void feed_resume(struct job_source *source)
{
	(void)source; /* it is never held back */
}

static void feed_stop(struct job_source *source)
{
	struct redis_feed *feed = feed_of(source);

	feed->stopped = true;
	timer_stop(&feed->intake.timer);
	timer_stop(&feed->ping);
	if (!feed->calling)
		return;
	redis_call_cancel(&feed->call);
	feed->calling = false;
	redis_load_put(take(&feed->call_load));
}

static void feed_close(struct job_source *source, bool now)
{
	struct redis_feed *feed = feed_of(source);
	struct consumer *consumer = source->consumer;

	(void)now;
	check(feed->n_taken == 0);
	redis_intake_fini(&feed->intake);
	feed_drop_load(feed);
	free(feed);
	consumer_on_closed(consumer);
}

static const struct source_ops feed_ops = { .value = feed_value,
					    .settle = feed_settle,
					    .resume = feed_resume,
					    .stop = feed_stop,
					    .close = feed_close,
					    .write = redis_intake_write };

struct job_source *redis_feed_open(const struct redis_source_spec *spec, struct consumer *consumer,
				   const struct source_env *env)
{
	struct redis_feed *feed = calloc(1, sizeof(*feed));

	if (!feed || !redis_intake_init(&feed->intake, spec, consumer, env, feed_subscribe)) {
		free(feed);
		return NULL;
	}
	feed->intake.source.ops = &feed_ops;
	feed->push = (struct redis_push){ feed_want, feed_on_reply, feed_on_lost };
	timer_init(&feed->ping, env->loop, feed_on_ping);
	timer_start(&feed->intake.timer, 0);
	return &feed->intake.source;
}
