/* core/task/home.c: the homes and their things. How tasks reach them is in ask.c.
 *
 * A home is touched by its loop's thread only. What is counted for all of them is atomic.
 *
 * Locking: homes.lock guards homes.seen, nothing else, and nothing else is taken with it held. */
#include "core/base/map.h"
#include "core/base/memory.h"
#include "core/task/home_private.h"
#include "core/thread/lock.h"
#include <stdlib.h>

enum {
	SLOTS_KEPT = 1024, /* an empty map with more gives them back */
	SETTLE_ROUNDS = 1000,
};

#define KEPT_MAX_DEFAULT (SIZE_MAX < 67108864 ? SIZE_MAX : (size_t)67108864)

struct home {
	_Alignas(64) struct loop *loop;
	struct homes *homes;
	struct map things[N_HOME_KINDS];
};

struct homes {
	size_t n_homes;
	atomic_size_t n_things, n_messages, kept_bytes, kept_max;
	struct lock lock;
	struct map seen[N_HOME_FIGURED]; /* name to struct seen *; guarded by lock */
	struct home homes[];
};

/* What other threads see of a thing; written by its home. */
struct seen {
	atomic_size_t n_left, n_bytes, n_held, n_waiting, n_waiting_room;
};

/* Followed by the kind's struct, and that by the name. */
struct thing {
	_Alignas(16) struct home *home;
	const struct thing_ops *ops;
	struct seen *seen; /* NULL: nobody looks */
	struct str name;
};

struct homes *homes_create(struct loop *const loops[], size_t n_loops)
{
	size_t size = sizeof(struct homes) + n_loops * sizeof(struct home);
	struct homes *homes = aligned_alloc(64, (size + 63) / 64 * 64);

	check(homes && n_loops > 0);
	memset(homes, 0, size);
	homes->n_homes = n_loops;
	atomic_init(&homes->kept_max, KEPT_MAX_DEFAULT);
	lock_init(&homes->lock);
	for (size_t i = 0; i < n_loops; i++) {
		homes->homes[i].loop = loops[i];
		homes->homes[i].homes = homes;
	}
	return homes;
}

void homes_settle(struct homes *homes)
{
	for (unsigned n = 0; n < SETTLE_ROUNDS && atomic_load(&homes->n_messages) > 0; n++)
		for (size_t i = 0; i < homes->n_homes; i++)
			loop_run_once(homes->homes[i].loop, false);
}

static void home_fini(struct home *home)
{
	struct map_slot *slot;

	for (unsigned kind = 0; kind < N_HOME_KINDS; kind++) {
		for (size_t at = 0; (slot = map_next(&home->things[kind], &at));) {
			struct thing *thing = slot->value;

			thing->ops->fini(thing + 1);
			free(thing);
		}
		map_fini(&home->things[kind]);
	}
}

static void homes_forget_seen(struct homes *homes)
{
	struct map_slot *slot;

	for (unsigned kind = 0; kind < N_HOME_FIGURED; kind++) {
		for (size_t at = 0; (slot = map_next(&homes->seen[kind], &at));)
			free(slot->value);
		map_fini(&homes->seen[kind]);
	}
}

void homes_destroy(struct homes *homes)
{
	if (!homes)
		return;
	for (size_t i = 0; i < homes->n_homes; i++)
		home_fini(&homes->homes[i]);
	homes_forget_seen(homes);
	lock_fini(&homes->lock);
	free(homes);
}

/* ------------------------------------------------------------ what others see */

void homes_watch(struct homes *homes, enum home_figured kind, struct str name)
{
	struct map *map = &homes->seen[kind];
	struct seen *seen;
	char *bytes;

	lock_acquire(&homes->lock);
	if (!map_find(map, name)) {
		seen = mem_zalloc(sizeof(*seen) + name.len);
		bytes = (char *)(seen + 1);
		if (name.len)
			memcpy(bytes, name.ptr, name.len);
		map_set(map, (struct str){ bytes, name.len }, seen);
	}
	lock_release(&homes->lock);
}

/* NULL: nobody looks. */
static struct seen *homes_find_seen(struct homes *homes, enum home_figured kind, struct str name)
{
	struct seen *seen;

	lock_acquire(&homes->lock);
	seen = map_find(&homes->seen[kind], name);
	lock_release(&homes->lock);
	return seen;
}

static void thing_tell(struct thing *thing)
{
	struct home_figures now = { 0 };
	struct seen *seen = thing->seen;

	if (!seen)
		return;
	thing->ops->tell(thing + 1, &now);
	atomic_store_explicit(&seen->n_left, now.n_left, memory_order_relaxed);
	atomic_store_explicit(&seen->n_bytes, now.n_bytes, memory_order_relaxed);
	atomic_store_explicit(&seen->n_held, now.n_held, memory_order_relaxed);
	atomic_store_explicit(&seen->n_waiting, now.n_waiting, memory_order_relaxed);
	atomic_store_explicit(&seen->n_waiting_room, now.n_waiting_room, memory_order_relaxed);
}

