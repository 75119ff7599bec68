/* server/peers/mesh_home.c: what of a peer is done on its home loop: connecting again, and telling those
 * that are linked to its actors that it is gone. */
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/peers/mesh.h"
#include "server/peers/peer_loop.h"
#include "server/peers/trunk.h"
#include <stdlib.h>

/* ------------------------------------------------------------ those that are linked */

/* Copies, so that they are told without the lock. */
static struct str *mesh_copy_wanted(struct mesh *mesh, size_t *ret_n_names)
{
	struct str *names = NULL;
	struct mesh_name *name;
	size_t n_names = 0;

	lock_acquire(&mesh->lock);
	list_each(name, &mesh->wanted, struct mesh_name, link) {
		names = mem_realloc_array(names, n_names + 1, sizeof(*names));
		names[n_names++] =
			(struct str){ mem_strndup(name->text.ptr, name->text.len), name->text.len };
	}
	lock_release(&mesh->lock);
	*ret_n_names = n_names;
	return names;
}

static void mesh_tell_lost(struct mesh *mesh)
{
	struct str reason = str_of(actor_end_name(ACTOR_END_NO_CONNECTION));
	size_t n_names;
	struct str *names = mesh_copy_wanted(mesh, &n_names);

	for (size_t i = 0; i < n_names; i++) {
		peer_loop_tell(mesh->home, mesh->peer, names[i], names[i], reason);
		free((char *)(uintptr_t)names[i].ptr);
	}
	free(names);
}

static void mesh_on_grace(struct timer *timer)
{
	struct mesh *mesh = container_of(timer, struct mesh, grace);
	bool tells;

	lock_acquire(&mesh->lock);
	tells = mesh->lost && !mesh->trunk && !mesh->retired;
	mesh->lost = false;
	mesh->told |= tells;
	if (!mesh->trunk)
		mesh_lose_watches(mesh);
	lock_release(&mesh->lock);
	if (tells)
		mesh_tell_lost(mesh);
	mesh_tell_lost_watches(mesh);
}

/* ------------------------------------------------------------ connecting again */

static void mesh_on_retry(struct timer *timer)
{
	struct mesh *mesh = container_of(timer, struct mesh, retry);

	lock_acquire(&mesh->lock);
	if (mesh_is_wanted(mesh) && mesh_may_dial(mesh))
		mesh_ask_trunk(mesh);
	lock_release(&mesh->lock);
}

/* ------------------------------------------------------------ its turn */

struct home_plan {
	bool dials, retries, tells, leaves;
	uint64_t retry_ns;
};

static void mesh_set_grace(struct mesh *mesh) HOLDS(mesh->lock)
{
	bool owes = (mesh->lost && !mesh->told) || mesh->watches.n_items > 0;

	if (mesh->trunk || mesh->retired || !owes)
		timer_stop(&mesh->grace);
	else if (!timer_is_running(&mesh->grace))
		timer_start(&mesh->grace, mesh->peer->conf.grace_ms);
}

static struct home_plan mesh_plan(struct mesh *mesh)
{
	struct home_plan plan = { 0 };

	lock_acquire(&mesh->lock);
	mesh->posted = false;
	mesh_set_grace(mesh);
	plan.leaves = mesh->retired && mesh->working;
	plan.dials = mesh->must_dial && !mesh->trunk && !mesh->dialer && !mesh->retired;
	plan.retries = !mesh->must_dial && !mesh->trunk && mesh_is_wanted(mesh) &&
		       mesh_may_dial(mesh);
	plan.retry_ns = mesh->retry_ns;
	plan.tells = mesh->restarted && !mesh->retired;
	mesh->restarted = false;
	if (plan.leaves) {
		mesh->working = false;
		mesh_lose_watches(mesh);
		mesh_watched_clear(mesh);
	}
	lock_release(&mesh->lock);
	return plan;
}

void mesh_on_home(struct post *post)
{
	struct mesh *mesh = container_of(post, struct mesh, home_post);
	struct fellow *peer = mesh->peer;
	struct home_plan plan = mesh_plan(mesh);

	if (plan.tells)
		mesh_tell_lost(mesh);
	mesh_tell_lost_watches(mesh);
	if (plan.retries)
		timer_start_at(&mesh->retry, plan.retry_ns);
	else
		timer_stop(&mesh->retry);
	if (plan.dials)
		trunk_dial(mesh);
	if (plan.leaves) {
		if (mesh->dialer)
			trunk_close(mesh->dialer, "the peer is not in the configuration any more");
		fellow_unref(peer);
	}
	fellow_unref(peer);
}

/* ------------------------------------------------------------ begin and end */

/* At work for the first time. */
static void mesh_begin(struct mesh *mesh, struct peers *peers) HOLDS(mesh->lock)
{
	mesh->peers = peers;
	mesh->home = peers_home(peers, mesh->peer->conf.name);
	timer_init(&mesh->retry, mesh->home->loop, mesh_on_retry);
	timer_init(&mesh->grace, mesh->home->loop, mesh_on_grace);
	mesh->working = true;
	fellow_ref(mesh->peer);
}

static bool names_have(const struct str *names, size_t n_names, struct str name)
{
	for (size_t i = 0; i < n_names; i++)
		if (str_eq(names[i], name))
			return true;
	return false;
}

void mesh_open(struct fellow *peer, struct peers *peers, const struct str *names, size_t n_names)
{
	struct mesh *mesh = mesh_of(peer);
	struct mesh_name *name;

	lock_acquire(&mesh->lock);
	if (!mesh->peers)
		mesh_begin(mesh, peers);
	list_each(name, &mesh->wanted, struct mesh_name, link) {
		if (names_have(names, n_names, name->text))
			continue;
		if (mesh->trunk)
			mesh_notice_name(mesh, PEER_UNLINK, name->text);
		mesh_name_remove(name);
	}
	for (size_t i = 0; i < n_names; i++) {
		if (mesh_name_find(&mesh->wanted, names[i]))
			continue;
		mesh_name_add(&mesh->wanted, names[i]);
		if (mesh->trunk)
			mesh_notice_name(mesh, PEER_LINK, names[i]);
		else
			mesh->lost = true;
	}
	if (mesh_is_wanted(mesh) && mesh_may_dial(mesh) && mesh->retry_ns == 0)
		mesh_ask_trunk(mesh);
	mesh_post_home(mesh);
	lock_release(&mesh->lock);
}

void mesh_retire(struct fellow *peer)
{
	struct mesh *mesh = mesh_of(peer);

	lock_acquire(&mesh->lock);
	mesh->retired = true;
	mesh->must_dial = false;
	mesh_fail_waiting(mesh, "the host is not in the configuration any more");
	mesh_wake_trunk(mesh); /* which sees that it is over */
	if (mesh->next)
		trunk_wake(mesh->next);
	if (mesh->left)
		trunk_wake(mesh->left);
	mesh_post_home(mesh);
	lock_release(&mesh->lock);
}
