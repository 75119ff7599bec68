/* server/actors/send.c: messages on their way to an actor. */
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/task/alarm.h"
#include "server/actors/private.h"
#include "server/expr/json.h"
#include <errno.h>
#include <stdlib.h>

enum { SEND_TRIES = 4 }; /* an actor that ends while it is sent to is made anew */

/* ------------------------------------------------------------ one message */

static void mail_look(struct post *post)
{
	struct actor_loop *loop = container_of(post, struct actor_loop, look);

	atomic_store(&loop->looking, false); /* first: what ends from now on looks again */
	if (loop->draining && actor_loop_is_quiet(loop))
		loop->host.on_quiet(&loop->host);
}

static void mail_uncount(struct actor_mail *mail)
{
	struct actor_loop *loop = mail->loop;

	atomic_fetch_sub_explicit(&mail->group->n_messages, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&mail->group->n_bytes, mail->message.size, memory_order_relaxed);
	if (atomic_fetch_sub(&loop->n_messages, 1) != 1 || atomic_load(&loop->actors->stopping) ||
	    atomic_exchange(&loop->looking, true))
		return;
	loop->look.run = mail_look; /* the post is this thread's now */
	loop_post(loop->host.loop, &loop->look);
}

static void mail_release(struct message *message, int error)
{
	struct actor_mail *mail = container_of(message, struct actor_mail, message);

	if (error == -ENOBUFS || error == -EMSGSIZE || error == -ENOMEM || error == -EMFILE)
		atomic_fetch_add_explicit(&mail->group->n_refused, 1, memory_order_relaxed);
	if (mail->counted)
		mail_uncount(mail);
	if (mail->on_release)
		mail->on_release(mail);
	blob_unref(mail->value);
	free(mail);
}

static struct str mail_copy(char **at, struct str text)
{
	struct str copy = { *at, text.len };

	if (text.len)
		memcpy(*at, text.ptr, text.len);
	*at += text.len;
	return copy;
}

struct actor_mail *actor_mail_create(struct actor_loop *home, struct actor_group *group,
				     const struct actor_send *send)
{
	size_t size = sizeof(struct actor_mail) + send->handler.len + send->sender.len +
		      send->sender_id.len + 1;
	struct actor_mail *mail = mem_zalloc(size);
	char *at = (char *)(mail + 1);

	message_init(&mail->message, actor_self_handle, mail_release,
		     size + blob_memory(send->value));
	mail->loop = home;
	mail->group = group;
	mail->value = blob_ref(send->value);
	mail->handler = mail_copy(&at, send->handler);
	mail->sender = mail_copy(&at, send->sender);
	mail->sender_id = mail_copy(&at, send->sender_id);
	return mail;
}

void actor_mail_count(struct actor_mail *mail)
{
	mail->counted = true;
	atomic_fetch_add(&mail->loop->n_messages, 1);
	atomic_fetch_add_explicit(&mail->group->n_messages, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&mail->group->n_bytes, mail->message.size, memory_order_relaxed);
}

/* ------------------------------------------------------------ sending */

static bool send_name_is_right(const struct actor_send *send, const struct actor_spec *spec)
{
	struct str rest = send->name, part;

	if (actor_name_n_keys(send->name) != spec->n_keys)
		return false;
	while (str_next_part(&rest, '/', &part))
		if (part.len == 0)
			return false;
	return true;
}

const struct actor_spec *actor_send_find(struct actor_loop *from, const struct actor_send *send,
					 enum error_code *ret_code, const char **ret_detail)
{
	const struct actor_spec *spec =
		actor_spec_find(from->section, actor_name_first(send->name));

