/* server/native/actor_turn.c: one message of a module's actor: a call, on its loop or on the pool.
 *
 * On a loop the message is held until the call's last task has ended; the call is a module of the core in
 * a scope of its own, and pins the generation at work. */
#include "core/base/blob.h"
#include "core/base/memory.h"
#include "server/expr/json.h"
#include "server/flow/queues.h"
#include "server/native/actors.h"
#include "server/native/handler.h"
#include "server/native/natives.h"
#include "server/native/tasks.h"
#include <errno.h>
#include <stdlib.h>

enum { TURN_MEMORY = 4, TURN_TIMEOUT_MS = 30000 };

struct native_turn {
	struct actor_work work;
	struct actor_ground ground;
	struct scope scope;
	struct leat_actor *self;
	struct actor_mail *mail;
	struct leat_call *call;
	bool failed;
};

static struct actor_mail *mail_of(struct message *message)
{
	return container_of(message, struct actor_mail, message);
}

static leat_fn *turn_find(const struct leat_actor *self, const struct actor_mail *mail)
{
	const struct leat_handler *row = self->kind->handlers;

	if (mail->first)
		return self->kind->on_exit;
	while (row->name && !str_eq(mail->handler, str_of(row->name)))
		row++;
	return row->run;
}

static struct leat_call *turn_call(struct leat_actor *self, struct actor_mail *mail, leat_fn *fn,
				   size_t memory_max, struct arena_budget *budget)
{
	const struct native_target target = { .library = self->library,
					      .name = mail->first ? "on_exit" : self->kind->name,
					      .fn = fn,
					      .on_loop = !(self->kind->flags & LEAT_ON_POOL) };
	size_t max = memory_max > SIZE_MAX / TURN_MEMORY ? SIZE_MAX : memory_max * TURN_MEMORY;
	struct leat_call *call = call_create(&target, max, budget);
	struct str text = blob_str(mail->value);

	call->self = self;
	call->subject = mail->first ? mail->attached : NULL;
	call->mail = mail;
	call->data = self->state;
	call->id = mail->sender_id;
	if (text.len && value_json(&call->input, &call->arena, text) < 0)
		call->out_of_memory = true;
	return call;
}

/* What it has written; NULL: null. */
static struct blob *turn_reply(struct leat_call *call)
{
	struct value value;
	struct buf json;

	if (!call->bytes.ptr)
		return call->result.begun ? blob_create(buf_str(&call->result.out)) : NULL;
	value = value_text(call->bytes);
	buf_init_arena(&json, &call->arena);
	value_write_json(value, &json);
	if (json.error)
		call_fail(call, ERROR_MEMORY_LIMIT, "limits.memory is reached");
	return json.error ? NULL : blob_create(buf_str(&json));
}

/* Whether it has failed. */
static bool turn_conclude(struct leat_call *call, struct actor_mail *mail)
{
	struct leat_actor *self = call->self;
	struct blob *reply = NULL;
	bool failed;

	if (call->failure.code == ERROR_NONE)
		reply = turn_reply(call);
	failed = call->failure.code != ERROR_NONE;
	if (failed)
		actor_mail_fail(mail, self->foreign.name, &call->failure);
	else
		actor_mail_answer(mail, reply);
	actor_foreign_count(&self->foreign, failed);
	call->data = NULL; /* which is the actor's */
	if (self->exits != ACTOR_LIVES)
		actor_exit(self->foreign.actor, self->exits);
	return failed;
}

static void turn_refuse(struct leat_actor *self, struct actor_mail *mail, enum error_code code,
			struct str detail)
{
	const struct failure failure = { .code = code, .detail = detail };

	if (!mail->first)
		actor_mail_fail(mail, self->foreign.name, &failure);
}

/* ------------------------------------------------------------ on the pool */

bool native_message_is_unwanted(const struct leat_call *call)
{
	const struct promise *reply = &call->mail->message.reply;

	return actors_are_stopping(call->self->foreign.actors) ||
	       actor_is_stopping(call->self->foreign.actor) ||
	       (reply->future && promise_is_discarded(reply)) || associated_is_unwanted(call->mail);
}

static void turn_on_pool(struct leat_actor *self, struct actor_mail *mail, leat_fn *fn)
{
	struct actors *actors = self->foreign.actors;
	struct leat_call *call =
		turn_call(self, mail, fn, actors_memory_max(actors), actors_budget(actors));

	call_run(call);
	turn_conclude(call, mail);
	call_destroy(call);
}

/* ------------------------------------------------------------ on a loop */

static void turn_on_empty(struct scope *scope)
{
	struct native_turn *turn = container_of(scope, struct native_turn, scope);
	struct context context = turn->ground.context;
	struct actor *actor = turn->self->foreign.actor;

	turn->self->turn = NULL;
	actor_work_end(&turn->work);
	scope_fini(scope);
	free(turn);
	actor_resume(actor);
	actor_ground_leave(&context);
}

