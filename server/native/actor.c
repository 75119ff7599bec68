/* server/native/actor.c: actors of modules: their beginning, their names, their end. */
#include "server/native/actors.h"
#include "server/native/api_parts.h"
#include "server/native/call.h"
#include "server/native/natives.h"
#include <stdlib.h>

/* ------------------------------------------------------------ the end */

static void native_on_library_end(struct post *post)
{
	library_unref(container_of(post, struct library, actors.end));
}

/* Whether the reference of the actors is to be given back: none live, and none come. */
static bool native_actors_are_over(struct library *library) HOLDS(library->actors.lock)
{
	struct native_actors *actors = &library->actors;
	bool over = actors->closing && actors->hold && actors->n_live == 0;

	if (over)
		actors->hold = false;
	return over;
}

void native_actor_leave(struct library *library)
{
	const struct native_host *host = library->actors.host;
	bool over;

	lock_acquire(&library->actors.lock);
	library->actors.n_live--;
	over = native_actors_are_over(library);
	lock_release(&library->actors.lock);
	if (over) /* the reference is still theirs */
		loop_post(host->main, &library->actors.end);
}

static void native_actor_fini(struct actor *actor, enum actor_end end)
{
	struct leat_actor *self = actor_state(actor);
	struct library *library = self->library;

	lock_acquire(&library->actors.lock);
	list_remove(&self->link);
	if (self->foreign.name.len) {
		actor_foreign_unname(&self->foreign, end);
		map_remove(&library->actors.by_name, self->foreign.name);
	}
	lock_release(&library->actors.lock);
	native_delays_end(self);
	if (self->kind->release && self->state)
		self->kind->release(self->state);
	actor_foreign_end(&self->foreign, end);
	native_actor_leave(library);
}

static const struct actor_kind native_actor_kind = { .name = "module's actor",
						     .state_size = sizeof(struct leat_actor),
						     .on_end = native_actor_on_end,
						     .interrupt = native_actor_interrupt,
						     .fini = native_actor_fini };

/* ------------------------------------------------------------ of a library */

void native_actors_init(struct native_actors *actors)
{
	lock_init(&actors->lock);
	map_init(&actors->by_name);
	list_init(&actors->all);
	actors->end.run = native_on_library_end;
}

void native_actors_fini(struct native_actors *actors)
{
	map_fini(&actors->by_name);
	lock_fini(&actors->lock);
}

static void native_actors_end(struct library *library, bool at_once) HOLDS(library->actors.lock)
{
	struct leat_actor *actor;

	library->actors.closing = true;
	list_each(actor, &library->actors.all, struct leat_actor, link)
		actor_terminate(actor->foreign.actor, at_once);
}

void native_actors_name(struct library *library)
{
	lock_acquire(&library->actors.lock);
	library->actors.n_named++;
	lock_release(&library->actors.lock);
}

static void native_actors_stop(struct library *library, bool named, bool at_once)
{
	bool over = false;

	lock_acquire(&library->actors.lock);
	if (named || --library->actors.n_named == 0) {
		native_actors_end(library, at_once);
		over = native_actors_are_over(library);
	}
	lock_release(&library->actors.lock);
	if (over)
		library_unref(library);
}

void native_actors_unname(struct library *library)
{
	native_actors_stop(library, false, false);
}

void natives_close_actors(const struct natives *natives)
{
	for (size_t i = 0; i < natives->n_libraries; i++)
		native_actors_stop(natives->libraries[i], true, true);
}

/* ------------------------------------------------------------ the beginning */

static bool kind_has_name(const struct leat_kind *kind, struct str name)
{
	struct str own = str_of(kind->name), part, own_part;

	for (;;) {
		bool more = str_next_part(&own, '/', &own_part);

		if (more != str_next_part(&name, '/', &part))
			return false;
		if (!more)
			return true;
		if (part.len == 0 || (own_part.ptr[0] != '{' && !str_eq(part, own_part)))
			return false;
	}
}

static struct str kind_group(const struct leat_kind *kind)
{
	struct str name = str_of(kind->name);
	ptrdiff_t slash = str_find_char(name, '/');

	return slash < 0 ? name : str_first(name, (size_t)slash);
}

static const struct mailbox_limits *kind_limits(const struct leat_kind *kind,
						struct mailbox_limits *limits,
						struct arena_budget *budget)
{
	static const enum mailbox_policy policies[] = { [LEAT_REJECT] = MAILBOX_REJECT,
							[LEAT_WAIT] = MAILBOX_WAIT,
							[LEAT_DROP_OLDEST] = MAILBOX_DROP_OLDEST,
							[LEAT_DROP_NEWEST] = MAILBOX_DROP_NEWEST };

	*limits = (struct mailbox_limits){
		.n_max = kind->messages_max ? kind->messages_max : 1000,
		.wait_max = kind->waiting_max ? kind->waiting_max : 1000,
		.max_bytes = kind->bytes_max ? kind->bytes_max : 16 << 20,
		.full = policies[kind->full],
		.budget = budget,
	};
	return limits;
}

