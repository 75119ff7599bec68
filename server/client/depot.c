/* server/client/depot.c */
#include "server/client/depot.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/client/client.h"
#include "server/client/http_conn.h"
#include <stdlib.h>

/* Somebody on another loop waits. */
static void depot_on_wanted(void *user)
{
	struct depot *depot = user;

	if (permits_are_wanted(depot->fleet->permits))
		depot_close_oldest(depot);
}

static struct depot *depot_create(struct client *client, struct fleet *fleet)
{
	struct depot *depot = mem_zalloc(sizeof(*depot));

	depot->client = client;
	depot->fleet = fleet_ref(fleet);
	depot->holder = permit_holder_create(fleet->permits, client->loop, depot_on_wanted, depot);
	list_init(&depot->shelves);
	list_add(&client->depots, &depot->link);
	return depot;
}

struct depot *depot_take(struct client *client, struct fleet *fleet)
{
	struct depot *depot, *found = NULL;

	list_each(depot, &client->depots, struct depot, link)
		if (depot->fleet == fleet)
			found = depot;
	if (!found)
		found = depot_create(client, fleet);
	found->n_users++;
	return found;
}

void depot_leave(struct depot *depot)
{
	if (--depot->n_users > 0)
		return;
	check(list_is_empty(&depot->shelves) && depot->n_idle == 0);
	list_remove(&depot->link);
	permit_holder_destroy(depot->holder);
	fleet_unref(depot->fleet);
	free(depot);
}

/* ------------------------------------------------------------ shelves */

static struct shelf *shelf_create(struct depot *depot, struct peer *peer)
{
	struct shelf *shelf = mem_zalloc(sizeof(*shelf));

	shelf->depot = depot;
	shelf->peer = peer_ref(peer);
	list_init(&shelf->idle);
	list_add(&depot->shelves, &shelf->link);
	depot->n_users++;
	return shelf;
}

struct shelf *shelf_take(struct depot *depot, struct peer *peer)
{
	struct shelf *shelf, *found = NULL;

	list_each(shelf, &depot->shelves, struct shelf, link)
		if (shelf->peer == peer)
			found = shelf;
	if (!found)
		found = shelf_create(depot, peer);
	found->n_users++;
	return found;
}

void shelf_leave(struct shelf *shelf)
{
	struct depot *depot = shelf->depot;

	if (--shelf->n_users > 0)
		return;
	check(list_is_empty(&shelf->idle));
	list_remove(&shelf->link);
	tls_memory_forget(&shelf->memory);
	peer_unref(shelf->peer);
	free(shelf);
	depot_leave(depot);
}

void shelf_begin_call(struct shelf *shelf)
{
	struct fleet_stats *stats = &shelf->peer->stats;

	shelf->n_users++;
	atomic_fetch_add_explicit(&stats->calls, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&stats->in_flight, 1, memory_order_relaxed);
}

void shelf_end_call(struct shelf *shelf, const struct breaker_settings *breaker,
		    breaker_ticket ticket, enum breaker_result result)
{
	struct peer *peer = shelf->peer;

	if (result == BREAKER_FAILED)
		atomic_fetch_add_explicit(&peer->stats.failed, 1, memory_order_relaxed);
	else if (result == BREAKER_SUCCEEDED)
		peer_trust(peer);
	breaker_report(&peer->breaker, breaker, clock_monotonic_ns(), ticket, result);
	atomic_fetch_sub_explicit(&peer->stats.in_flight, 1, memory_order_relaxed);
	shelf_leave(shelf);
}

bool shelf_count_idle(struct shelf *shelf, int by)
{
	struct depot *depot = shelf->depot;

	shelf->n_idle += (unsigned)by;
	depot->n_idle += (unsigned)by;
	peer_count(shelf->peer, idle, by);
	return permit_holder_set(depot->holder, depot->n_idle);
}

/* ------------------------------------------------------------ closing */

static struct http_conn *shelf_oldest(const struct shelf *shelf)
{
	return list_is_empty(&shelf->idle) ? NULL
					   : container_of(shelf->idle.prev, struct http_conn, link);
}

bool depot_close_oldest(struct depot *depot)
{
	struct http_conn *oldest = NULL;
	struct shelf *shelf;

	list_each(shelf, &depot->shelves, struct shelf, link) {
		struct http_conn *conn = shelf_oldest(shelf);

		if (conn && (!oldest || conn->idle_until_ns < oldest->idle_until_ns))
			oldest = conn;
	}
	if (oldest)
		http_conn_close(oldest);
	return oldest != NULL;
}

/* The shelf may be gone with its last connection: it is held meanwhile. */
static uint64_t shelf_sweep(struct shelf *shelf, uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX;
	struct http_conn *conn;

	shelf->n_users++;
	if (!peer_is_listed(shelf->peer))
		now_ns = UINT64_MAX;
	while ((conn = shelf_oldest(shelf)) && next_ns == UINT64_MAX) {
		if (conn->idle_until_ns > now_ns)
			next_ns = conn->idle_until_ns;
		else
			http_conn_close(conn);
	}
	shelf_leave(shelf);
	return next_ns;
}

uint64_t depot_sweep(struct depot *depot, uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX;
	struct shelf *shelf;

	depot->n_users++;
	list_each(shelf, &depot->shelves, struct shelf, link)
		next_ns = MIN(next_ns, shelf_sweep(shelf, now_ns));
	depot_leave(depot);
	return next_ns;
}

void depot_close_all(struct depot *depot)
{
	depot->n_users++;
	while (depot_close_oldest(depot))
		;
	depot_leave(depot);
}
