/* server/actors/links_make.c: links are made, and taken back. */
#include "core/base/memory.h"
#include "server/actors/links_private.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------ linking */

/* What is linked to, as it was looked up. */
struct link_aim {
	const struct actor_spec *spec;     /* of this process; else */
	const struct actor_remote *remote; /* and */
	void *host;                        /* which is counted, */
	struct str there;                  /* and what it is called there */
	struct str name;                   /* as it is told */
	char bytes[2 * ACTOR_NAME_MAX];
};

static enum error_code aim_local(struct actor_loop *loop, struct str name, struct link_aim *aim,
				 const char **ret_detail)
{
	const struct actor_send send = { .name = name };
	enum error_code code = ERROR_NONE;

	aim->name = name;
	aim->spec = actor_send_find(loop, &send, &code, ret_detail);
	return code;
}

static enum error_code aim_remote(struct actor_loop *loop, struct str name, struct link_aim *aim,
				  const char **ret_detail)
{
	enum error_code code = ERROR_NONE;
	struct str host;
	int len;

	aim->remote = loop->host.remote;
	if (!aim->remote) {
		*ret_detail = "there are no other hosts here";
		return ERROR_UNAVAILABLE;
	}
	aim->host = aim->remote->find(loop, name, &aim->there, &host, &code, ret_detail);
	if (!aim->host)
		return code;
	len = snprintf(aim->bytes, sizeof(aim->bytes), "%.*s@%.*s", STR_ARG(aim->there),
		       STR_ARG(host));
	aim->name = (struct str){ aim->bytes, MIN((size_t)len, sizeof(aim->bytes) - 1) };
	return ERROR_NONE;
}

static enum error_code aim_find(struct actor_loop *loop, struct str name, struct link_aim *aim,
				const char **ret_detail)
{
	*aim = (struct link_aim){ .there = name };
	if (str_has(name, '@'))
		return aim_remote(loop, name, aim, ret_detail);
	return aim_local(loop, name, aim, ret_detail);
}

static void aim_leave(struct link_aim *aim)
{
	if (aim->host)
		aim->remote->leave(take(&aim->host));
}

static struct link_target *target_create(struct actor_links *links, struct link_aim *aim,
					 struct str key) HOLDS(links->lock)
{
	size_t size = sizeof(struct link_target) + key.len + aim->there.len + 1;
	struct link_target *target = mem_zalloc(size);
	char *bytes = (char *)(target + 1);

	memcpy(bytes, key.ptr, key.len);
	target->key = (struct str){ bytes, key.len };
	memcpy(bytes + key.len, aim->there.ptr, aim->there.len);
	target->there = (struct str){ bytes + key.len, aim->there.len };
	target->remote = aim->remote;
	target->host = take(&aim->host);
	list_init(&target->links);
	map_set(&links->targets, target->key, target);
	return target;
}

/* In the shorter of the two lists. */
static struct runtime_link *link_find(const struct link_owner *owner,
				      const struct link_target *target)
{
	struct runtime_link *link;

	if (!owner || !target)
		return NULL;
	if (owner->n_links <= target->n_links) {
		list_each(link, &owner->links, struct runtime_link, of_owner)
			if (link->target == target)
				return link;
		return NULL;
	}
	list_each(link, &target->links, struct runtime_link, of_target)
		if (link->owner == owner)
			return link;
	return NULL;
}

static struct runtime_link *link_create(struct actors *actors, struct actor_group *group,
					struct str name, struct str handler)
{
	size_t size = sizeof(struct runtime_link) + name.len + 1;
	struct runtime_link *link;
	char *bytes;

	if (!actors_count(actors, group, size + handler.len))
		return NULL;
	link = mem_zalloc(size);
	bytes = (char *)(link + 1);
	memcpy(bytes, name.ptr, name.len);
	link->name = (struct str){ bytes, name.len };
	link->handler = mem_strndup(handler.ptr, handler.len);
	link->size = size + handler.len;
	link->actors = actors;
	link->group = group;
	list_init(&link->of_owner);
	list_init(&link->of_target);
	list_init(&link->waiting);
	return link;
}

