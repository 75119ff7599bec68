/* server/peers/mesh.c: what waits, what was sent, and what becomes of it. */
#include "server/peers/mesh.h"
#include "core/base/blob.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/flow/step.h"
#include "server/peers/peer_loop.h"
#include "server/peers/trunk.h"
#include <errno.h>
#include <stdlib.h>

/* ------------------------------------------------------------ one message */

static struct list *mesh_slot(struct mesh *mesh, uint64_t id)
{
	return &mesh->sent[id % MESH_SLOTS];
}

/* Its sender is told, by a post. */
static void mail_end(struct mesh_mail *mail, const struct failure *failure, struct blob *value)
{
	if (failure->code == ERROR_NONE && !mail->asks) {
		promise_set(&mail->promise, NULL, NULL);
		blob_unref(value);
	} else {
		promise_set(&mail->promise, actor_answer_create(failure, value), actor_answer_free);
	}
	free(mail);
}

static void mail_fail(struct mesh_mail *mail, const char *detail)
{
	const struct failure failure = { .code = ERROR_UNAVAILABLE, .detail = str_of(detail) };

	mail_end(mail, &failure, NULL);
}

/* Takes it out of its list. */
static void mesh_remove(struct mesh *mesh, struct mesh_mail *mail, bool waiting) HOLDS(mesh->lock)
{
	list_remove(&mail->link);
	mesh->n_bytes -= mail->size;
	if (waiting)
		mesh->n_waiting--;
	else
		mesh->n_sent--;
}

void mesh_fail_waiting(struct mesh *mesh, const char *detail)
{
	struct mesh_mail *mail;

	list_each(mail, &mesh->waiting, struct mesh_mail, link) {
		mesh_remove(mesh, mail, true);
		atomic_fetch_add(&mesh->peer->stats.refused, 1);
		mail_fail(mail, detail);
	}
}

void mesh_fail_sent(struct mesh *mesh, const struct trunk *trunk)
{
	struct mesh_mail *mail;
	size_t n_lost = 0;

	for (size_t i = 0; i < MESH_SLOTS; i++) {
		list_each(mail, &mesh->sent[i], struct mesh_mail, link) {
			if (mail->by != trunk)
				continue;
			mesh_remove(mesh, mail, false);
			n_lost++;
			atomic_fetch_add(&mesh->peer->stats.lost, 1); /* before it is told */
			mail_fail(mail, "the connection was lost before there was an answer");
		}
	}
	if (n_lost)
		log_warning("messages in doubt peer=%.*s messages=%zu, their senders are told",
			    STR_ARG(mesh->peer->conf.name), n_lost);
}

/* ------------------------------------------------------------ the home loop has something to do */

void mesh_post_home(struct mesh *mesh)
{
	if (mesh->posted || !mesh->home)
		return;
	mesh->posted = true;
	fellow_ref(mesh->peer);
	loop_post(mesh->home->loop, &mesh->home_post);
}

bool mesh_is_wanted(const struct mesh *mesh)
{
	return mesh->peer->conf.always || !list_is_empty(&mesh->wanted) ||
	       mesh->watches.n_items > 0 || mesh->n_waiting > 0;
}

bool mesh_may_dial(const struct mesh *mesh)
{
	return mesh->peers && !mesh->retired && mesh->peer->conf.address.len > 0 &&
	       !peers_are_stopping(mesh->peers);
}

void mesh_ask_trunk(struct mesh *mesh)
{
	if (mesh->must_dial || mesh->trunk || mesh->next)
		return;
	mesh->must_dial = true;
	mesh_post_home(mesh);
}

void mesh_wake_trunk(struct mesh *mesh)
{
	if (mesh->trunk)
		trunk_wake(mesh->trunk);
}

/* ------------------------------------------------------------ sending */

static struct mesh_mail *mail_create(const struct actor_send *send, bool asks)
{
	const struct peer_message message = { .asks = asks,
					      .actor = send->name,
					      .handler = send->handler,
					      .sender = send->sender,
					      .sender_id = send->sender_id,
					      .value = blob_str(send->value) };
	struct mesh_mail *mail = NULL;
	struct buf body;

	buf_init(&body, SIZE_MAX / 2);
	peer_message_write(&message, &body);
	if (!body.error)
		mail = malloc(sizeof(*mail) + body.len);
	if (mail) {
		*mail = (struct mesh_mail){ .size = body.len,
					    .asks = asks,
					    .deadline_ns = send->deadline_ns };
		memcpy(mail->body, body.data, body.len);
		list_init(&mail->link);
	}
	buf_fini(&body);
	return mail;
}

/* ERROR_NONE: there is a trunk, or will be one. */
static enum error_code mesh_prepare(struct mesh *mesh, const struct mesh_mail *mail,
				    const char **ret_detail) HOLDS(mesh->lock)
{
	const struct peer_conf *conf = &mesh->peer->conf;

	if (mesh->n_waiting + mesh->n_sent >= conf->queue_max ||
	    mesh->n_bytes + mail->size > conf->bytes_max) {
		*ret_detail = "too many messages wait for that host";
		return ERROR_QUEUE_FULL;
	}
	if (mesh->trunk || mesh->next || (mesh->left && conf->address.len == 0))
		return ERROR_NONE;
	*ret_detail = conf->address.len == 0 ? "that host has not connected"
		      : mesh->problem        ? mesh->problem
					     : "that host is not connected to any more";
	if (!mesh_may_dial(mesh))
		return ERROR_UNAVAILABLE;
	if (mesh->must_dial || clock_monotonic_ns() >= mesh->retry_ns)
		mesh_ask_trunk(mesh);
	else if (mesh->problem || mesh->n_failed > MESH_REFUSALS)
		return ERROR_UNAVAILABLE;
	else
		mesh_post_home(mesh); /* it was there a moment ago: the next try is awaited */
	return ERROR_NONE;
}

