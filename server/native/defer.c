/* server/native/defer.c: answers that are messages: promises whose end is sent to an actor (libprocess'
 * defer), and messages whose reply completes a promise (associate).
 *
 * What is deferred is counted when it is made, and sent as a word: so it is not refused when it comes. */
#include "core/base/blob.h"
#include "core/base/memory.h"
#include "server/expr/json.h"
#include "server/native/actors.h"
#include "server/native/api_parts.h"
#include "server/native/call.h"
#include "server/native/promise.h"
#include <errno.h>
#include <stdlib.h>

/* ------------------------------------------------------------ what is deferred */

struct native_deferred {
	struct leat_actor *actor; /* a handle */
	struct str handler;       /* of the module's table */
	size_t size;              /* that it counts */
	size_t with_len;
	char with[]; /* JSON; .len 0: null */
};

static void deferred_write(const struct native_deferred *deferred, const struct delivery *delivery,
			   struct buf *json)
{
	if (delivery->code == ERROR_NONE) {
		buf_add(json, STR("{\"value\":"));
		buf_add(json, (struct str){ delivery->json, delivery->json_len });
	} else {
		buf_add(json, STR("{\"error\":"));
		json_write_text(str_of(delivery->custom_code ? delivery->custom_code
							     : error_code_name(delivery->code)),
				json);
		buf_add(json, STR(",\"detail\":"));
		json_write_text(str_of(delivery->detail ? delivery->detail : ""), json);
	}
	buf_add(json, STR(",\"with\":"));
	buf_add(json, deferred->with_len ? (struct str){ deferred->with, deferred->with_len }
					 : STR("null"));
	buf_add_char(json, '}');
}

/* One level deeper than what it is made of, it may be too deep. */
static struct blob *deferred_value(const struct native_deferred *deferred,
				   const struct delivery *delivery)
{
	const struct delivery too_large = { .code = ERROR_TOO_LARGE };
	const struct native_deferred bare = { .with_len = 0 };
	struct json_error error;
	struct blob *blob = NULL;

	for (unsigned i = 0; i < 3 && !blob; i++) {
		struct buf json;

		buf_init(&json, UINT32_MAX);
		deferred_write(i < 2 ? deferred : &bare, i == 0 ? delivery : &too_large, &json);
		if (!json.error && json_check(buf_str(&json), &error))
			blob = blob_create(buf_str(&json));
		buf_fini(&json);
	}
	return blob;
}

bool deferred_is_wanted(const struct native_deferred *deferred)
{
	return actor_end(deferred->actor->foreign.actor) == ACTOR_LIVES;
}

void deferred_free(struct native_deferred *deferred)
{
	if (!deferred)
		return;
	actors_give_memory(deferred->actor->foreign.actors, deferred->size);
	native_actor_unref(deferred->actor);
	free(deferred);
}

void deferred_send(struct native_deferred *deferred, const struct delivery *delivery)
{
	struct leat_actor *actor = deferred->actor;
	struct actor_send send = { .handler = deferred->handler,
				   .value = deferred_value(deferred, delivery) };
	struct actor_mail *mail =
		actor_mail_create(actor->foreign.home, actor->foreign.group, &send);
	blob_unref(send.value);
	mail->message.handle = native_actor_handle;
	if (native_enter(actor, false)) {
		actor_mail_count(mail);
		if (actor_tell(actor->foreign.actor, &mail->message) < 0)
			native_mail_refuse(mail, -ESRCH);
		native_leave(actor);
	} else {
		native_mail_refuse(mail, -ESRCH);
	}
	deferred_free(deferred);
}

struct leat_promise *native_defer(const struct leat_mail *mail)
{
	struct str handler, json = { mail ? mail->json : NULL, mail ? mail->json_len : 0 };
	struct native_deferred *deferred;
	struct json_error error;
	size_t size;