/* Who links, and to whom. */
struct link_ask {
	struct actors *actors;
	struct actor_loop *home;
	struct str self; /* of YAML */
	struct str handler;
	struct actor_foreign *foreign; /* or NULL */
	message_fn *handle;
	struct link_aim *aim;
};

static struct link_owner *owner_create(struct str name, struct actor_group *group,
				       struct actor_foreign *foreign)
{
	struct link_owner *owner = mem_zalloc(sizeof(*owner) + name.len + 1);
	char *bytes = (char *)(owner + 1);

	if (name.len)
		memcpy(bytes, name.ptr, name.len);
	owner->name = (struct str){ bytes, name.len };
	owner->group = group;
	owner->foreign = foreign;
	list_init(&owner->links);
	return owner;
}

static struct link_owner *ask_owner(const struct actor_links *links, const struct link_ask *ask)
{
	return ask->foreign ? ask->foreign->links : map_find(&links->owners, ask->self);
}

static struct link_owner *ask_make_owner(struct actor_links *links, const struct link_ask *ask)
	HOLDS(links->lock)
{
	struct link_owner *owner = ask_owner(links, ask);
	struct actor_group *group;

	if (owner)
		return owner;
	group = ask->foreign ? ask->foreign->group
			     : actors_group(ask->actors, actor_name_first(ask->self));
	owner = owner_create(ask->self, group, ask->foreign);
	owner->handle = ask->handle;
	if (ask->foreign)
		ask->foreign->links = owner;
	else
		map_set(&links->owners, owner->name, owner);
	return owner;
}

static enum error_code link_add(struct actor_links *links, const struct link_ask *ask,
				bool *ret_watched, const char **ret_detail) HOLDS(links->lock)
{
	struct link_owner *owner = ask_make_owner(links, ask);
	char bytes[ACTOR_NAME_MAX + 32];
	struct str key = link_target_key(ask->aim->there, ask->aim->host, bytes);
	struct link_target *target = map_find(&links->targets, key);
	struct runtime_link *link = link_find(owner, target);

	*ret_watched = true;
	if (link) {
		free(link->handler);
		link->handler = mem_strndup(ask->handler.ptr, ask->handler.len);
		return ERROR_NONE;
	}
	if (owner->n_links >= ACTOR_LINKS_MAX) {
		*ret_detail = "the actor is linked to 10000 others; unlink some";
		return ERROR_QUEUE_FULL;
	}
	link = link_create(ask->actors, owner->group, ask->aim->name, ask->handler);
	if (!link)
		return actor_error(-ENOMEM, ret_detail);
	if (!target) {
		target = target_create(links, ask->aim, key);
		*ret_watched = !target->host ||
			       target->remote->watch(target->host, target->there, true);
	}
	link->owner = owner;
	link->target = target;
	link->home = ask->home;
	list_add(&owner->links, &link->of_owner);
	list_add(&target->links, &link->of_target);
	owner->n_links++;
	target->n_links++;
	return ERROR_NONE;
}

/* One of YAML that is kept lives on in the store, and one without a key from the start. */
static bool spec_lives(struct actors *actors, const struct actor_spec *spec, struct str name)
{
	struct actor *actor;

	if (!spec->foreign && (spec->persists || (spec->n_keys == 0 && spec->idle_ms == 0)))
		return true;
	actor = spec->foreign ? spec->foreign->find(spec->foreign, name)
			      : actors_find(actors, name);
	actor_unref(actor);
	return actor;
}

bool actor_loop_has(struct actor_loop *loop, struct str name)
{
	const struct actor_send send = { .name = name };
	enum error_code code;
	const char *detail;
	const struct actor_spec *spec = actor_send_find(loop, &send, &code, &detail);

	return spec && spec_lives(loop->actors, spec, name);
}