static struct leat_actor *actor_make(struct library *library, const struct leat_kind *kind,
				     struct str name, void *state) HOLDS(library->actors.lock)
{
	const struct native_host *host = library->actors.host;
	struct actor_loop *home = actors_place(host->actors, name);
	bool pooled = kind->flags & LEAT_ON_POOL;
	size_t size = actor_memory(&native_actor_kind);
	struct leat_actor own = { .library = library, .kind = kind, .state = state }, *self;
	struct mailbox_limits limits;
	struct actor *actor;

	if (!actors_admit(host->actors, kind_group(kind), size))
		return NULL;
	own.foreign.home = home;
	own.foreign.size = size;
	actor = actor_spawn(&native_actor_kind, &own, actor_loop_loop(home),
			    pooled ? host->queue : NULL);
	self = actor_state(actor);
	self->foreign.actor = actor;
	memcpy(self->name, name.ptr, name.len);
	self->foreign.name = (struct str){ self->name, name.len };
	list_init(&self->link);
	list_init(&self->delays);
	list_add(&library->actors.all, &self->link);
	if (name.len)
		map_set(&library->actors.by_name, self->foreign.name, self);
	library->actors.n_live++;
	if (!library->actors.hold)
		library_ref(library);
	library->actors.hold = true;
	actor_set_limits(actor, kind_limits(kind, &limits, actors_budget(host->actors)));
	actor_foreign_begin(&self->foreign, host->actors, kind_group(kind));
	return self;
}

/* ------------------------------------------------------------ what modules call */

static void actor_check(bool holds, const char *function, const char *what)
{
	call_check(NULL, holds, function, what);
}

static bool kind_is_of(const struct leat_module *module, const struct leat_kind *kind)
{
	for (const struct leat_kind *row = library_kinds(module); row && row->name; row++)
		if (row == kind)
			return true;
	return false;
}

struct leat_actor *native_spawn(const struct leat_module *module, const struct leat_kind *kind,
				const char *name_text, void *state)
{
	struct library *library = library_of(module);
	struct str name = str_of(name_text ? name_text : "");
	struct leat_actor *actor = NULL;

	actor_check(library, "spawn", "the module is loaded, and its init() has begun");
	actor_check(kind_is_of(module, kind), "spawn", "the kind is a row of the module's table");
	if (name.len >= NATIVE_NAME_MAX || (name_text && !kind_has_name(kind, name)))
		return NULL;
	lock_acquire(&library->actors.lock);
	if (library->actors.host && !library->actors.closing &&
	    (name.len == 0 || !map_find(&library->actors.by_name, name)))
		actor = actor_make(library, kind, name, state);
	lock_release(&library->actors.lock);
	return actor;
}

struct leat_actor *native_find(const struct leat_module *module, const char *name)
{
	struct library *library = library_of(module);
	struct leat_actor *actor;

	actor_check(library && name, "find", "the module is loaded, and there is a name");
	lock_acquire(&library->actors.lock);
	actor = map_find(&library->actors.by_name, str_of(name));
	if (actor)
		actor_ref(actor->foreign.actor);
	lock_release(&library->actors.lock);
	return actor;
}

struct leat_actor *native_actor_ref(struct leat_actor *actor)
{
	actor_check(actor, "actor_ref", "the actor is there");
	actor_ref(actor->foreign.actor);
	return actor;
}

void native_actor_unref(struct leat_actor *actor)
{
	if (actor)
		actor_unref(actor->foreign.actor);
}

struct leat_actor *native_self(struct leat_call *call)
{
	call_enter(call, "self");
	return call->self;
}

struct leat_actor *native_subject(struct leat_call *call)
{
	call_enter(call, "subject");
	return call->subject;
}

void native_terminate(struct leat_actor *actor, bool at_once)
{
	actor_check(actor, "terminate", "the actor is there");
	lock_acquire(&actor->library->actors.lock);
	if (list_is_linked(&actor->link)) /* its loop is there: it ends before that */
		actor_terminate(actor->foreign.actor, at_once);
	lock_release(&actor->library->actors.lock);
}

void native_exit(struct leat_call *call, bool broken)
{
	call_enter(call, "exit");
	call_check(call, call->self, "exit", "the call handles a message");
	call->self->exits = broken ? ACTOR_END_FAILED : ACTOR_END_NORMAL;
}

enum leat_exit native_ended(struct leat_actor *actor)
{
	actor_check(actor, "ended", "the actor is there");
	switch (actor_end(actor->foreign.actor)) {
	case ACTOR_LIVES:
		return LEAT_LIVES;
	case ACTOR_END_NORMAL:
		return LEAT_NORMAL;
	case ACTOR_END_FAILED:
		return LEAT_BROKEN;
	case ACTOR_END_KILLED:
		return LEAT_KILLED;
	case ACTOR_END_NO_ACTOR:
	case ACTOR_END_NO_CONNECTION:
		return LEAT_NOBODY;
	}
	unreachable();
}
