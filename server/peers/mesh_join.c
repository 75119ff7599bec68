/* server/peers/mesh_join.c: a trunk comes, and goes. */
#include "core/base/backoff.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/peers/mesh.h"
#include "server/peers/trunk.h"
#include <stdlib.h>

bool mesh_prove(struct mesh *mesh)
{
	bool ok;

	lock_acquire(&mesh->lock);
	ok = !mesh->trunk && !mesh->next && !mesh->retired;
	mesh->proven = ok;
	lock_release(&mesh->lock);
	return ok;
}

/* What the other process did not live to hear is of no use to the next one. */
static void mesh_meet(struct mesh *mesh, uint64_t instance) HOLDS(mesh->lock)
{
	struct mesh_name *name;

	bool other = mesh->instance && mesh->instance != instance;

	if (other) {
		mesh_names_clear(&mesh->linked);
		mesh->n_linked = 0;
		mesh_drop_notices(mesh, true);
		mesh->heard_id = 0;
		mesh->restarted = !mesh->told; /* those linked hear of it once */
	}
	mesh->instance = instance;
	mesh_drop_notices(mesh, false);
	list_each(name, &mesh->wanted, struct mesh_name, link)
		mesh_notice_name(mesh, PEER_LINK, name->text);
	mesh_meet_watches(mesh, other);
}

static void mesh_up(struct mesh *mesh, struct trunk *trunk, uint64_t instance) HOLDS(mesh->lock)
{
	mesh->trunk = trunk;
	mesh->up_ns = clock_monotonic_ns();
	mesh->must_dial = mesh->proven = false;
	mesh->problem = NULL;
	mesh_meet(mesh, instance);
	trunk->heard_id = mesh->heard_id;
	mesh->lost = mesh->told = false;
	mesh_post_home(mesh);
	atomic_fetch_add(&mesh->peer->stats.connects, 1);
}

/* Both have dialled: the trunk that the lesser name has made stays, also when it is not up on both sides
 * yet. Each side knows both names, and comes to the same. */
static bool mesh_is_crossed(const struct mesh *mesh, uint64_t instance)
{
	bool lesser = str_cmp(mesh->peer->conf.as, mesh->peer->conf.name) < 0;
	uint64_t now_ns = clock_monotonic_ns();

	return lesser && (mesh->proven ||
			  (mesh->trunk && mesh->trunk->dialled && mesh->instance == instance &&
			   now_ns - mesh->up_ns < mesh->peer->conf.connect_ms * NS_PER_MS));
}

enum mesh_join mesh_join(struct mesh *mesh, struct trunk *trunk, bool dialled, uint64_t instance)
{
	enum mesh_join join = MESH_JOINED;

	lock_acquire(&mesh->lock);
	if (mesh->trunk == trunk)
		join = MESH_JOINED; /* its turn has come */
	else if (mesh->next == trunk)
		join = MESH_LATER;
	else if (mesh->retired || !mesh->peers || mesh->next)
		join = MESH_REFUSED;
	else if (dialled ? mesh->trunk != NULL : mesh_is_crossed(mesh, instance))
		join = MESH_REFUSED;
	else if (mesh->trunk)
		join = MESH_LATER;
	else
		mesh_up(mesh, trunk, instance);
	if (join == MESH_LATER && mesh->next != trunk) {
		mesh->next = trunk;
		mesh_wake_trunk(mesh); /* which sees that it is replaced */
	}
	lock_release(&mesh->lock);
	return join;
}

const char *mesh_must_end(struct mesh *mesh, struct trunk *trunk, bool *ret_succeeded)
{
	const char *reason = NULL;

	lock_acquire(&mesh->lock);
	*ret_succeeded = !mesh->retired && mesh->trunk == trunk && mesh->next &&
			 mesh->next->instance != mesh->instance;
	if (mesh->retired)
		reason = "the peer is not in the configuration any more";
	else if (mesh->trunk == trunk ? mesh->next != NULL : mesh->left != trunk)
		reason = "it has connected again";
	lock_release(&mesh->lock);
	return reason;
}