	if (atomic_load(&from->actors->stopping)) {
		*ret_code = ERROR_UNAVAILABLE;
		*ret_detail = "the daemon is stopping";
	} else if (!spec) {
		*ret_code = ERROR_NOT_FOUND;
		*ret_detail = "there is no such actor";
	} else if (send->name.len > ACTOR_NAME_MAX) {
		*ret_code = ERROR_INVALID_INPUT;
		*ret_detail = "the actor's name is longer than 512 bytes, encoded";
	} else if (!send_name_is_right(send, spec)) {
		*ret_code = ERROR_INVALID_INPUT;
		*ret_detail = "the actor's name has other keys, or an empty one";
	} else {
		return spec;
	}
	return NULL;
}

enum error_code actors_look(struct actor_loop *from, const struct actor_send *send,
			    bool *ret_persists, const char **ret_detail)
{
	enum error_code code = ERROR_NONE;
	const struct actor_spec *spec;

	*ret_persists = false;
	if (str_has(send->name, '@')) /* what is kept there is not known here */
		return ERROR_NONE;
	spec = actor_send_find(from, send, &code, ret_detail);
	*ret_persists = spec && spec->persists;
	return code;
}

/* A module makes its actors itself. */
static int send_foreign(const struct actor_spec *spec, struct str name, struct actor_mail *mail)
{
	struct actor *actor = spec->foreign->find(spec->foreign, name);
	int r;

	if (!actor)
		return -ENOENT;
	mail->message.handle = spec->foreign->handle;
	r = actor_dispatch(actor, &mail->message);
	actor_unref(actor);
	return r;
}

/* In its mailbox, or a negative errno; an actor that has just ended is made anew. */
static int send_mail(struct actors *actors, const struct actor_spec *spec, struct str name,
		     struct actor_mail *mail)
{
	int r = -ESRCH;

	if (spec->foreign)
		return send_foreign(spec, name, mail);
	for (unsigned i = 0; i < SEND_TRIES && r == -ESRCH; i++) {
		struct actor *actor;

		r = actors_get(actors, spec, name, &actor);
		if (r < 0)
			return r;
		r = actor_dispatch(actor, &mail->message);
		if (r == -ESRCH)
			actors_forget(actors, name, actor);
		actor_unref(actor);
	}
	return r;
}

static struct future *send_remote(struct actor_loop *from, const struct actor_send *send, bool asks,
				  enum error_code *ret_code, const char **ret_detail)
{
	if (from->host.remote)
		return from->host.remote->send(from, send, asks, ret_code, ret_detail);
	*ret_code = ERROR_UNAVAILABLE;
	*ret_detail = "there are no other hosts here";
	return NULL;
}

struct future *actors_send(struct actor_loop *from, const struct actor_send *send, bool asks,
			   enum error_code *ret_code, const char **ret_detail)
{
	const struct actor_spec *spec;
	struct actors *actors = from->actors;
	struct promise *promise;
	struct actor_mail *mail;
	struct future *future;
	int r;

	if (str_has(send->name, '@'))
		return send_remote(from, send, asks, ret_code, ret_detail);
	spec = actor_send_find(from, send, ret_code, ret_detail);
	if (!spec)
		return NULL;
	mail = actor_mail_create(actors_home(actors, send->name), actors_group(actors, spec->name),
				 send);
	mail->generation = from->generation_number;
	promise = asks ? &mail->message.reply : &mail->message.taken;
	future = promise_init(promise, from->host.loop);
	actor_mail_count(mail);
	r = send_mail(actors, spec, send->name, mail);
	if (r < 0) {
		promise_fail(promise, r);
		mail_release(&mail->message, r);
	}
	return future;
}

enum error_code actor_error(int error, const char **ret_detail)
{
	switch (error) {
	case -ENOBUFS:
		*ret_detail = "the actor's mailbox is full";
		return ERROR_QUEUE_FULL;
	case -EMFILE:
		*ret_detail = "as many actors live as `max` allows";
		return ERROR_QUEUE_FULL;
	case -EMSGSIZE:
		*ret_detail = "the message is larger than the actor's mailbox";
		return ERROR_TOO_LARGE;
	case -ENOMEM:
		*ret_detail = "limits.total_memory is reached";
		return ERROR_MEMORY_LIMIT;
	case -ENOENT:
		*ret_detail = "there is no such actor";
		return ERROR_NOT_FOUND;
	case -ECANCELED:
		*ret_detail = "";
		return ERROR_CANCELLED;
	default:
		*ret_detail = "the actor has ended";
		return ERROR_UNAVAILABLE;
	}
}