struct future *mesh_send(struct fellow *peer, struct actor_loop *from,
			 const struct actor_send *send, bool asks, enum error_code *ret_code,
			 const char **ret_detail)
{
	struct mesh *mesh = mesh_of(peer);
	struct mesh_mail *mail;
	struct future *future = NULL;

	*ret_code = ERROR_TOO_LARGE;
	*ret_detail = "the message is larger than `max` of that host";
	if (blob_str(send->value).len > peer->conf.message_max)
		return NULL;
	mail = mail_create(send, asks);
	*ret_code = ERROR_MEMORY_LIMIT;
	*ret_detail = "no memory for the message";
	if (!mail)
		return NULL;
	lock_acquire(&mesh->lock);
	*ret_code = mesh_prepare(mesh, mail, ret_detail);
	if (*ret_code == ERROR_NONE) {
		future = promise_init(&mail->promise, actor_loop_host(from)->loop);
		list_add(&mesh->waiting, &mail->link);
		mesh->n_waiting++;
		mesh->n_bytes += mail->size;
		mesh_wake_trunk(mesh);
	}
	lock_release(&mesh->lock);
	if (*ret_code == ERROR_NONE)
		return future;
	free(mail);
	atomic_fetch_add(&peer->stats.refused, 1);
	return NULL;
}

/* ------------------------------------------------------------ the trunk takes, and tells */

static uint32_t mail_timeout_ms(const struct mesh_mail *mail, uint64_t now_ns)
{
	uint64_t left_ms;

	if (mail->deadline_ns == 0)
		return 0;
	left_ms = mail->deadline_ns > now_ns ? (mail->deadline_ns - now_ns) / NS_PER_MS : 0;
	return (uint32_t)MAX(MIN(left_ms, (uint64_t)UINT32_MAX), UINT64_C(1));
}

static bool mail_is_unwanted(const struct mesh_mail *mail)
{
	return promise_is_discarded(&mail->promise);
}

static void mail_drop(struct mesh_mail *mail)
{
	promise_drop(&mail->promise);
	free(mail);
}

bool mesh_take(struct mesh *mesh, struct trunk *trunk, uint64_t id, size_t room, struct buf *out,
	       size_t *ret_size)
{
	struct mesh_mail *mail;
	bool taken = false;

	lock_acquire(&mesh->lock);
	while (mesh->trunk == trunk && !taken &&
	       (mail = list_first(&mesh->waiting, struct mesh_mail, link))) {
		if (mail_is_unwanted(mail)) {
			mesh_remove(mesh, mail, true);
			mail_drop(mail);
			continue;
		}
		if (mail->size > room)
			break;
		mail->by = trunk;
		mail->id = id;
		peer_message_stamp(mail->body, id, mail_timeout_ms(mail, clock_monotonic_ns()));
		buf_add(out, (struct str){ mail->body, mail->size });
		*ret_size = mail->size;
		list_remove(&mail->link);
		list_add(mesh_slot(mesh, id), &mail->link);
		mesh->n_waiting--;
		mesh->n_sent++;
		taken = true;
	}
	lock_release(&mesh->lock);
	if (taken)
		atomic_fetch_add(&mesh->peer->stats.sent, 1);
	return taken;
}

/* As `fail` could have made it, whatever that host says. */
static struct failure answer_failure(const struct peer_answer *answer)
{
	struct failure failure = { .code = ERROR_NONE };

	if (answer->status >= 400 && answer->status <= 599)
		failure.status = answer->status;
	if (str_is_utf8(answer->detail))
		failure.detail = answer->detail;
	if (answer->custom.len) {
		failure.code = ERROR_CUSTOM;
		failure.custom_code = answer->custom;
		if (!name_is_valid(answer->custom))
			failure.code = ERROR_BAD_RESPONSE;
	} else if (answer->code.len && !error_code_find(answer->code, &failure.code)) {
		failure.code = ERROR_BAD_RESPONSE; /* of a later version than this one */
	}
	return failure;
}

void mesh_on_answer(struct mesh *mesh, const struct trunk *trunk, const struct peer_answer *answer)
{
	const struct failure failure = answer_failure(answer);
	struct mesh_mail *mail, *found = NULL;

	lock_acquire(&mesh->lock);
	list_each(mail, mesh_slot(mesh, answer->id), struct mesh_mail, link)
		if (mail->id == answer->id && mail->by == trunk)
			found = mail;
	if (found)
		mesh_remove(mesh, found, false);
	lock_release(&mesh->lock);
	if (found) /* else it was withdrawn */
		mail_end(found, &failure, answer->value.len ? blob_create(answer->value) : NULL);
}

void mesh_sweep(struct mesh *mesh, const struct trunk *trunk)
{
	struct mesh_mail *mail;
	struct buf body;

	buf_init(&body, 64);
	lock_acquire(&mesh->lock);
	for (size_t i = 0; i < MESH_SLOTS; i++) {
		list_each(mail, &mesh->sent[i], struct mesh_mail, link) {
			if (mail->by != trunk || !mail_is_unwanted(mail))
				continue;
			buf_clear(&body);
			peer_put(&body, mail->id, 8);
			if (mesh->trunk ==
			    trunk) /* else it would go by another, where the id is another's */
				mesh_add_notice(mesh, PEER_WITHDRAW, 0, &body);
			mesh_remove(mesh, mail, false);
			mail_drop(mail);
		}
	}
	lock_release(&mesh->lock);
	buf_fini(&body);
}
