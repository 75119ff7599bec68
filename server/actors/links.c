/* server/actors/links.c: who is told, and when; the tables. How links are made is in links_make.c. */
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/actors/links_private.h"
#include <errno.h>
#include <stdlib.h>

enum { RETRY_MS = 200 }; /* who is to be told could not be woken */

/* ------------------------------------------------------------ the tables */

void actor_links_init(struct actor_links *links)
{
	lock_init(&links->lock);
	map_init(&links->owners);
	map_init(&links->targets);
	list_init(&links->owed);
}

void link_owner_maybe_free(struct actor_links *links, struct link_owner *owner) HOLDS(links->lock)
{
	if (owner->n_links > 0)
		return;
	if (owner->foreign)
		owner->foreign->links = NULL;
	else
		map_remove(&links->owners, owner->name);
	free(owner);
}

static void target_leave(struct actor_links *links, struct runtime_link *link) HOLDS(links->lock)
{
	struct link_target *target = take(&link->target);

	list_remove(&link->of_target);
	if (--target->n_links > 0)
		return;
	map_remove(&links->targets, target->key);
	if (target->host) {
		target->remote->watch(target->host, target->there, false);
		target->remote->leave(target->host);
	}
	free(target);
}

static void link_free(struct runtime_link *link)
{
	actors_uncount(link->actors, link->group, link->size);
	free(link->handler);
	free(link);
}

void link_leave(struct actor_links *links, struct runtime_link *link) HOLDS(links->lock)
{
	struct link_owner *owner = take(&link->owner);

	list_remove(&link->of_owner);
	owner->n_links--;
	if (link->target) {
		target_leave(links, link);
		link_free(link);
	}
}

void actor_links_stop(struct actor_links *links)
{
	struct runtime_link *link;

	lock_acquire(&links->lock);
	list_each(link, &links->owed, struct runtime_link, waiting) {
		struct link_owner *owner = link->owner;

		timer_stop(&link->retry);
		list_remove(&link->waiting);
		if (owner) {
			link_leave(links, link);
			link_owner_maybe_free(links, owner);
		}
		link_free(link);
	}
	lock_release(&links->lock);
}

static void owner_drop(struct actor_links *links, struct link_owner *owner) HOLDS(links->lock)
{
	struct runtime_link *link;

	list_each(link, &owner->links, struct runtime_link, of_owner)
		link_leave(links, link);
	link_owner_maybe_free(links, owner);
}

void actor_links_fini(struct actor_links *links)
{
	struct map_slot *slot;

	lock_acquire(&links->lock);
	for (size_t at = 0; (slot = map_next(&links->owners, &at));)
		owner_drop(links, slot->value);
	lock_release(&links->lock);
	check(list_is_empty(&links->owed) && links->targets.n_items == 0);
	map_fini(&links->owners);
	map_fini(&links->targets);
	lock_fini(&links->lock);
}

/* ------------------------------------------------------------ telling, on the home loop */

static void link_retry(struct runtime_link *link);

/* Nothing is owed any more. True: it was wanted until now. */
static bool link_settle(struct actor_links *links, struct runtime_link *link)
{
	struct link_owner *owner;

	lock_acquire(&links->lock);
	list_remove(&link->waiting);
	owner = link->owner;
	if (owner) {
		link_leave(links, link);
		link_owner_maybe_free(links, owner);
	}
	lock_release(&links->lock);
	return owner;
}

/* Who is to be told. False: nobody, or *ret_later. */
static bool link_find_yaml(const struct runtime_link *link, struct str name,
			   struct actor **ret_actor, bool *ret_later)
{
	struct actors *actors = link->actors;
	const struct actor_spec *spec =
		actor_spec_find(link->home->section, actor_name_first(name));
	int r;

	if (!spec || spec->foreign || spec->n_keys != actor_name_n_keys(name))
		return false;
	*ret_actor = actors_find(actors, name);
	if (*ret_actor || !spec->persists)
		return *ret_actor;
	r = actors_get(actors, spec, name, ret_actor);
	*ret_later = r < 0;
	return r == 0;
}

static void link_tell(const struct runtime_link *link, struct actor *actor, message_fn *handle)
{
	const struct actor_send send = {
		.handler = str_of(link->handler),
		.sender = link->name,
		.value = actor_end_value(link->name, str_of(actor_end_name(link->end))),
	};
	struct actor_mail *mail = actor_mail_create(link->home, link->group, &send);

	blob_unref(send.value);
	if (handle) { /* a foreign one has one for all */
		mail->first = true;
		mail->message.handle = handle;
	}
	actor_mail_count(mail);
	if (actor_tell(actor, &mail->message) < 0)
		mail->message.release(&mail->message, -ESRCH);
	actor_unref(actor);
}

/* The owner stays as it is while this looks for it: one of YAML is of this loop, and is found by its name; of
 * another there is a handle. */
static void link_deliver(struct runtime_link *link)
{
	struct actor_links *links = &link->actors->links;
	char name[ACTOR_NAME_MAX];
	struct str whole = { name, 0 };
	message_fn *handle = NULL;
	struct actor *actor = NULL;
	bool later = false;

	lock_acquire(&links->lock);
	if (link->owner && link->owner->foreign) {
		actor = actor_ref(link->owner->foreign->actor);
		handle = link->owner->handle;
	} else if (link->owner) {
		whole.len = link->owner->name.len;
		memcpy(name, link->owner->name.ptr, whole.len);
	}
	lock_release(&links->lock);
	if (whole.len && !link_find_yaml(link, whole, &actor, &later) && later) {
		link_retry(link);
		return;
	}
	if (link_settle(links, link) && actor)
		link_tell(link, take(&actor), handle);
	actor_unref(actor);
	link_free(link);
}

