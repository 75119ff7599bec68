/* server/peers/peer_loop.c
 *
 * Locking: peers.lock guards the list of those at work. With it held that of a mesh may be taken. */
#include "server/peers/peer_loop.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/peers/mesh.h"
#include "server/peers/trunk.h"
#include <stdlib.h>
#include <sys/random.h>

struct peers {
	uint64_t instance;
	_Atomic uint64_t
		n_ends; /* that others were told of, whatever became of their entries here */
	atomic_size_t n_watched; /* single actors of ours whose end others are to be told */
	atomic_bool stopping;
	struct lock lock;
	struct fellow **at_work; /* a reference each; guarded by lock, as its number */
	size_t n_at_work;
	size_t n_loops;
	struct peer_loop *loops[];
};

struct peers *peers_create(size_t n_loops)
{
	struct peers *peers = mem_zalloc(sizeof(*peers) + n_loops * sizeof(struct peer_loop *));

	lock_init(&peers->lock);
	check(getrandom(&peers->instance, sizeof(peers->instance), 0) == sizeof(peers->instance));
	return peers;
}

struct peer_loop *peers_add_loop(struct peers *peers, struct loop *loop, struct names *names,
				 struct actor_loop *actors, struct arena_budget *budget)
{
	static const struct peer_section nothing;
	struct peer_loop *own = mem_zalloc(sizeof(*own));

	*own = (struct peer_loop){ .peers = peers,
				   .loop = loop,
				   .names = names,
				   .actors = actors,
				   .budget = budget,
				   .section = &nothing };
	list_init(&own->trunks);
	peers->loops[peers->n_loops++] = own;
	return own;
}

uint64_t peers_instance(const struct peers *peers)
{
	return peers->instance;
}

uint64_t peers_next_end(struct peers *peers)
{
	return atomic_fetch_add(&peers->n_ends, 1) + 1;
}

void peers_count_watched(struct peers *peers, int n)
{
	atomic_fetch_add(&peers->n_watched, (size_t)n);
}

bool peers_are_stopping(const struct peers *peers)
{
	return atomic_load(&peers->stopping);
}

struct peer_loop *peers_home(struct peers *peers, struct str name)
{
	return peers->loops[(str_hash(name) >> 32) % peers->n_loops];
}

/* ------------------------------------------------------------ generations */

static bool section_has(const struct peer_section *section, const struct fellow *peer)
{
	for (size_t i = 0; i < section->n_peers; i++)
		if (section->peers[i] == peer)
			return true;
	return false;
}

/* The actors of that peer that ours are linked to, each once. */
static size_t peer_links(const struct fellow *peer, const struct actor_section *actors,
			 struct str *names)
{
	size_t n_names = 0;

	for (size_t i = 0; i < actors->n_specs; i++) {
		for (size_t j = 0; j < actors->specs[i].n_links; j++) {
			const struct actor_link *link = &actors->specs[i].links[j];
			bool known = false;

			if (!str_eq(link->peer, peer->conf.name))
				continue;
			for (size_t k = 0; k < n_names; k++)
				known |= str_eq(names[k], link->remote);
			if (!known)
				names[n_names++] = link->remote;
		}
	}
	return n_names;
}

static void peers_open(struct peers *peers, struct fellow *peer, const struct actor_section *actors)
{
	struct str *names;
	size_t n_links = 0;

	if (!peer->form->open)
		return;
	for (size_t i = 0; i < actors->n_specs; i++)
		n_links += actors->specs[i].n_links;
	names = mem_alloc((n_links + 1) * sizeof(*names));
	peer->form->open(peer, peers, names, peer_links(peer, actors, names));
	free(names);
}

void peers_apply(struct peers *peers, const struct peer_section *section,
		 const struct actor_section *actors)
{
	struct fellow **before;
	size_t n_before;

	if (!peers)
		return;
	lock_acquire(&peers->lock);
	before = peers->at_work;
	n_before = peers->n_at_work;
	peers->at_work = mem_alloc((section->n_peers + 1) * sizeof(struct fellow *));
	peers->n_at_work = section->n_peers;
	for (size_t i = 0; i < section->n_peers; i++)
		peers->at_work[i] = fellow_ref(section->peers[i]);
	lock_release(&peers->lock);
	for (size_t i = 0; i < n_before; i++) {
		if (!section_has(section, before[i]) && before[i]->form->retire)
			before[i]->form->retire(before[i]);
		fellow_unref(before[i]);
	}
	free(before);
	for (size_t i = 0; i < section->n_peers; i++)
		peers_open(peers, section->peers[i], actors);
}

void peer_loop_set(struct peer_loop *loop, const struct peer_section *section)
{
	loop->section = section;
}

/* ------------------------------------------------------------ for the actors */

static struct future *peers_send(struct actor_loop *from, const struct actor_send *send, bool asks,
				 enum error_code *ret_code, const char **ret_detail)
{
	const struct peer_loop *loop = actor_loop_host(from)->peers;
	struct actor_send there = *send; /* as it is called there */
	struct fellow *peer = NULL;
	struct str host;

