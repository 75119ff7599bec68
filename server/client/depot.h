/* server/client/depot.h: one loop's connections to the servers of one fleet. Internal.
 *
 *   depot --> shelf (one a peer) --> idle connections, that used last in front
 *
 * A shelf lives as long as a pool has it in its roster, or there is a connection of it. It is the
 * peer's, not an upstream's: so connections are carried over a reload, whatever else has
 * changed. */
#pragma once
#include "core/io/tls.h"
#include "server/client/fleet.h"

struct client;
struct http_conn;

struct depot {
	struct list link; /* in client->depots */
	struct client *client;
	struct fleet *fleet; /* a reference */
	struct permit_holder *holder;
	struct list shelves;
	unsigned n_users; /* pools and shelves */
	unsigned n_idle;
};

struct shelf {
	struct list link; /* in depot->shelves */
	struct depot *depot;
	struct peer *peer; /* a reference */
	struct list idle;  /* of struct http_conn, that used last in front */
	unsigned n_users;  /* pools and connections */
	unsigned n_idle;
	struct tls_memory memory; /* of the last connection with TLS */
};

/* The loop's depot of that fleet, with one more user. */
struct depot *depot_take(struct client *client, struct fleet *fleet);
void depot_leave(struct depot *depot);

/* The shelf of a peer, with one more user. */
struct shelf *shelf_take(struct depot *depot, struct peer *peer);
void shelf_leave(struct shelf *shelf);

/* A call goes to its peer: with one more user. Its end, with what it says of the peer; the user is
 * gone then. */
void shelf_begin_call(struct shelf *shelf);
void shelf_end_call(struct shelf *shelf, const struct breaker_settings *breaker,
		    breaker_ticket ticket, enum breaker_result result);

/* For http_conn.c: one more, or less, is idle. True: somebody on another loop waits for a
 * permit. */
bool shelf_count_idle(struct shelf *shelf, int by);

/* Closes the connection that has been idle longest, so that its permit is free. False: there is
 * none. */
bool depot_close_oldest(struct depot *depot);

/* Closes what is due at `now_ns`, and all connections of peers that have left. Returns when the next
 * is due, or UINT64_MAX. */
uint64_t depot_sweep(struct depot *depot, uint64_t now_ns);
void depot_close_all(struct depot *depot);