bool mesh_is_quiet(struct mesh *mesh)
{
	bool quiet;

	lock_acquire(&mesh->lock);
	quiet = mesh->n_waiting + mesh->n_sent == 0;
	lock_release(&mesh->lock);
	return quiet;
}

/* How it goes on without one. `left`: the other side has said so, and a process in its place may be there at
 * once. */
static void mesh_after_loss(struct mesh *mesh, bool left) HOLDS(mesh->lock)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (now_ns - mesh->up_ns >= MESH_STEADY_MS * NS_PER_MS)
		mesh->n_failed = 0;
	else
		mesh->n_failed++;
	mesh->retry_ns = mesh->n_failed > (left ? 1u : 0u)
				 ? now_ns + backoff_ns(MESH_RETRY_FIRST_MS, MESH_RETRY_MAX_MS,
						       mesh->n_failed)
				 : 0;
	mesh->lost = !list_is_empty(&mesh->wanted);
	if (mesh_may_dial(mesh) && mesh->n_waiting > 0)
		mesh_ask_trunk(mesh);
	else if (mesh->n_waiting > 0 && !left)
		mesh_fail_waiting(mesh, "the connection was lost");
	mesh_post_home(mesh);
}

static void mesh_go_on(struct mesh *mesh, bool left) HOLDS(mesh->lock)
{
	struct trunk *next = mesh->next;

	mesh->trunk = mesh->next = NULL;
	mesh_doubt_notices(mesh);
	mesh_drop_notices(mesh, false);
	mesh_part_watches(mesh);
	if (next) {
		mesh_up(mesh, next, next->instance);
		trunk_wake(next);
	} else {
		mesh_after_loss(mesh, left);
	}
}

void mesh_leave(struct mesh *mesh, struct trunk *trunk)
{
	lock_acquire(&mesh->lock);
	if (mesh->trunk == trunk) {
		if (mesh->left)
			trunk_wake(mesh->left); /* which sees that there is a later one */
		mesh->left = trunk;
		if (trunk->dialled && mesh->dialer == trunk) /* on the home loop, whose it is */
			mesh->dialer = NULL;
		mesh_go_on(mesh, true);
	}
	lock_release(&mesh->lock);
}

/* Who cannot be connected to has not come again while the trunk that it left was there. */
static void mesh_end_left(struct mesh *mesh) HOLDS(mesh->lock)
{
	mesh->left = NULL;
	if (!mesh->trunk && !mesh->next && !mesh_may_dial(mesh))
		mesh_fail_waiting(mesh, "that host has stopped");
}

void mesh_part(struct mesh *mesh, struct trunk *trunk)
{
	lock_acquire(&mesh->lock);
	if (mesh->next == trunk)
		mesh->next = NULL;
	else
		mesh_fail_sent(mesh, trunk);
	if (mesh->trunk == trunk)
		mesh_go_on(mesh, false);
	else if (mesh->left == trunk)
		mesh_end_left(mesh);
	lock_release(&mesh->lock);
}

void mesh_on_dial_failed(struct mesh *mesh, const char *problem, bool refused)
{
	lock_acquire(&mesh->lock);
	mesh->must_dial = mesh->proven = false;
	if (!mesh->trunk && !mesh->next) {
		mesh->problem = problem;
		mesh->n_failed++;
		atomic_fetch_add(&mesh->peer->stats.fails, 1);
		mesh->retry_ns = clock_monotonic_ns() +
				 backoff_ns(MESH_RETRY_FIRST_MS, MESH_RETRY_MAX_MS, mesh->n_failed);
		if (!refused || mesh->n_failed > MESH_REFUSALS || !mesh_may_dial(mesh))
			mesh_fail_waiting(mesh, problem);
		mesh->lost |= !list_is_empty(&mesh->wanted);
	}
	mesh_post_home(mesh);
	lock_release(&mesh->lock);
}