static void turn_on_end(struct task *task)
{
	struct module *module = container_of(task, struct module, base.task);
	struct leat_call *call = container_of(module, struct leat_call, module);
	struct native_turn *turn = container_of(task->scope, struct native_turn, scope);

	if (task->outcome == OUTCOME_CANCELLED)
		call_fail(call, ERROR_UNAVAILABLE, "the actor has ended");
	else if (task->outcome == OUTCOME_TIMED_OUT)
		call_fail(call, ERROR_TIMEOUT, "the handler took too long");
	call_check_result(call);
	call->state = CALL_ENDED;
	turn_conclude(call, turn->mail);
	handler_fini(call);
}

static void turn_cancel(struct actor_work *work)
{
	struct native_turn *turn = container_of(work, struct native_turn, work);

	scope_cancel(&turn->scope);
}

static void turn_on_loop(struct leat_actor *self, struct actor_mail *mail, leat_fn *fn)
{
	struct native_turn *turn = mem_zalloc(sizeof(*turn));
	struct loop *loop = actor_loop_loop(self->foreign.home);
	struct leat_call *call;

	turn->self = self;
	turn->mail = mail;
	turn->work.cancel = turn_cancel;
	actor_work_begin(&turn->work, self->foreign.home, &turn->ground);
	call = turn->call = turn_call(self, mail, fn, turn->ground.memory_max, turn->ground.budget);
	self->turn = turn;
	call->loop = loop;
	call->actors = self->foreign.home;
	call->client = turn->ground.context.client;
	call->homes = turn->ground.context.homes;
	call->queue = turn->ground.compute ? turn->ground.compute->open : NULL;
	call->natives = turn->ground.natives;
	list_init(&call->tasks);
	scope_init(&turn->scope, loop, turn_on_empty);
	actor_hold(self->foreign.actor);
	if (!handler_launch(call, turn_on_end)) {
		turn_conclude(call, mail);
		handler_fini(call);
		turn_on_empty(&turn->scope);
		return;
	}
	call->module.base.timeout_ms = self->kind->timeout_ms ? self->kind->timeout_ms
							      : TURN_TIMEOUT_MS;
	task_start(&call->module.base.task, &turn->scope);
}

void native_actor_handle(struct message *message, struct actor *actor)
{
	struct leat_actor *self = actor_state(actor);
	struct actor_mail *mail = mail_of(message);
	leat_fn *fn = turn_find(self, mail);

	if (!mail->counted)
		actor_mail_count(mail);
	if (actors_are_stopping(self->foreign.actors))
		turn_refuse(self, mail, ERROR_UNAVAILABLE, STR("the daemon is stopping"));
	else if (!fn)
		turn_refuse(self, mail, ERROR_NOT_FOUND, STR("the actor has no such handler"));
	else if (self->kind->flags & LEAT_ON_POOL)
		turn_on_pool(self, mail, fn);
	else
		turn_on_loop(self, mail, fn);
}

void native_actor_interrupt(struct actor *actor)
{
	struct leat_actor *self = actor_state(actor);

	if (self->turn)
		turn_cancel(&self->turn->work);
}

/* ------------------------------------------------------------ notices */

static void notice_release(struct actor_mail *mail)
{
	struct leat_actor *other = mail->attached;

	actor_unref(other->foreign.actor);
}

static struct blob *notice_value(const struct leat_actor *other, enum actor_end end)
{
	struct blob *blob;
	struct buf json;

	buf_init(&json, 1 << 16);
	buf_add(&json, STR("{\"actor\":"));
	if (other->foreign.name.len)
		json_write_text(other->foreign.name, &json);
	else
		buf_add(&json, STR("null"));
	buf_printf(&json, ",\"reason\":\"%s\"}", actor_end_name(end));
	blob = json.error ? NULL : blob_create(buf_str(&json));
	buf_fini(&json);
	return blob;
}

static void notice_tell(struct leat_actor *self, struct actor_mail *mail)
{
	mail->first = true;
	mail->message.handle = native_actor_handle;
	actor_mail_count(mail);
	if (actor_tell(self->foreign.actor, &mail->message) < 0)
		mail->message.release(&mail->message, -ESRCH);
}

void native_actor_on_no_name(struct leat_actor *self, struct str name)
{
	const struct actor_send send = {
		.value = actor_end_value(name, str_of(actor_end_name(ACTOR_END_NO_ACTOR)))
	};

	notice_tell(self, actor_mail_create(self->foreign.home, self->foreign.group, &send));
	blob_unref(send.value);
}

/* It becomes a message before all others, so that its handler may take its time. */
void native_actor_on_end(struct actor *actor, struct actor *other_actor, enum actor_end end)
{
	struct leat_actor *self = actor_state(actor), *other = actor_state(other_actor);
	const struct actor_send send = { .value = notice_value(other, end) };
	struct actor_mail *mail = actor_mail_create(self->foreign.home, self->foreign.group, &send);

	blob_unref(send.value);
	mail->attached = other;
	mail->on_release = notice_release;
	actor_ref(other_actor);
	notice_tell(self, mail);
}