	call_check(NULL, mail && mail->actor && mail->handler, "defer",
		   "a message has an actor and a handler");
	handler = native_handler_name(mail->actor->kind, str_of(mail->handler));
	if (!handler.ptr || json.len > UINT32_MAX || (json.len && !json_check(json, &error)))
		return NULL;
	size = sizeof(*deferred) + json.len;
	if (!actors_take_memory(mail->actor->foreign.actors, size))
		return NULL;
	deferred = mem_alloc(size);
	*deferred = (struct native_deferred){ .actor = native_actor_ref(mail->actor),
					      .handler = handler,
					      .size = size,
					      .with_len = json.len };
	if (json.len)
		memcpy(deferred->with, json.ptr, json.len);
	return promise_defer(mail->actor->library, deferred);
}

/* ------------------------------------------------------------ a reply for a promise */

struct associated {
	struct post post;
	struct future *future; /* of the actor's loop */
	struct future_watch watch;
	struct leat_promise *promise;
	struct library *library; /* which it counts in */
};

static void promise_fail_code(struct leat_promise *promise, enum error_code code, struct str custom,
			      struct str detail)
{
	char *name = code == ERROR_CUSTOM ? mem_strndup(custom.ptr, custom.len) : NULL;

	native_promise_fail(promise, name ? name : error_code_name(code), "%.*s", STR_ARG(detail));
	free(name);
}

static void promise_take_answer(struct leat_promise *promise, const struct actor_answer *answer)
{
	struct str text = answer ? blob_str(answer->value) : STR_NONE;

	if (answer && answer->code != ERROR_NONE)
		promise_fail_code(promise, answer->code, answer->custom_code, answer->detail);
	else if (text.len)
		native_promise_set(promise, text.ptr, text.len);
	else
		native_promise_set(promise, "null", 4);
}

static void associated_on_answer(struct future_watch *watch, struct future *future)
{
	struct associated *own = container_of(watch, struct associated, watch);
	struct library *library = own->library;
	const char *detail;
	enum error_code code;

	if (future_state(future) == FUTURE_READY) {
		promise_take_answer(own->promise, future_value(future));
	} else {
		code = actor_error(future_error(future), &detail);
		promise_fail_code(own->promise, code, STR_NONE, str_of(detail));
	}
	future_unref(future);
	free(own);
	native_actor_leave(library);
}

static void associated_begin(struct post *post)
{
	struct associated *own = container_of(post, struct associated, post);

	future_on_any(own->future, &own->watch, associated_on_answer);
}

/* The message is sent here and now, so that it stays in order; its answer is waited for on the actor's
 * loop. Once posted, `own` is the loop's: the answer may be there already, and `own` gone, before this has
 * returned. */
static void associated_send(struct associated *own, struct leat_actor *actor,
			    struct actor_mail *mail)
{
	struct loop *loop = actor_loop_loop(actor->foreign.home);

	own->future = promise_init(&mail->message.reply, loop);
	native_mail_put(actor, mail);
	loop_post(loop, &own->post);
}

/* The promise is there as long as the message is: what the message is answered with completes it. */
static void associated_handle(struct message *message, struct actor *actor)
{
	static const struct failure unwanted = { .code = ERROR_CANCELLED };
	struct actor_mail *mail = container_of(message, struct actor_mail, message);
	const struct leat_actor *self = actor_state(actor);

	if (associated_is_unwanted(mail))
		actor_mail_fail(mail, self->foreign.name, &unwanted);
	else
		native_actor_handle(message, actor);
}

bool associated_is_unwanted(const struct actor_mail *mail)
{
	return mail->message.handle == associated_handle &&
	       native_promise_is_cancelled(mail->attached);
}

void native_associate(struct leat_promise *promise, const struct leat_mail *mail)
{
	struct actor_mail *message;
	struct associated *own;
	const char *error;

	call_check(NULL, promise, "associate", "the promise is there");
	message = native_mail_make(mail, "associate", &error);
	if (!message) {
		native_promise_fail(promise, error, "the message cannot be sent");
		return;
	}
	if (!native_enter(mail->actor, true)) {
		native_mail_refuse(message, -ESRCH);
		native_promise_fail(promise, error_code_name(ERROR_UNAVAILABLE),
				    "the actor has ended");
		return;
	}
	own = mem_alloc(sizeof(*own));
	*own = (struct associated){ .promise = promise, .library = mail->actor->library };
	own->post.run = associated_begin;
	message->message.handle = associated_handle;
	message->attached = promise;
	associated_send(own, mail->actor, message);
	native_leave(mail->actor);
}
