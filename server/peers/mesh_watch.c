/* server/peers/mesh_watch.c: single actors whose end one side tells the other (links that are made while running).
 *
 * What we watch is a table of names, not frames that wait: a name that has changed since the trunk was told of it is
 * in `unsaid`, once, whatever becomes of it meanwhile. So no trunk that is slow, or away, makes a name be forgotten.
 * With each trunk all are said again, then what was not said is over (UNWATCH without a name). */
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/peers/mesh.h"
#include "server/peers/peer_loop.h"
#include "server/peers/trunk.h"
#include <stdlib.h>

/* Of the other side's, or ours. */
struct mesh_watch {
	struct list unsaid; /* of ours: in mesh.unsaid */
	bool wanted;        /* of ours: else it goes when that was said */
	bool said;          /* of ours: by the trunk that is there */
	bool lost;          /* of ours: who is linked is to be told that the host is gone */
	bool stale;         /* of the other side's: not said again by this trunk */
	struct str name;    /* behind it */
};

static struct mesh_watch *watch_add(struct map *watches, struct str name)
{
	struct mesh_watch *watch = mem_zalloc(sizeof(*watch) + name.len + 1);
	char *bytes = (char *)(watch + 1);

	memcpy(bytes, name.ptr, name.len);
	watch->name = (struct str){ bytes, name.len };
	list_init(&watch->unsaid);
	map_set(watches, watch->name, watch);
	return watch;
}

static void watch_remove(struct map *watches, struct mesh_watch *watch)
{
	map_remove(watches, watch->name);
	list_remove(&watch->unsaid);
	free(watch);
}

void mesh_watches_clear(struct map *watches)
{
	struct map_slot *slot;

	for (size_t at = 0; (slot = map_next(watches, &at));)
		watch_remove(watches, slot->value);
}

/* ------------------------------------------------------------ ours */

static void mesh_say(struct mesh *mesh, struct mesh_watch *watch) HOLDS(mesh->lock)
{
	if (!list_is_linked(&watch->unsaid))
		list_add(&mesh->unsaid, &watch->unsaid);
	mesh_wake_trunk(mesh);
}

static bool mesh_want(struct mesh *mesh, struct str name) HOLDS(mesh->lock)
{
	struct mesh_watch *watch = map_find(&mesh->watches, name);

	if (mesh->retired || (mesh->trunk && mesh->is_old) ||
	    (!watch && mesh->watches.n_items >= MESH_WATCHES_MAX))
		return false;
	if (!watch)
		watch = watch_add(&mesh->watches, name);
	watch->wanted = true;
	watch->lost = false;
	mesh_say(mesh, watch);
	if (!mesh->trunk && mesh_may_dial(mesh) && mesh->retry_ns == 0)
		mesh_ask_trunk(mesh);
	mesh_post_home(mesh);
	return true;
}

static void mesh_unwant(struct mesh *mesh, struct str name) HOLDS(mesh->lock)
{
	struct mesh_watch *watch = map_find(&mesh->watches, name);

	if (watch && watch->said) {
		watch->wanted = false;
		mesh_say(mesh, watch);
	} else if (watch) {
		watch_remove(&mesh->watches, watch);
	}
}

bool mesh_watch(struct fellow *peer, struct str there, bool on)
{
	struct mesh *mesh = mesh_of(peer);
	bool ok = true;

	lock_acquire(&mesh->lock);
	if (on)
		ok = mesh_want(mesh, there);
	else
		mesh_unwant(mesh, there);
	lock_release(&mesh->lock);
	return ok;
}

bool mesh_take_watch(struct mesh *mesh, const struct trunk *trunk, struct buf *out,
		     enum peer_frame_type *ret_type)
{
	struct mesh_watch *watch = NULL;
	bool taken = true;

	lock_acquire(&mesh->lock);
	if (mesh->trunk == trunk)
		watch = list_first(&mesh->unsaid, struct mesh_watch, unsaid);
	if (watch) {
		list_remove(&watch->unsaid);
		peer_put_text(out, watch->name, 2);
		*ret_type = watch->wanted ? PEER_WATCH : PEER_UNWATCH;
		watch->said = true;
		if (!watch->wanted)
			watch_remove(&mesh->watches, watch);
	} else if (mesh->trunk == trunk && mesh->sweeps) {
		peer_put_text(out, STR(""), 2);
		*ret_type = PEER_UNWATCH;
		mesh->sweeps = false;
	} else {
		taken = false;
	}
	lock_release(&mesh->lock);
	return taken;
}

