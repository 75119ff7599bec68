/* server/client/upstream_names.h: the addresses of an upstream's servers: who has to look them up,
 * what was found, and the roster that comes of it. Internal.
 *
 *   UNKNOWN --(found)--> FRESH --(its TTL)--> EXPIRED --(found)--> FRESH
 *      ^                                         |
 *      +-----------(no such name, or nothing found for stale_ms)
 *
 * A number is FRESH for ever. A name is looked up by the loop whose call finds it due; what it found
 * is for all. While an EXPIRED name is looked up, its addresses are used when they have just
 * expired, or when the last look-up has failed: so DNS that is gone holds nobody up. */
#pragma once
#include "server/client/upstream.h"

enum { UPSTREAM_FOUND_MAX = 64 }; /* addresses of one server that are used */

/* When the next server has to be looked up; UINT64_MAX: never. A look without a lock. */
uint64_t upstream_due_ns(const struct upstream *upstream);

/* A number that is another when there is a new roster. A look without a lock. */
uint64_t upstream_roster_number(const struct upstream *upstream);

enum upstream_due {
	UPSTREAM_KNOWN,   /* nothing to do, or another loop does it */
	UPSTREAM_REFRESH, /* look it up; the addresses that are known can be used meanwhile */
	UPSTREAM_OLD,     /* look it up; what is known should not be used before it is answered */
	UPSTREAM_UNKNOWN, /* look it up; there is no address of this server */
};

/* Whether this loop has to look up that server. REFRESH is said to one loop at a time. */
enum upstream_due upstream_due(struct upstream *upstream, size_t server, uint64_t now_ns);

struct upstream_address {
	struct str host; /* whose address it is: that its certificate must have */
	struct net_addr addr;
	uint32_t weight;
	uint32_t backup; /* as in struct seat */
};

struct upstream_answer {
	int error; /* 0; -ENOENT: the name is said not to exist; or why nobody said anything */
	uint64_t expires_ns;
	size_t n_addresses;
	const struct upstream_address *addresses;
};

/* What a look-up has found. */
void upstream_found(struct upstream *upstream, size_t server, const struct upstream_answer *answer);

/* Why the last look-up that failed has failed, or 0. */
int upstream_names_error(struct upstream *upstream);

/* For people: the addresses of a server that are known, at most `max`; returns how many. *ret_stale:
 * they are used beyond their time. */
size_t upstream_addresses(struct upstream *upstream, size_t server, struct net_addr *addrs,
			  size_t max, bool *ret_stale);

/* Whose name is looked up for that server: its own, or the proxy. */
const struct upstream_server *upstream_asked(const struct upstream *upstream, size_t server);

void upstream_names_create(struct upstream *upstream);
void upstream_names_add(struct upstream *upstream, size_t server); /* it was just added */
void upstream_names_retire(struct upstream *upstream);             /* nobody makes calls any more */
void upstream_names_destroy(struct upstream *upstream);