static void link_on_retry(struct timer *timer)
{
	link_deliver(container_of(timer, struct runtime_link, retry));
}

static void link_retry(struct runtime_link *link)
{
	if (atomic_load(&link->actors->stopping))
		return; /* actor_links_stop() */
	timer_start(&link->retry, RETRY_MS);
}

static void link_on_post(struct post *post)
{
	struct runtime_link *link = container_of(post, struct runtime_link, post);

	timer_init(&link->retry, link->home->host.loop, link_on_retry);
	if (atomic_load(&link->actors->stopping) || link->home->cancelled) {
		link_settle(&link->actors->links, link);
		link_free(link);
		return;
	}
	link_deliver(link);
}

void link_owe(struct actor_links *links, struct runtime_link *link, enum actor_end end)
	HOLDS(links->lock)
{
	target_leave(links, link);
	link->end = end;
	link->post.run = link_on_post;
	list_add(&links->owed, &link->waiting);
	loop_post(link->home->host.loop, &link->post);
}

/* ------------------------------------------------------------ ends */

struct str link_target_key(struct str name, const void *host, char bytes[ACTOR_NAME_MAX + 32])
{
	size_t len = MIN(name.len, (size_t)ACTOR_NAME_MAX);

	memcpy(bytes, name.ptr, len);
	if (host) {
		bytes[len++] = '@';
		memcpy(bytes + len, &host, sizeof(host));
		len += sizeof(host);
	}
	return (struct str){ bytes, len };
}

/* Those of other hosts that watch one of ours. */
static void links_tell_hosts(struct actors *actors, struct str name, enum actor_end end)
	HOLDS(actors->links.lock)
{
	struct actor_loop *any = actors->loops[0];

	if (!actors->links.alone && any->host.remote)
		any->host.remote->on_down(any, name, end);
}

void actor_links_tell(struct actors *actors, const void *host, struct str name, enum actor_end end)
{
	struct actor_links *links = &actors->links;
	char bytes[ACTOR_NAME_MAX + 32];
	struct link_target *target;
	size_t n_links;

	if (atomic_load(&actors->stopping) || name.len == 0)
		return;
	lock_acquire(&links->lock);
	if (!host)
		links_tell_hosts(actors, name, end);
	target = map_find(&links->targets, link_target_key(name, host, bytes));
	for (n_links = target ? target->n_links : 0; n_links > 0; n_links--) /* the last frees it */
		link_owe(links, container_of(target->links.next, struct runtime_link, of_target),
			 end);
	lock_release(&links->lock);
}

void actor_loop_leave_hosts(struct actor_loop *any)
{
	lock_acquire(&any->actors->links.lock);
	any->actors->links.alone = true;
	lock_release(&any->actors->links.lock);
}

void actor_loop_tell_end(struct actor_loop *loop, const void *host, struct str there,
			 enum actor_end end)
{
	actor_links_tell(loop->actors, host, there, end);
}

void actor_links_drop(struct actors *actors, struct str self)
{
	struct actor_links *links = &actors->links;
	struct link_owner *owner;

	lock_acquire(&links->lock);
	owner = map_find(&links->owners, self);
	if (owner)
		owner_drop(links, owner);
	lock_release(&links->lock);
}

void actor_links_drop_foreign(struct actor_foreign *self)
{
	struct actor_links *links = &self->actors->links;

	lock_acquire(&links->lock);
	self->unlinked = true;
	if (self->links)
		owner_drop(links, self->links);
	lock_release(&links->lock);
}

/* One that lives goes by itself when it is idle. */
static bool owner_is_gone(const struct actor_loop *loop, struct str name)
{
	const struct actor_spec *spec = actor_spec_find(loop->section, actor_name_first(name));

	return actors_home(loop->actors, name) == loop &&
	       (!spec || spec->foreign || spec->n_keys != actor_name_n_keys(name));
}

void actor_links_sweep(struct actor_loop *loop)
{
	struct actor_links *links = &loop->actors->links;
	struct map_slot *slot;

	lock_acquire(&links->lock);
	for (size_t at = 0; (slot = map_next(&links->owners, &at));)
		if (owner_is_gone(loop, slot->key))
			owner_drop(links, slot->value);
	lock_release(&links->lock);
}

size_t actor_links_count(struct actors *actors, struct str self)
{
	struct actor_links *links = &actors->links;
	struct link_owner *owner;
	size_t n_links;

	lock_acquire(&links->lock);
	owner = map_find(&links->owners, self);
	n_links = owner ? owner->n_links : 0;
	lock_release(&links->lock);
	return n_links;
}

size_t actor_links_count_foreign(const struct actor_foreign *self)
{
	struct actor_links *links = &self->actors->links;
	size_t n_links;

	lock_acquire(&links->lock);
	n_links = self->links ? self->links->n_links : 0;
	lock_release(&links->lock);
	return n_links;
}
