/* server/client/fleet.h: what an upstream's name has, however often its settings change: counters,
 * permits, and its servers with their state. Knows no protocol.
 *
 * An upstream of the configuration that replaces one of the same name takes over its fleet. In the
 * fleet a peer is one address of a server: the same address, reached in the same way, is the same
 * peer, with what is known of it (breaker, health, counters, idle connections), as long as
 * somebody lists it or has a connection to it. Shared by all loops. */
#pragma once
#include "core/base/arena.h"
#include "core/io/net.h"
#include "server/client/breaker.h"
#include "server/client/budget.h"
#include "server/client/latency.h"
#include "server/client/permits.h"
#include "server/tally.h"

struct fleet_stats {
	_Atomic uint64_t calls, failed, connects, reused;
	atomic_int in_flight, idle, open; /* over all loops */
};

struct fleet {
	atomic_uint refs;
	struct permits *permits; /* one an open connection */
	struct fleet_stats stats;
	struct budget budget; /* of tries that are made again */
	_Atomic uint64_t n_retries;
	_Atomic uint64_t n_hedged, n_hedges_won; /* second tries, and those that answered first */
	struct latency latency;   /* of answers to calls that are hedged by their p95 */
	struct tally_times times; /* of calls, with their tries */
	struct lock lock;         /* guards `peers`, and their coming and going */
	struct list peers;        /* of struct peer */
};

struct fleet *fleet_create(void);
struct fleet *fleet_ref(struct fleet *fleet);
void fleet_unref(struct fleet *fleet); /* NULL is accepted */

/* What makes it this peer and no other. */
struct peer_key {
	struct str host; /* as it was configured or found: a name or number, without brackets */
	struct net_addr addr;
	struct str way;       /* bytes that say how it is reached: TLS, whom to believe, … */
	uint16_t target_port; /* of `host`, when `addr` is that of a proxy; else 0 */
};

struct peer {
	struct list link;     /* in fleet->peers */
	struct fleet *fleet;  /* a reference */
	atomic_uint refs;     /* of its memory */
	atomic_uint n_listed; /* rosters that calls are made by; 0: it has left, and is drained */
	uint32_t id;          /* that no other has */
	struct str host, way;
	struct net_addr addr;
	uint16_t target_port;
	struct fleet_stats stats;
	struct breaker breaker;
	_Atomic uint64_t doubted_until_ns;       /* it could not be reached: others come first */
	atomic_uint n_unreached;                 /* in a row */
	atomic_bool down;                        /* by its health checks */
	atomic_uint n_checks_good, n_checks_bad; /* in a row */
};

/* The peer of that key; a reference. */
struct peer *fleet_peer(struct fleet *fleet, const struct peer_key *key);
struct peer *peer_ref(struct peer *peer);
void peer_unref(struct peer *peer); /* NULL is accepted */

static inline bool peer_is_listed(const struct peer *peer)
{
	return atomic_load_explicit(&peer->n_listed, memory_order_relaxed) > 0;
}

/* No connection could be made, or one was, and a response came over it. */
void peer_doubt(struct peer *peer, uint64_t now_ns);
void peer_trust(struct peer *peer);

/* A health check has ended. */
void peer_check_done(struct peer *peer, bool good, unsigned rise, unsigned fall);

static inline bool peer_is_down(const struct peer *peer)
{
	return atomic_load_explicit(&peer->down, memory_order_relaxed);
}

static inline bool peer_is_doubted(const struct peer *peer, uint64_t now_ns)
{
	return now_ns < atomic_load_explicit(&peer->doubted_until_ns, memory_order_relaxed);
}

/* Counts one in the peer and in its fleet: peer_count(peer, open, 1). */
#define peer_count(peer, field, by)                                                                \
	do {                                                                                       \
		atomic_fetch_add_explicit(&(peer)->stats.field, (by), memory_order_relaxed);       \
		atomic_fetch_add_explicit(&(peer)->fleet->stats.field, (by),                       \
					  memory_order_relaxed);                                   \
	} while (0)