/* ------------------------------------------------------------ links */

/* What is told waits beyond the mailbox's bounds: that much and no more of what other hosts tell. */
static bool link_is_flooded(struct actors *actors, const struct actor_spec *spec)
{
	struct actor_group *group = actors_group(actors, spec->name);
	bool flooded = atomic_load_explicit(&group->n_messages, memory_order_relaxed) >=
		       ACTOR_MESSAGES_MAX;

	if (flooded)
		atomic_fetch_add_explicit(&group->n_refused, 1, memory_order_relaxed);
	return flooded;
}

static void link_tell_one(struct actors *actors, const struct actor_spec *spec,
			  const struct actor_send *send)
{
	struct actor_mail *mail;
	struct actor *actor;

	if (spec->foreign || actors_get(actors, spec, spec->name, &actor) < 0)
		return;
	mail = actor_mail_create(actors_home(actors, spec->name), actors_group(actors, spec->name),
				 send);
	actor_mail_count(mail);
	if (actor_tell(actor, &mail->message) < 0)
		mail_release(&mail->message, -ESRCH);
	actor_unref(actor);
}

struct blob *actor_end_value(struct str name, struct str reason)
{
	struct blob *blob;
	struct buf json;

	buf_init(&json, 1 << 20);
	buf_add(&json, STR("{\"actor\":"));
	json_write_text(name, &json);
	buf_add(&json, STR(",\"reason\":"));
	json_write_text(reason, &json);
	buf_add_char(&json, '}');
	blob = json.error ? NULL : blob_create(buf_str(&json));
	buf_fini(&json);
	return blob;
}

/* An actor of that peer, or of this process (`peer` is empty), is told of to all that are linked to
 * it. */
static void links_tell(struct actor_loop *loop, struct str peer, struct str actor, struct str name,
		       struct str reason)
{
	struct actor_send send = { .sender = name };

	for (size_t i = 0; i < loop->section->n_specs; i++) {
		const struct actor_spec *spec = &loop->section->specs[i];

		for (size_t j = 0; j < spec->n_links; j++) {
			const struct actor_link *link = &spec->links[j];

			if (!str_eq(link->peer, peer) ||
			    !str_eq(peer.len ? link->remote : link->actor, actor) ||
			    (peer.len == 0 && str_eq(spec->name, actor)) ||
			    (peer.len && link_is_flooded(loop->actors, spec)))
				continue;
			send.handler = link->handler;
			if (!send.value)
				send.value = actor_end_value(name, reason);
			link_tell_one(loop->actors, spec, &send);
		}
	}
	blob_unref(send.value);
}

void actor_tell_linked(struct actor_loop *loop, struct str group, struct str name,
		       struct str reason)
{
	if (atomic_load(&loop->actors->stopping) || loop->cancelled)
		return;
	links_tell(loop, STR_NONE, group, name, reason);
	if (loop->host.remote)
		loop->host.remote->on_end(loop, group, name, reason);
}

void actor_tell_links(struct actor_self *self, struct str reason)
{
	actor_tell_linked(self->loop, self->group->name, self->name, reason);
}

void actor_loop_tell_remote(struct actor_loop *loop, struct str peer, struct str actor,
			    struct str name, struct str reason)
{
	if (!atomic_load(&loop->actors->stopping) && !loop->cancelled)
		links_tell(loop, peer, actor, name, reason);
}

bool actor_loop_knows(const struct actor_loop *loop, struct str name)
{
	return actor_spec_find(loop->section, name) != NULL;
}

/* ------------------------------------------------------------ later */

struct actor_later {
	struct list link; /* in loop->laters */
	struct actor_loop *loop;
	struct alarm_task alarm;
	struct scope scope;
	struct actor_send send; /* its texts are behind it */
	size_t size;            /* what it counts in limits.total_memory */
};

