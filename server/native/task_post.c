/* server/native/task_post.c: messages to actors as tasks: sent when the task starts, over when the mailbox has
 * them, or when they are answered; and the end of an actor. */
#include "core/base/blob.h"
#include "server/expr/json.h"
#include "server/native/actors.h"
#include "server/native/api_parts.h"
#include "server/native/tasks.h"
#include <errno.h>

static void post_fail(struct leat_task *task, enum error_code code, const char *detail)
{
	task->failure = (struct failure){ .code = code, .detail = str_of(detail) };
	task_end(task->task, OUTCOME_FAILED);
}

/* ------------------------------------------------------------ what comes of it */

static enum outcome post_take_answer(struct leat_task *task, const struct actor_answer *answer)
{
	struct arena *arena = &task->call->arena;
	struct str text;

	if (answer->code != ERROR_NONE) {
		task->failure = (struct failure){
			.code = answer->code,
			.status = answer->status,
			.custom_code = arena_str(arena, answer->custom_code),
			.detail = arena_str(arena, answer->detail),
		};
		if (task->failure.code == ERROR_CUSTOM && !task->failure.custom_code.ptr)
			task->failure = (struct failure){ .code = ERROR_MEMORY_LIMIT };
		return OUTCOME_FAILED;
	}
	text = arena_str(arena, blob_str(answer->value));
	task->value = value_null();
	if (text.len && (!text.ptr || json_read(text, arena, &task->value, NULL) < 0)) {
		task->failure = (struct failure){ .code = ERROR_MEMORY_LIMIT };
		return OUTCOME_FAILED;
	}
	task->has_value = true;
	return OUTCOME_OK;
}

static void post_on_future(struct future_watch *watch, struct future *future)
{
	struct native_post *post = container_of(watch, struct native_post, watch);
	struct leat_task *task = container_of(post, struct leat_task, post);
	enum outcome outcome = OUTCOME_OK;
	const char *detail;

	if (future_state(future) != FUTURE_READY) {
		task->failure.code = actor_error(future_error(future), &detail);
		task->failure.detail = str_of(detail);
		outcome = OUTCOME_FAILED;
	} else if (future_value(future)) {
		outcome = post_take_answer(task, future_value(future));
	}
	future_unref(take(&post->future));
	task_end(&post->task, outcome);
}

/* ------------------------------------------------------------ sending */

static void post_to_actor(struct leat_task *task)
{
	struct native_post *post = &task->post;
	struct actor_foreign *foreign = &post->actor->foreign;
	struct actor_mail *mail = actor_mail_create(foreign->home, foreign->group, &post->send);
	struct promise *promise = post->asks ? &mail->message.reply : &mail->message.taken;

	mail->message.handle = native_actor_handle;
	post->future = promise_init(promise, task->call->loop);
	native_mail_send(post->actor, mail);
}

static bool post_is_to_itself(const struct leat_task *task)
{
	const struct native_post *post = &task->post;
	const struct leat_actor *self = task->call->self;

	return self && (post->asks || post->joins) &&
	       (self == post->actor || (!post->actor && self->foreign.name.len &&
					str_eq(self->foreign.name, post->send.name)));
}

static void post_start(struct task *core)
{
	struct native_post *post = container_of(core, struct native_post, task);
	struct leat_task *task = container_of(post, struct leat_task, post);
	enum error_code code = ERROR_UNAVAILABLE;
	const char *detail = "there are no actors here";

	if (post_is_to_itself(task)) {
		post_fail(task, code, "an actor cannot wait for its own answer, or end");
		return;
	}
	if (post->joins)
		post->future = actor_wait(post->actor->foreign.actor, task->call->loop);
	else if (post->actor)
		post_to_actor(task);
	else if (task->call->actors)
		post->future =
			actors_send(task->call->actors, &post->send, post->asks, &code, &detail);
	if (post->future)
		future_on_any(post->future, &post->watch, post_on_future);
	else
		post_fail(task, code, detail);
}

static void post_leave(struct native_post *post)
{
	if (!post->future)
		return;
	future_unwatch(&post->watch);
	future_discard(post->future);
	future_unref(take(&post->future));
}

static void post_cancel(struct task *core)
{
	post_leave(container_of(core, struct native_post, task));
	task_end(core, OUTCOME_CANCELLED);
}

static const struct task_ops post_ops = { "post", post_start, post_cancel };

static void post_on_end(struct task *core)
{
	native_task_end(container_of(core, struct leat_task, post.task));
}

void native_post_fini(struct leat_task *task)
{
	if (task->is_broken)
		return;
	post_leave(&task->post);
	blob_unref(take(&task->post.send.value));
	native_actor_unref(take(&task->post.actor));
}

/* ------------------------------------------------------------ making */

static void post_init(struct leat_task *task, struct leat_actor *actor)
{
	task->post.actor = actor ? native_actor_ref(actor) : NULL;
	task->task = &task->post.task;
	task_init(task->task, &post_ops, post_on_end);
}

static struct leat_task *post_make(struct leat_call *call, const struct leat_mail *mail, bool asks,
				   const char *function, leat_task_fn *on_end)
{
	struct leat_task *task = native_task_make(call, function, NATIVE_POST, on_end);
	struct actor_send *send = &task->post.send;
	struct json_error error;
	struct str json;

	call_check(call, mail && mail->handler && !mail->actor != !mail->name, function,
		   "a message has a handler, and an actor or a name");
	if (task->kind == NATIVE_SPARE)
		return task;
	json = (struct str){ mail->json, mail->json_len };
	if (json.len > UINT32_MAX) {
		native_task_break(task, ERROR_TOO_LARGE, "its value is larger than 4 GiB");
		return task;
	}
	if (json.len && !json_check(json, &error)) {
		native_task_break(task, ERROR_INVALID_INPUT, "its value is no JSON");
		return task;
	}
	send->name = arena_str(&call->arena, str_of(mail->name ? mail->name : ""));
	send->handler = arena_str(&call->arena, str_of(mail->handler));
	if (!send->name.ptr || !send->handler.ptr) {
		native_task_break(task, ERROR_MEMORY_LIMIT, "limits.memory is reached");
		return task;
	}
	send->sender = call->self ? call->self->foreign.name : STR("");
	send->sender_id = call->id.len ? call->id : STR("");
	if (json.len)
		send->value = blob_create(json);
	task->post.asks = asks;
	post_init(task, mail->actor);
	return task;
}

struct leat_task *native_send(struct leat_call *call, const struct leat_mail *mail,
			      leat_task_fn *on_end)
{
	return post_make(call, mail, false, "send", on_end);
}

struct leat_task *native_ask(struct leat_call *call, const struct leat_mail *mail,
			     leat_task_fn *on_end)
{
	return post_make(call, mail, true, "ask", on_end);
}

struct leat_task *native_join(struct leat_call *call, struct leat_actor *actor,
			      leat_task_fn *on_end)
{
	struct leat_task *task = native_task_make(call, "join", NATIVE_POST, on_end);

	call_check(call, actor, "join", "the actor is there");
	if (task->kind == NATIVE_SPARE)
		return task;
	task->post.joins = true;
	post_init(task, actor);
	return task;
}
