/* server/peers/trunk_work.c: messages that come: to their actors, and the answers back. */
#include "core/base/blob.h"
#include "core/base/memory.h"
#include "server/expr/json.h"
#include "server/peers/peer_loop.h"
#include "server/peers/trunk.h"
#include <errno.h>
#include <stdlib.h>

enum { DETAIL_MAX = 4096 }; /* bytes of a failure's text in an answer */

/* A message whose answer is to come. */
struct trunk_work {
	struct list link; /* in a slot of trunk->works */
	struct trunk *trunk;
	uint64_t id;
	struct future *future;
	struct future_watch watch;
};

static struct list *trunk_slot(struct trunk *trunk, uint64_t id)
{
	return &trunk->works[id % TRUNK_SLOTS];
}

/* ------------------------------------------------------------ answers */

/* As much of it as an answer takes, in whole characters. */
static struct str trunk_detail(struct str detail)
{
	size_t len = MIN(detail.len, (size_t)DETAIL_MAX);

	while (len && len < detail.len && ((unsigned char)detail.ptr[len] & 0xc0) == 0x80)
		len--;
	return str_first(detail, len);
}

static void trunk_answer(struct trunk *trunk, struct peer_answer *answer)
{
	struct buf body;

	if (answer->value.len > MIN(trunk->peer->conf.message_max, trunk->peer_message_max)) {
		answer->value = STR_NONE;
		answer->code = STR("too_large");
		answer->detail = STR("the reply is larger than `max` of the peer");
	} else if (trunk_unsent(trunk) + answer->value.len > trunk->peer->conf.bytes_max) {
		answer->value = STR_NONE;
		answer->code = STR("queue_full");
		answer->detail = STR("too many replies wait for the peer");
	}
	buf_init(&body, SIZE_MAX / 2);
	peer_answer_write(answer, &body);
	if (body.error)
		trunk_close(trunk, "no memory for an answer");
	else
		trunk_put(trunk, PEER_ANSWER, buf_str(&body));
	buf_fini(&body);
}

static void trunk_refuse(struct trunk *trunk, uint64_t id, enum error_code code, const char *detail)
{
	struct peer_answer answer = { .id = id,
				      .code = str_of(error_code_name(code)),
				      .detail = str_of(detail) };

	trunk_answer(trunk, &answer);
}

static void work_free(struct trunk_work *work)
{
	list_remove(&work->link);
	work->trunk->n_works--;
	future_unref(work->future);
	free(work);
}

static void trunk_answer_with(struct trunk *trunk, uint64_t id, const struct actor_answer *from)
{
	struct peer_answer answer = { .id = id };

	if (from) {
		answer.status = (uint16_t)from->status;
		answer.code = str_of(error_code_name(from->code));
		answer.custom = from->code == ERROR_CUSTOM ? from->custom_code : STR_NONE;
		answer.detail = trunk_detail(from->detail);
		answer.value = blob_str(from->value);
	}
	trunk_answer(trunk, &answer);
}

static void work_on_end(struct future_watch *watch, struct future *future)
{
	struct trunk_work *work = container_of(watch, struct trunk_work, watch);
	struct trunk *trunk = work->trunk;
	const char *detail = "";
	enum error_code code;

	if (future_state(future) == FUTURE_READY) {
		trunk_answer_with(trunk, work->id, future_value(future));
	} else if (future_error(future) == -ETIMEDOUT) {
		trunk_refuse(trunk, work->id, ERROR_TIMEOUT, "the deadline of who asks is over");
	} else {
		code = actor_error(future_error(future), &detail);
		trunk_refuse(trunk, work->id, code, detail);
	}
	if (trunk->state != TRUNK_CLOSED) /* else it has dropped its works, and this one */
		work_free(work);
}

/* ------------------------------------------------------------ messages */