	*ret_code = ERROR_NOT_FOUND;
	*ret_detail = "there is no such host in `peers:`";
	if (loop && peer_address_split(send->name, &there.name, &host))
		peer = peer_section_find(loop->section, host);
	if (!peer)
		return NULL;
	if (there.name.len == 0 || there.name.len > ACTOR_NAME_MAX) {
		*ret_code = ERROR_INVALID_INPUT;
		*ret_detail = "the name of the actor is empty, or too long";
		return NULL;
	}
	/* cppcheck-suppress returnDanglingLifetime // `there` is only read */
	return peer->form->send(peer, from, &there, asks, ret_code, ret_detail);
}

static void peers_on_end(struct actor_loop *on, struct str group, struct str name,
			 struct str reason)
{
	const struct peer_loop *loop = actor_loop_host(on)->peers;
	struct peers *peers;

	if (!loop)
		return;
	peers = loop->peers;
	lock_acquire(&peers->lock);
	for (size_t i = 0; i < peers->n_at_work; i++) {
		struct fellow *peer = peers->at_work[i];

		if (peer->form == &peer_leat && peer_may_reach(&peer->conf.reach, group))
			mesh_tell_ended(mesh_of(peer), group, name, reason);
	}
	lock_release(&peers->lock);
}

static void *peers_find(struct actor_loop *from, struct str name, struct str *ret_there,
			struct str *ret_host, enum error_code *ret_code, const char **ret_detail)
{
	const struct peer_loop *loop = actor_loop_host(from)->peers;
	struct fellow *peer = NULL;
	struct str host;

	*ret_code = ERROR_NOT_FOUND;
	*ret_detail = "there is no such host in `peers:`";
	if (loop && peer_address_split(name, ret_there, &host))
		peer = peer_section_find(loop->section, host);
	if (!peer)
		return NULL;
	*ret_host = peer->conf.name;
	if (ret_there->len > 0 && ret_there->len <= ACTOR_NAME_MAX && peer->form->watch &&
	    peer->form->may_watch(*ret_there))
		return fellow_ref(peer);
	*ret_code = ERROR_INVALID_INPUT;
	*ret_detail = "the name of the actor is empty, too long, or cannot be one there";
	return NULL;
}

static void peers_leave(void *host)
{
	fellow_unref(host);
}

static bool peers_watch(void *host, struct str there, bool on)
{
	struct fellow *peer = host;

	return peer->form->watch(peer, there, on);
}

static void peers_on_down(struct actor_loop *any, struct str name, enum actor_end end)
{
	const struct peer_loop *loop = actor_loop_host(any)->peers;
	struct peers *peers = loop ? loop->peers : NULL;

	if (!peers || atomic_load(&peers->n_watched) == 0)
		return;
	lock_acquire(&peers->lock);
	for (size_t i = 0; i < peers->n_at_work; i++)
		if (peers->at_work[i]->form == &peer_leat)
			mesh_tell_down(mesh_of(peers->at_work[i]), name, end);
	lock_release(&peers->lock);
}

const struct actor_remote peers_remote = { .send = peers_send,
					   .on_end = peers_on_end,
					   .find = peers_find,
					   .leave = peers_leave,
					   .watch = peers_watch,
					   .on_down = peers_on_down };

void peer_loop_tell(struct peer_loop *loop, const struct fellow *peer, struct str actor,
		    struct str name, struct str reason)
{
	char text[2 * ACTOR_NAME_MAX];
	int len = snprintf(text, sizeof(text), "%.*s@%.*s",
			   STR_ARG(str_first(name, ACTOR_NAME_MAX)), STR_ARG(peer->conf.name));

	if (len > 0 && (size_t)len < sizeof(text))
		actor_loop_tell_remote(loop->actors, peer->conf.name, actor,
				       (struct str){ text, (size_t)len }, reason);
}

/* ------------------------------------------------------------ the end */

void peer_loop_drain(struct peer_loop *loop, bool cancel)
{
	struct trunk *trunk;

	loop->draining = true;
	loop->cancelled |= cancel;
	atomic_store(&loop->peers->stopping, true);
	list_each(trunk, &loop->trunks, struct trunk, link)
		trunk_drain(trunk, cancel);
}

static bool peers_turn(struct peers *peers)
{
	bool over = true;

	for (size_t i = 0; i < peers->n_loops; i++) {
		loop_run_once(peers->loops[i]->loop, false);
		over &= list_is_empty(&peers->loops[i]->trunks);
	}
	return over;
}

void peers_destroy(struct peers *peers)
{
	static const struct peer_section nothing;
	static const struct actor_section no_actors;

	if (!peers)
		return;
	atomic_store(&peers->stopping, true);
	peers_apply(peers, &nothing, &no_actors);
	for (size_t i = 0; i < peers->n_loops; i++)
		peer_loop_drain(peers->loops[i], true);
	while (!peers_turn(peers))
		;
	peers_turn(peers); /* what was posted last */
	peers_turn(peers);
	if (peers->n_loops > 0)
		actor_loop_leave_hosts(peers->loops[0]->actors);
	for (size_t i = 0; i < peers->n_loops; i++) {
		actor_loop_host(peers->loops[i]->actors)->remote = NULL; /* actors end after them */
		free(peers->loops[i]);
	}
	free(peers->at_work);
	lock_fini(&peers->lock);
	free(peers);
}