void homes_figures(struct homes *homes, enum home_figured kind, struct str name,
		   struct home_figures *ret_figures)
{
	const struct seen *seen = homes_find_seen(homes, kind, name);

	*ret_figures = (struct home_figures){ 0 };
	if (!seen)
		return;
	ret_figures->n_left = atomic_load_explicit(&seen->n_left, memory_order_relaxed);
	ret_figures->n_bytes = atomic_load_explicit(&seen->n_bytes, memory_order_relaxed);
	ret_figures->n_held = atomic_load_explicit(&seen->n_held, memory_order_relaxed);
	ret_figures->n_waiting = atomic_load_explicit(&seen->n_waiting, memory_order_relaxed);
	ret_figures->n_waiting_room =
		atomic_load_explicit(&seen->n_waiting_room, memory_order_relaxed);
}

void homes_set_kept_max(struct homes *homes, size_t max_bytes)
{
	atomic_store(&homes->kept_max, max_bytes);
}

void homes_stats(struct homes *homes, struct homes_stats *ret_stats)
{
	*ret_stats = (struct homes_stats){
		.n_things = atomic_load(&homes->n_things),
		.n_messages = atomic_load(&homes->n_messages),
		.kept_bytes = atomic_load(&homes->kept_bytes),
	};
}

bool homes_has_room(struct homes *homes, size_t size)
{
	size_t max = homes ? atomic_load(&homes->kept_max) : SIZE_MAX;
	size_t kept = homes ? atomic_load(&homes->kept_bytes) : 0;

	return kept <= max && size <= max - kept;
}

void homes_keep(struct homes *homes, size_t size)
{
	if (homes)
		atomic_fetch_add(&homes->kept_bytes, size);
}

void homes_unkeep(struct homes *homes, size_t size)
{
	if (homes)
		atomic_fetch_sub(&homes->kept_bytes, size);
}

void homes_count_message(struct homes *homes, bool more)
{
	if (more)
		atomic_fetch_add(&homes->n_messages, 1);
	else
		atomic_fetch_sub(&homes->n_messages, 1);
}

/* ------------------------------------------------------------ things */

struct home *home_of(struct homes *homes, struct str name)
{
	return &homes->homes[(str_hash(name) >> 32) % homes->n_homes];
}

struct loop *home_loop(const struct home *home)
{
	return home->loop;
}

static struct thing *thing_create(struct home *home, const struct thing_ops *ops, struct str name)
{
	struct owner owner = { .loop = home->loop, .homes = home->homes };
	struct thing *thing = mem_alloc(sizeof(*thing) + ops->size + name.len);
	char *bytes = (char *)(thing + 1) + ops->size;

	if (name.len > 0)
		memcpy(bytes, name.ptr, name.len);
	*thing = (struct thing){ .home = home, .ops = ops, .name = { bytes, name.len } };
	if (ops->tell)
		thing->seen = homes_find_seen(home->homes, ops->figured, name);
	owner.thing = thing;
	ops->init(thing + 1, &owner);
	map_set(&home->things[ops->kind], thing->name, thing);
	atomic_fetch_add_explicit(&home->homes->n_things, 1, memory_order_relaxed);
	return thing;
}

/* That of the name, made when there is none; in either case to be settled afterwards. */
static struct thing *thing_of(struct home *home, const struct thing_ops *ops, struct str name)
{
	struct thing *thing = map_find(&home->things[ops->kind], name);

	return thing ? thing : thing_create(home, ops, name);
}

void thing_settle(struct thing *thing)
{
	struct map *map;

	if (thing)
		thing_tell(thing);
	if (!thing || !thing->ops->is_idle(thing + 1))
		return;
	map = &thing->home->things[thing->ops->kind];
	map_remove(map, thing->name);
	if (map->n_items == 0 && map->n_slots > SLOTS_KEPT)
		map_fini(map);
	atomic_fetch_sub_explicit(&thing->home->homes->n_things, 1, memory_order_relaxed);
	thing->ops->fini(thing + 1);
	free(thing);
}

void home_ask(struct home *home, const struct thing_ops *ops, struct str name, struct ask *ask)
{
	struct thing *thing = thing_of(home, ops, name);

	ask->thing = thing;
	ops->ask(thing + 1, ask);
	thing_settle(thing);
}

void home_withdraw(struct ask *ask)
{
	struct thing *thing = ask->thing;

	thing->ops->withdraw(thing + 1, ask);
	thing_settle(thing);
}

void home_give_back(struct home *home, const struct thing_ops *ops, struct str name,
		    struct ask *ask)
{
	struct thing *thing = thing_of(home, ops, name);

	ops->give_back(thing + 1, ask);
	thing_settle(thing);
}

void home_give_back_held(struct ask *ask)
{
	struct thing *thing = ask->thing;

	thing->ops->give_back(thing + 1, ask);
	thing_settle(thing);
}
