/* server/client/fleet.c
 *
 * Locking: fleet.lock guards the list of peers. The last reference of a peer is given up with it
 * held, so that nobody finds one that is about to go. */
#include "server/client/fleet.h"
#include "core/base/backoff.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include <stdlib.h>

enum { DOUBT_MS = 1000, DOUBT_MAX_MS = 30000 };

struct fleet *fleet_create(void)
{
	struct fleet *fleet = mem_zalloc(sizeof(*fleet));

	atomic_init(&fleet->refs, 1);
	fleet->permits = permits_create();
	budget_init(&fleet->budget, clock_monotonic_ns());
	latency_init(&fleet->latency);
	lock_init(&fleet->lock);
	list_init(&fleet->peers);
	return fleet;
}

struct fleet *fleet_ref(struct fleet *fleet)
{
	atomic_fetch_add_explicit(&fleet->refs, 1, memory_order_relaxed);
	return fleet;
}

void fleet_unref(struct fleet *fleet)
{
	if (!fleet || atomic_fetch_sub_explicit(&fleet->refs, 1, memory_order_acq_rel) != 1)
		return;
	check(list_is_empty(&fleet->peers));
	permits_unref(fleet->permits);
	lock_fini(&fleet->lock);
	free(fleet);
}

/* ------------------------------------------------------------ peers */

static bool peer_has_key(const struct peer *peer, const struct peer_key *key)
{
	return net_addr_eq(&peer->addr, &key->addr) && str_eq(peer->host, key->host) &&
	       peer->target_port == key->target_port && str_eq(peer->way, key->way);
}

static struct peer *peer_create(struct fleet *fleet, const struct peer_key *key)
{
	static atomic_uint last_id;
	struct peer *peer = mem_zalloc(sizeof(*peer) + key->host.len + key->way.len);
	char *texts = (char *)(peer + 1);

	atomic_init(&peer->refs, 1);
	peer->fleet = fleet_ref(fleet);
	peer->id = atomic_fetch_add(&last_id, 1) + 1;
	memcpy(texts, key->host.ptr, key->host.len);
	if (key->way.len)
		memcpy(texts + key->host.len, key->way.ptr, key->way.len);
	peer->host = (struct str){ texts, key->host.len };
	peer->way = (struct str){ texts + key->host.len, key->way.len };
	peer->addr = key->addr;
	peer->target_port = key->target_port;
	breaker_init(&peer->breaker);
	list_init(&peer->link);
	return peer;
}

struct peer *fleet_peer(struct fleet *fleet, const struct peer_key *key)
{
	struct peer *peer, *found = NULL;

	lock_acquire(&fleet->lock);
	list_each(peer, &fleet->peers, struct peer, link)
		if (peer_has_key(peer, key))
			found = peer_ref(peer);
	if (!found) {
		found = peer_create(fleet, key);
		list_add(&fleet->peers, &found->link);
	}
	lock_release(&fleet->lock);
	return found;
}

struct peer *peer_ref(struct peer *peer)
{
	atomic_fetch_add_explicit(&peer->refs, 1, memory_order_relaxed);
	return peer;
}

/* Not the last one: without the lock. */
static bool peer_unref_early(struct peer *peer)
{
	unsigned refs = atomic_load_explicit(&peer->refs, memory_order_relaxed);

	while (refs > 1)
		if (atomic_compare_exchange_weak_explicit(&peer->refs, &refs, refs - 1,
							  memory_order_acq_rel,
							  memory_order_relaxed))
			return true;
	return false;
}

void peer_unref(struct peer *peer)
{
	struct fleet *fleet;
	bool last;

	if (!peer || peer_unref_early(peer))
		return;
	fleet = peer->fleet;
	lock_acquire(&fleet->lock);
	last = atomic_fetch_sub_explicit(&peer->refs, 1, memory_order_acq_rel) == 1;
	if (last)
		list_remove(&peer->link);
	lock_release(&fleet->lock);
	if (!last)
		return;
	check(atomic_load(&peer->n_listed) == 0);
	breaker_fini(&peer->breaker);
	free(peer);
	fleet_unref(fleet);
}

void peer_doubt(struct peer *peer, uint64_t now_ns)
{
	unsigned n = atomic_fetch_add_explicit(&peer->n_unreached, 1, memory_order_relaxed) + 1;

	atomic_store_explicit(&peer->doubted_until_ns,
			      now_ns + backoff_ns(DOUBT_MS, DOUBT_MAX_MS, n), memory_order_relaxed);
}

void peer_trust(struct peer *peer)
{
	if (atomic_load_explicit(&peer->n_unreached, memory_order_relaxed) == 0)
		return;
	atomic_store_explicit(&peer->n_unreached, 0, memory_order_relaxed);
	atomic_store_explicit(&peer->doubted_until_ns, 0, memory_order_relaxed);
}

void peer_check_done(struct peer *peer, bool good, unsigned rise, unsigned fall)
{
	unsigned n;

	atomic_store_explicit(good ? &peer->n_checks_bad : &peer->n_checks_good, 0,
			      memory_order_relaxed);
	n = atomic_fetch_add_explicit(good ? &peer->n_checks_good : &peer->n_checks_bad, 1,
				      memory_order_relaxed) +
	    1;
	if (n >= (good ? rise : fall))
		atomic_store_explicit(&peer->down, !good, memory_order_relaxed);
}