/* After the link is there: so an end that it is too late for has been one before it. */
static void link_check(const struct link_ask *ask, const void *host, enum actor_end end)
{
	struct actor_links *links = &ask->actors->links;
	char bytes[ACTOR_NAME_MAX + 32];
	struct str key = link_target_key(ask->aim->there, host, bytes);
	struct runtime_link *link;

	lock_acquire(&links->lock);
	link = link_find(ask_owner(links, ask), map_find(&links->targets, key));
	if (link)
		link_owe(links, link, end);
	lock_release(&links->lock);
}

static enum error_code link_make(struct link_ask *ask, struct str name, const char **ret_detail)
{
	struct actor_links *links = &ask->actors->links;
	struct link_aim aim;
	enum error_code code = aim_find(ask->home, name, &aim, ret_detail);
	const void *host = aim.host;
	bool watched = true;

	if (code != ERROR_NONE)
		return code;
	ask->aim = &aim;
	lock_acquire(&links->lock);
	if (!ask->foreign || !ask->foreign->unlinked) {
		code = link_add(links, ask, &watched, ret_detail);
		link_owner_maybe_free(links, ask_owner(links, ask));
	}
	lock_release(&links->lock);
	aim_leave(&aim);
	if (code == ERROR_NONE && !watched)
		link_check(ask, host, ACTOR_END_NO_CONNECTION);
	else if (code == ERROR_NONE && !host && !spec_lives(ask->actors, aim.spec, aim.name))
		link_check(ask, NULL, ACTOR_END_NO_ACTOR);
	ask->aim = NULL; /* it is over */
	return code;
}

enum error_code actor_link_yaml(struct actor_loop *loop, struct str self, struct str handler,
				struct str name, const char **ret_detail)
{
	struct actor *actor = actors_find(loop->actors, self);
	struct link_ask ask = {
		.actors = loop->actors, .home = loop, .self = self, .handler = handler
	};

	actor_unref(actor);
	if (actor)
		return link_make(&ask, name, ret_detail);
	*ret_detail =
		"the actor that is to be told has ended"; /* a detached task has outlived it */
	return ERROR_UNAVAILABLE;
}

enum error_code actor_link_foreign(struct actor_foreign *self, message_fn *handle, struct str name,
				   const char **ret_detail)
{
	struct link_ask ask = { .actors = self->actors,
				.home = self->home,
				.self = self->name,
				.handler = STR(""),
				.foreign = self,
				.handle = handle };

	return link_make(&ask, name, ret_detail);
}

/* ------------------------------------------------------------ unlinking */

/* Also what is owed: until it is in the mailbox. */
static void owner_unlink(struct actor_links *links, struct link_owner *owner, struct str name)
	HOLDS(links->lock)
{
	struct runtime_link *link;

	if (!owner)
		return;
	list_each(link, &owner->links, struct runtime_link, of_owner)
		if (str_eq(link->name, name))
			link_leave(links, link);
	link_owner_maybe_free(links, owner);
}

/* As it is told. */
static struct str unlink_name(struct actor_loop *loop, struct str name, struct link_aim *aim)
{
	const char *detail;
	struct str known = name;

	if (str_has(name, '@') && aim_find(loop, name, aim, &detail) == ERROR_NONE)
		known = aim->name;
	aim_leave(aim);
	return known;
}

void actor_unlink_yaml(struct actor_loop *loop, struct str self, struct str name)
{
	struct actor_links *links = &loop->actors->links;
	struct link_aim aim = { 0 };
	struct str known = unlink_name(loop, name, &aim);

	lock_acquire(&links->lock);
	owner_unlink(links, map_find(&links->owners, self), known);
	lock_release(&links->lock);
}

void actor_unlink_foreign(struct actor_foreign *self, struct str name)
{
	struct actor_links *links = &self->actors->links;
	struct link_aim aim = { 0 };
	struct str known = unlink_name(self->home, name, &aim);

	lock_acquire(&links->lock);
	owner_unlink(links, self->links, known);
	lock_release(&links->lock);
}