void mesh_meet_watches(struct mesh *mesh, bool other)
{
	struct map_slot *slot;

	mesh->sweeps = true;
	mesh->is_old = false;
	for (size_t at = 0; (slot = map_next(&mesh->watches, &at));) {
		struct mesh_watch *watch = slot->value;

		watch->lost |= other;
		mesh_say(mesh, watch);
	}
	if (other)
		mesh_watched_clear(mesh);
	for (size_t at = 0; (slot = map_next(&mesh->watched, &at));)
		((struct mesh_watch *)slot->value)->stale = true;
}

void mesh_part_watches(struct mesh *mesh)
{
	struct map_slot *slot;

	for (size_t at = 0; (slot = map_next(&mesh->watches, &at));) {
		struct mesh_watch *watch = slot->value;

		watch->said = false;
		if (!watch->wanted)
			watch_remove(&mesh->watches, watch);
	}
}

void mesh_lose_watches(struct mesh *mesh)
{
	struct map_slot *slot;

	for (size_t at = 0; (slot = map_next(&mesh->watches, &at));)
		((struct mesh_watch *)slot->value)->lost = true;
}

void mesh_on_old(struct mesh *mesh, const struct trunk *trunk)
{
	lock_acquire(&mesh->lock);
	if (mesh->trunk == trunk && !mesh->is_old) {
		mesh->is_old = true;
		if (mesh->watches.n_items > 0) {
			log_warning("peer is an older leat, which does not tell of single actors: "
				    "those linked are told no_connection name=%.*s",
				    STR_ARG(mesh->peer->conf.name));
			mesh_lose_watches(mesh);
			mesh_post_home(mesh);
		}
	}
	lock_release(&mesh->lock);
}

/* Copies, so that they are told without the lock. */
void mesh_tell_lost_watches(struct mesh *mesh)
{
	struct map lost;
	struct map_slot *slot;

	map_init(&lost);
	lock_acquire(&mesh->lock);
	for (size_t at = 0; (slot = map_next(&mesh->watches, &at));) {
		struct mesh_watch *watch = slot->value;

		if (watch->lost && watch->wanted)
			watch_add(&lost, watch->name);
		watch->lost = false;
	}
	lock_release(&mesh->lock);
	for (size_t at = 0; (slot = map_next(&lost, &at));)
		if (!peers_are_stopping(mesh->peers))
			actor_loop_tell_end(mesh->home->actors, mesh->peer, slot->key,
					    ACTOR_END_NO_CONNECTION);
	mesh_watches_clear(&lost);
	map_fini(&lost);
}

/* ------------------------------------------------------------ the other side's */

static void watched_remove(struct mesh *mesh, struct mesh_watch *watch) HOLDS(mesh->lock)
{
	watch_remove(&mesh->watched, watch);
	peers_count_watched(mesh->peers, -1);
}

void mesh_watched_clear(struct mesh *mesh)
{
	struct map_slot *slot;

	for (size_t at = 0; (slot = map_next(&mesh->watched, &at));)
		watched_remove(mesh, slot->value);
}

/* What this trunk has not said again. */
static void mesh_sweep_watched(struct mesh *mesh) HOLDS(mesh->lock)
{
	struct map_slot *slot;

	for (size_t at = 0; (slot = map_next(&mesh->watched, &at));)
		if (((struct mesh_watch *)slot->value)->stale)
			watched_remove(mesh, slot->value);
}

bool mesh_set_watched(struct mesh *mesh, const struct trunk *trunk, struct str name, bool on)
{
	struct mesh_watch *watch;
	bool ok = true;

	lock_acquire(&mesh->lock);
	watch = map_find(&mesh->watched, name);
	if (mesh->trunk != trunk) {
		ok = true; /* another has come, by which all is said again */
	} else if (!on && name.len == 0) {
		mesh_sweep_watched(mesh);
	} else if (!on && watch) {
		watched_remove(mesh, watch);
	} else if (on && watch) {
		watch->stale = false;
	} else if (on) {
		ok = mesh->watched.n_items < MESH_WATCHED_MAX;
		if (ok) {
			watch_add(&mesh->watched, name);
			peers_count_watched(mesh->peers, 1);
		}
	}
	lock_release(&mesh->lock);
	return ok;
}

void mesh_tell_down(struct mesh *mesh, struct str name, enum actor_end end)
{
	struct mesh_watch *watch;
	struct buf body;
	uint64_t id;

	lock_acquire(&mesh->lock);
	watch = mesh->peers ? map_find(&mesh->watched, name) : NULL;
	if (watch) {
		id = peers_next_end(mesh->peers);
		buf_init(&body, 64 << 10);
		peer_put(&body, id, 8);
		peer_put_text(&body, name, 2);
		peer_put_text(&body, str_of(actor_end_name(end)), 1);
		mesh_add_notice(mesh, PEER_DOWN, id, &body);
		buf_fini(&body);
		watched_remove(mesh, watch);
	}
	lock_release(&mesh->lock);
}
