/* server/native/actor_mail.c: messages that modules send to their actors, at once or later. */
#include "core/base/blob.h"
#include "core/base/memory.h"
#include "server/expr/json.h"
#include "server/native/actors.h"
#include "server/native/api_parts.h"
#include "server/native/call.h"
#include <errno.h>
#include <stdlib.h>

struct leat_delayed {
	struct list link;         /* in actor->delays; guarded by library->actors.lock */
	atomic_uint refs;         /* the module's, and the mail's */
	struct leat_actor *actor; /* counted */
	struct delayed *delayed;
	size_t size;
};

struct str native_handler_name(const struct leat_kind *kind, struct str name)
{
	for (const struct leat_handler *row = kind->handlers; row->name; row++)
		if (str_eq(name, str_of(row->name)))
			return str_of(row->name);
	return STR_NONE;
}

struct actor_mail *native_mail_make(const struct leat_mail *mail, const char *function,
				    const char **ret_error)
{
	struct str json = { mail ? mail->json : NULL, mail ? mail->json_len : 0 };
	struct actor_send send = { 0 };
	struct json_error error;
	struct actor_mail *own;

	call_check(NULL, mail && mail->actor && mail->handler, function,
		   "a message has an actor and a handler");
	send.handler = str_of(mail->handler);
	*ret_error = NULL;
	if (!native_handler_name(mail->actor->kind, send.handler).ptr)
		*ret_error = "not_found";
	else if (json.len > UINT32_MAX)
		*ret_error = "too_large";
	else if (json.len && !json_check(json, &error))
		*ret_error = "invalid_input";
	if (*ret_error)
		return NULL;
	if (json.len)
		send.value = blob_create(json);
	own = actor_mail_create(mail->actor->foreign.home, mail->actor->foreign.group, &send);
	blob_unref(send.value);
	own->message.handle = native_actor_handle;
	return own;
}

bool native_enter(struct leat_actor *actor, bool stays)
{
	struct native_actors *actors = &actor->library->actors;
	bool lives;

	lock_acquire(&actors->lock);
	lives = list_is_linked(&actor->link); /* the end waits for it, and from now on for this */
	if (lives)
		actors_enter(actor->foreign.actors);
	if (lives && stays)
		actors->n_live++;
	lock_release(&actors->lock);
	return lives;
}

void native_leave(struct leat_actor *actor)
{
	actors_leave(actor->foreign.actors);
}

void native_mail_refuse(struct actor_mail *mail, int error)
{
	struct message *message = &mail->message;

	if (message->reply.future)
		promise_fail(&message->reply, error);
	if (message->taken.future)
		promise_fail(&message->taken, error);
	message->release(message, error);
}

int native_mail_put(struct leat_actor *actor, struct actor_mail *mail)
{
	int r;

	actor_mail_count(mail);
	r = actor_dispatch(actor->foreign.actor, &mail->message);
	if (r < 0)
		native_mail_refuse(mail, r);
	return r;
}

int native_mail_send(struct leat_actor *actor, struct actor_mail *mail)
{
	int r = -ESRCH;

	if (native_enter(actor, false)) {
		r = native_mail_put(actor, mail);
		native_leave(actor);
	} else {
		native_mail_refuse(mail, r);
	}
	return r;
}

const char *native_dispatch(const struct leat_mail *mail)
{
	const char *error, *detail;
	struct actor_mail *own = native_mail_make(mail, "dispatch", &error);
	int r;

	if (!own)
		return error;
	r = native_mail_send(mail->actor, own);
	return r < 0 ? error_code_name(actor_error(r, &detail)) : NULL;
}

/* ------------------------------------------------------------ later */

static void delayed_let_go(struct leat_delayed *own)
{
	if (atomic_fetch_sub_explicit(&own->refs, 1, memory_order_acq_rel) != 1)
		return;
	delayed_unref(own->delayed);
	actor_unref(own->actor->foreign.actor);
	free(own);
}

/* It was handled, or never will be. */
static void delayed_on_release(struct actor_mail *mail)
{
	struct leat_delayed *own = mail->attached;
	struct library *library = own->actor->library;

	lock_acquire(&library->actors.lock);
	list_remove(&own->link);
	lock_release(&library->actors.lock);
	actors_give_memory(own->actor->foreign.actors, own->size);
	delayed_let_go(own);
	native_actor_leave(library); /* messages are dropped after their actor has left */
}

static struct leat_delayed *delayed_make(struct leat_actor *actor, struct actor_mail *mail)
{
	struct leat_delayed *own = mem_zalloc(sizeof(*own));

	own->actor = actor;
	actor_ref(actor->foreign.actor);
	own->size = sizeof(*own) + mail->message.size;
	atomic_init(&own->refs, 2);
	list_init(&own->link);
	mail->attached = own;
	mail->on_release = delayed_on_release;
	return own;
}

struct leat_delayed *native_delay(const struct leat_mail *mail, uint64_t delay_ms)
{
	const char *error;
	struct actor_mail *own = native_mail_make(mail, "delay", &error);
	struct leat_delayed *delayed = NULL;
	struct leat_actor *actor;
	struct library *library;

	if (!own)
		return NULL;
	actor = mail->actor;
	library = actor->library;
	lock_acquire(&library->actors.lock);
	if (!library->actors.closing && actor_end(actor->foreign.actor) == ACTOR_LIVES &&
	    list_is_linked(&actor->link) &&
	    actors_take_memory(actor->foreign.actors, sizeof(*delayed) + own->message.size)) {
		delayed = delayed_make(actor, own);
		list_add(&actor->delays, &delayed->link);
		library->actors.n_live++;
		delayed->delayed = actor_delay(actor->foreign.actor, &own->message, delay_ms);
	}
	lock_release(&library->actors.lock);
	if (!delayed)
		own->message.release(&own->message, -ESRCH);
	return delayed;
}

/* An actor that has ended has cancelled them itself, or is at it. */
bool native_delayed_cancel(struct leat_delayed *delayed)
{
	bool cancelled;

	call_check(NULL, delayed, "delayed_cancel", "the message is there");
	if (!native_enter(delayed->actor, false))
		return false;
	cancelled = delayed_cancel(delayed->delayed);
	native_leave(delayed->actor);
	return cancelled;
}

void native_delayed_drop(struct leat_delayed *delayed)
{
	if (delayed)
		delayed_let_go(delayed);
}

/* The actor has ended, on its own thread. */
void native_delays_end(struct leat_actor *actor)
{
	struct lock *lock = &actor->library->actors.lock;
	struct leat_delayed *own;
	struct list *link;

	do {
		lock_acquire(lock);
		link = list_pop(&actor->delays);
		own = link ? container_of(link, struct leat_delayed, link) : NULL;
		if (own)
			atomic_fetch_add(&own->refs, 1);
		lock_release(lock);
		if (own) {
			delayed_cancel(own->delayed);
			delayed_let_go(own);
		}
	} while (own);
}
