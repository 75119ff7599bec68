/* server/actors/names.c: which actor has which name, for all loops. */
#include "core/base/memory.h"
#include "server/actors/private.h"
#include <errno.h>
#include <stdlib.h>

/* ------------------------------------------------------------ what a name says */

struct str actor_name_first(struct str name)
{
	ptrdiff_t slash = str_find_char(name, '/');

	return slash < 0 ? name : str_first(name, (size_t)slash);
}

size_t actor_name_n_keys(struct str name)
{
	size_t n = 0;

	for (size_t i = 0; i < name.len; i++)
		n += name.ptr[i] == '/';
	return n;
}

bool actor_name_is(struct str name, struct str asked)
{
	return asked.len == 0 || str_eq(name, asked) || str_eq(actor_name_first(name), asked);
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

struct str actor_name_key(struct str name, size_t at, struct arena *arena)
{
	struct str rest = name, part = STR_NONE;
	char *out;
	size_t len = 0;

	for (size_t i = 0; i <= at + 1; i++)
		if (!str_next_part(&rest, '/', &part))
			return STR("");
	out = arena_alloc(arena, part.len + 1);
	if (!out)
		return STR_NONE;
	for (size_t i = 0; i < part.len; i++) {
		bool coded = part.ptr[i] == '%' && i + 2 < part.len &&
			     hex_value(part.ptr[i + 1]) >= 0 && hex_value(part.ptr[i + 2]) >= 0;

		out[len] = part.ptr[i];
		if (coded)
			out[len] = (char)(hex_value(part.ptr[i + 1]) << 4 |
					  hex_value(part.ptr[i + 2]));
		len++;
		i += coded ? 2 : 0;
	}
	out[len] = 0;
	return (struct str){ out, len };
}

bool actor_name_is_canonical(struct str name)
{
	static const char *const codes[] = { "%25", "%2F", "%3A", "%40" };

	for (size_t i = 0; i < name.len; i++) {
		struct str code = str_first(str_skip(name, i), 3);
		bool known = name.ptr[i] != '%';

		for (size_t j = 0; j < ARRAY_LEN(codes) && !known; j++)
			known = str_eq(code, str_of(codes[j]));
		if (!known || name.ptr[i] == '@')
			return false;
	}
	return name.len <= ACTOR_NAME_MAX && str_is_utf8(name);
}

/* ------------------------------------------------------------ groups */

struct actor_group *actors_group(struct actors *actors, struct str name)
{
	struct actor_group *group;

	lock_acquire(&actors->groups_lock);
	for (group = actors->groups; group && !str_eq(group->name, name); group = group->next)
		;
	if (!group) {
		char *bytes;

		group = mem_zalloc(sizeof(*group) + name.len + 1);
		bytes = (char *)(group + 1);
		memcpy(bytes, name.ptr, name.len);
		group->name = (struct str){ bytes, name.len };
		group->next = actors->groups;
		actors->groups = group;
	}
	lock_release(&actors->groups_lock);
	return group;
}

void actors_figures(struct actors *actors, struct str name, struct actor_figures *ret_figures)
{
	struct actor_group *group = actors_group(actors, name);

	*ret_figures = (struct actor_figures){
		.name = group->name,
		.n_handled = atomic_load_explicit(&group->n_handled, memory_order_relaxed),
		.n_failed = atomic_load_explicit(&group->n_failed, memory_order_relaxed),
		.n_refused = atomic_load_explicit(&group->n_refused, memory_order_relaxed),
		.n_live = atomic_load_explicit(&group->n_live, memory_order_relaxed),
		.n_messages = atomic_load_explicit(&group->n_messages, memory_order_relaxed),
		.n_bytes = atomic_load_explicit(&group->n_bytes, memory_order_relaxed),
	};
}

/* ------------------------------------------------------------ memory */

void actors_count_anyway(struct actors *actors, struct actor_group *group, size_t size)
{
	arena_budget_add(actors->budget, size);
	atomic_fetch_add_explicit(&group->n_bytes, size, memory_order_relaxed);
}

bool actors_count(struct actors *actors, struct actor_group *group, size_t size)
{
	if (!arena_budget_take(actors->budget, size))
		return false;
	atomic_fetch_add_explicit(&group->n_bytes, size, memory_order_relaxed);
	return true;
}

void actors_uncount(struct actors *actors, struct actor_group *group, size_t size)
{
	arena_budget_give_back(actors->budget, size);
	atomic_fetch_sub_explicit(&group->n_bytes, size, memory_order_relaxed);
}

void actors_set_mailbox(struct actors *actors, struct actor *actor, const struct actor_spec *spec)
{
	struct mailbox_limits limits = spec->mailbox;

	limits.budget = actors->budget;
	actor_set_limits(actor, &limits);
}

/* ------------------------------------------------------------ actors */

struct actor_loop *actors_home(struct actors *actors, struct str name)
{
	return actors->loops[(str_hash(name) >> 32) % actors->n_loops];
}

static struct actor_shard *actors_shard(struct actors *actors, struct str name)
{
	return &actors->shards[str_hash(name) % ACTOR_SHARDS];
}

/* Counted before it is there, so that no more than max ever are. */
static bool group_take_place(struct actor_group *group, size_t n_max)
{
	if (atomic_fetch_add(&group->n_live, 1) < n_max)
		return true;
	atomic_fetch_sub(&group->n_live, 1);
	return false;
}

static struct actor *actors_spawn(struct actors *actors, const struct actor_spec *spec,
				  struct str name)
{
	struct actor_self self = { .loop = actors_home(actors, name),
				   .group = actors_group(actors, spec->name),
				   .name = { mem_strndup(name.ptr, name.len), name.len },
				   .base_size = actor_memory(&actor_self_kind) + name.len };
	struct actor *actor = actor_spawn(&actor_self_kind, &self, self.loop->host.loop, NULL);
	struct actor_self *own = actor_state(actor);

	own->actor = actor;
	actors_set_mailbox(actors, actor, spec);
	atomic_fetch_add(&actors->n_live, 1);
	return actor;
}

/* Room for one more. */
static int actors_take_place(struct actors *actors, const struct actor_spec *spec, struct str name)
{
	struct actor_group *group = actors_group(actors, spec->name);

	if (!group_take_place(group, spec->n_max))
		return -EMFILE;
	if (actors_count(actors, group, actor_memory(&actor_self_kind) + name.len))
		return 0;
	atomic_fetch_sub(&group->n_live, 1);
	return -ENOMEM;
}

struct actor *actors_find(struct actors *actors, struct str name)
{
	struct actor_shard *shard = actors_shard(actors, name);
	struct actor *actor;

	lock_acquire(&shard->lock);
	actor = map_find(&shard->by_name, name);
	if (actor)
		actor_ref(actor);
	lock_release(&shard->lock);
	return actor;
}

int actors_get(struct actors *actors, const struct actor_spec *spec, struct str name,
	       struct actor **ret_actor)
{
	struct actor_shard *shard = actors_shard(actors, name);
	struct actor *actor;
	int r = 0;

	lock_acquire(&shard->lock);
	actor = map_find(&shard->by_name, name);
	if (!actor)
		r = actors_take_place(actors, spec, name);
	if (!actor && r == 0) {
		actor = actors_spawn(actors, spec, name);
		map_set(&shard->by_name, ((struct actor_self *)actor_state(actor))->name, actor);
	}
	if (actor)
		*ret_actor = actor_ref(actor);
	lock_release(&shard->lock);
	return r;
}

void actors_forget(struct actors *actors, struct str name, const struct actor *actor)
{
	struct actor_shard *shard = actors_shard(actors, name);
	struct actor *found;

	lock_acquire(&shard->lock);
	found = map_find(&shard->by_name, name);
	if (found == actor)
		map_remove(&shard->by_name, name);
	lock_release(&shard->lock);
	if (found && found == actor)
		actor_unref(found);
}

bool actors_retire(struct actors *actors, struct actor_self *self, bool rests)
{
	struct actor_shard *shard = actors_shard(actors, self->name);
	struct actor *actor = self->actor, *found;
	bool idle;

	lock_acquire(&shard->lock);
	found = map_find(&shard->by_name, self->name);
	idle = found == actor && actor_terminate_idle(actor);
	if (idle)
		map_remove(&shard->by_name, self->name);
	if (idle && !rests) { /* before there is another one of that name */
		actor_links_tell(actors, NULL, self->name, ACTOR_END_NORMAL);
		actor_links_drop(actors, self->name);
	}
	lock_release(&shard->lock);
	if (idle)
		actor_unref(actor);
	return idle;
}