static void later_on_empty(struct scope *scope)
{
	struct actor_later *later = container_of(scope, struct actor_later, scope);

	scope_fini(scope);
	list_remove(&later->link);
	later->loop->n_laters--;
	arena_budget_give_back(later->loop->actors->budget, later->size);
	blob_unref(later->send.value);
	free(later);
}

static void later_on_end(struct task *task)
{
	struct actor_later *later = container_of(task, struct actor_later, alarm.wait.task);
	enum error_code code = ERROR_NONE;
	const char *detail = "";

	wait_fini(&later->alarm.wait);
	if (task->outcome != OUTCOME_OK)
		return;
	future_unref(actors_send(later->loop, &later->send, false, &code, &detail));
	if (code != ERROR_NONE)
		log_warning("delayed message not sent name=%s handler=%s code=%s detail=%s, "
			    "ignoring",
			    LOG_QUOTE(later->send.name), LOG_QUOTE(later->send.handler),
			    error_code_name(code), LOG_QUOTE(str_of(detail)));
}

static struct str later_alarm_name(struct str key)
{
	char *name;

	if (key.len == 0)
		return STR("");
	name = mem_printf("send:%.*s", STR_ARG(key));
	return str_of(name);
}

static size_t later_size(const struct actor_send *send)
{
	return sizeof(struct actor_later) + send->name.len + send->handler.len + send->sender.len +
	       send->sender_id.len + 1;
}

static struct actor_later *later_create(struct actor_loop *from, const struct actor_send *send)
{
	struct actor_later *later = mem_zalloc(later_size(send));
	char *at = (char *)(later + 1);

	later->size = later_size(send) + blob_memory(send->value);
	later->loop = from;
	later->send = (struct actor_send){ .name = mail_copy(&at, send->name),
					   .handler = mail_copy(&at, send->handler),
					   .value = blob_ref(send->value),
					   .sender = mail_copy(&at, send->sender),
					   .sender_id = mail_copy(&at, send->sender_id) };
	list_init(&later->link);
	list_add(&from->laters, &later->link);
	from->n_laters++;
	scope_init(&later->scope, from->host.loop, later_on_empty);
	return later;
}

static enum error_code later_refuse(struct actor_loop *from, const struct actor_send *send,
				    const char **ret_detail)
{
	if (from->n_laters >= ACTOR_DELAYED_MAX || from->draining) {
		*ret_detail = "too many messages are to be sent later";
		return ERROR_QUEUE_FULL;
	}
	if (!arena_budget_take(from->actors->budget, later_size(send) + blob_memory(send->value)))
		return actor_error(-ENOMEM, ret_detail);
	return ERROR_NONE;
}

enum error_code actors_send_later(struct actor_loop *from, const struct actor_send *send,
				  uint64_t delay_ms, struct str key, const char **ret_detail)
{
	enum error_code code = later_refuse(from, send, ret_detail);
	struct actor_later *later;
	struct str name;

	if (code != ERROR_NONE)
		return code;
	name = later_alarm_name(key);
	later = later_create(from, send);
	alarm_init(&later->alarm, name.len ? from->host.context.homes : NULL, name, ALARM_AFTER,
		   delay_ms, later_on_end);
	task_start(&later->alarm.wait.task, &later->scope);
	if (name.len)
		free((char *)(uintptr_t)name.ptr);
	return ERROR_NONE;
}

void actors_cancel(struct actor_loop *from, struct str key)
{
	struct str name = later_alarm_name(key);

	if (name.len == 0)
		return;
	alarm_cancel(from->host.context.homes, name, WAIT_FOREVER);
	free((char *)(uintptr_t)name.ptr);
}

void actor_laters_drop(struct actor_loop *loop)
{
	struct actor_later *later;

	list_each(later, &loop->laters, struct actor_later, link)
		scope_cancel(&later->scope);
}