/* NULL: it may go to its actor. */
static const char *trunk_fault(const struct trunk *trunk, const struct peer_message *message)
{
	struct json_error error;

	if (message->value.len && !json_check(message->value, &error))
		return "the message is not JSON";
	if (str_has(message->actor, '@'))
		return "messages are not passed on to other hosts";
	if (!actor_name_is_canonical(message->actor))
		return "the actor's name is not written as leat writes it";
	if (message->value.len > trunk->peer->conf.message_max)
		return "the message is larger than `max` of the peer";
	return NULL;
}

/* "counter@shop": it can be answered, by this name. */
static struct str trunk_sender(const struct trunk *trunk, struct str sender, char out[1024])
{
	struct str name = trunk->peer->conf.name;
	int len;

	if (sender.len == 0 || str_has(sender, '@') || !str_is_utf8(sender) ||
	    sender.len > ACTOR_NAME_MAX)
		return STR_NONE;
	len = snprintf(out, 1024, "%.*s@%.*s", STR_ARG(sender), STR_ARG(name));
	return len > 0 && len < 1024 ? (struct str){ out, (size_t)len } : STR_NONE;
}

static void trunk_begin_work(struct trunk *trunk, const struct peer_message *message,
			     struct future *future)
{
	struct trunk_work *work = mem_zalloc(sizeof(*work));

	if (message->asks && message->timeout_ms)
		future = future_after(future, message->timeout_ms);
	work->trunk = trunk;
	work->id = message->id;
	work->future = future;
	list_init(&work->link);
	list_add(trunk_slot(trunk, work->id), &work->link);
	trunk->n_works++;
	future_on_any(future, &work->watch, work_on_end);
}

static void trunk_deliver(struct trunk *trunk, const struct peer_message *message)
{
	char sender[1024];
	struct actor_send send = { .name = message->actor,
				   .handler = message->handler,
				   .sender = trunk_sender(trunk, message->sender, sender),
				   .sender_id = str_is_utf8(message->sender_id) ? message->sender_id
										: STR_NONE };
	enum error_code code = ERROR_NONE;
	const char *detail = "";
	struct future *future;

	if (!peer_may_reach(&trunk->peer->conf.reach, message->actor)) {
		trunk_refuse(trunk, message->id, ERROR_NOT_FOUND, PEER_REACH_NONE);
		return;
	}
	send.value = message->value.len ? blob_create(message->value) : NULL;
	future = actors_send(trunk->loop->actors, &send, message->asks, &code, &detail);
	blob_unref(send.value);
	if (future)
		trunk_begin_work(trunk, message, future);
	else
		trunk_refuse(trunk, message->id, code, detail);
}

void trunk_on_message(struct trunk *trunk, struct str body)
{
	size_t works_max = trunk->peer->conf.queue_max + PEER_WINDOW;
	struct peer_message message;
	const char *fault;

	if (!peer_message_read(body, &message) || message.id != trunk->in_id + 1) {
		trunk_close(trunk, "a message is not right");
		return;
	}
	trunk->in_id = message.id;
	atomic_fetch_add(&trunk->peer->stats.received, 1);
	fault = trunk_fault(trunk, &message);
	if (fault)
		trunk_refuse(trunk, message.id, ERROR_INVALID_INPUT, fault);
	else if (trunk->left)
		trunk_refuse(trunk, message.id, ERROR_UNAVAILABLE, "that host is stopping");
	else if (trunk->n_works >= works_max)
		trunk_refuse(trunk, message.id, ERROR_QUEUE_FULL,
			     "too many messages of the peer are in work");
	else
		trunk_deliver(trunk, &message);
}

void trunk_on_withdraw(struct trunk *trunk, uint64_t id)
{
	struct trunk_work *work, *found = NULL;

	list_each(work, trunk_slot(trunk, id), struct trunk_work, link)
		if (work->id == id)
			found = work;
	if (!found)
		return;
	future_unwatch(&found->watch);
	future_discard(found->future);
	work_free(found);
}

void trunk_drop_works(struct trunk *trunk)
{
	struct trunk_work *work;

	for (size_t i = 0; i < TRUNK_SLOTS; i++) {
		list_each(work, &trunk->works[i], struct trunk_work, link) {
			future_unwatch(&work->watch);
			future_discard(work->future);
			work_free(work);
		}
	}
}
