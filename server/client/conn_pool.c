/* server/client/conn_pool.c: a loop's view of an upstream: which servers there are now.
 *
 * A call asks conn_pool_is_ready() before it chooses; so the roster is looked at, and names whose
 * time has passed are asked for, as long as somebody calls. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/client/client.h"
#include "server/client/http_reach.h"
#include "server/client/srv.h"
#include "server/client/upstream_names.h"
#include <stdlib.h>

/* ------------------------------------------------------------ the roster */

static struct shelf **conn_pool_take_shelves(struct conn_pool *pool, const struct roster *roster)
{
	struct shelf **shelves = mem_alloc((roster->n_seats + 1) * sizeof(struct shelf *));

	for (size_t i = 0; i < roster->n_seats; i++)
		shelves[i] = shelf_take(pool->depot, roster->seats[i].peer);
	return shelves;
}

void conn_pool_drop_shelves(struct conn_pool *pool)
{
	size_t n_seats = pool->balance.roster ? pool->balance.roster->n_seats : 0;

	for (size_t i = 0; i < n_seats; i++)
		shelf_leave(pool->shelves[i]);
	free(pool->shelves);
	pool->shelves = NULL;
}

/* Servers that have left have idle connections, perhaps, which the sweep closes. */
static void conn_pool_take_roster(struct conn_pool *pool)
{
	uint64_t number = upstream_roster_number(pool->upstream);
	struct roster *roster;
	struct shelf **shelves;

	if (number == pool->roster_number)
		return;
	roster = upstream_roster(pool->upstream);
	shelves = conn_pool_take_shelves(pool, roster);
	conn_pool_drop_shelves(pool);
	if (pool->balance.roster)
		client_sweep_at(pool->client, loop_now_ns(pool->client->loop));
	balance_set(&pool->balance, roster);
	pool->shelves = shelves;
	pool->roster_number = number;
}

/* ------------------------------------------------------------ names */

static void conn_pool_resume(struct conn_pool *pool)
{
	struct list waiting = LIST_INIT(waiting);
	struct list *link;

	list_move_all(&waiting, &pool->waiting);
	while ((link = list_pop(&waiting)))
		http_call_look_again(link);
}

static void pool_lookup_end(struct pool_lookup *asked, const struct upstream_answer *answer)
{
	struct conn_pool *pool = asked->pool;

	asked->running = false;
	pool->n_lookups--;
	upstream_found(pool->upstream, asked->server, answer);
	conn_pool_resume(pool);
}

static void pool_lookup_on_done(struct lookup *lookup)
{
	struct pool_lookup *asked = container_of(lookup, struct pool_lookup, lookup);
	struct conn_pool *pool = asked->pool;
	struct upstream_address addresses[NAMES_ADDRS_MAX];
	const struct upstream_answer answer = { lookup->error, lookup->expires_ns, lookup->n_addrs,
						addresses };

	for (unsigned i = 0; i < lookup->n_addrs; i++)
		addresses[i] = (struct upstream_address){
			.host = pool->upstream->servers[asked->server].host,
			.addr = lookup->addrs[i],
			.weight = 1,
		};
	pool_lookup_end(asked, &answer);
}

static void pool_lookup_on_srv(struct srv *srv)
{
	struct pool_lookup *asked = srv->user;

	pool_lookup_end(asked, &srv->answer);
}

static void pool_lookup_start_srv(struct pool_lookup *asked, struct str name)
{
	struct client *client = asked->pool->client;

	if (!asked->srv) {
		asked->srv = mem_alloc(sizeof(*asked->srv));
		srv_init(asked->srv, client, pool_lookup_on_srv, asked);
	}
	srv_start(asked->srv, name);
}

static void conn_pool_look_up(struct conn_pool *pool, size_t server)
{
	const struct upstream_server *asked = upstream_asked(pool->upstream, server);
	struct pool_lookup *lookup;

	if (!pool->lookups)
		pool->lookups = mem_zalloc(pool->upstream->n_servers * sizeof(pool->lookups[0]));
	lookup = &pool->lookups[server];
	if (lookup->running)
		return;
	lookup->pool = pool;
	lookup->server = server;
	lookup->running = true;
	pool->n_lookups++;
	if (asked->srv)
		pool_lookup_start_srv(lookup, asked->host);
	else
		lookup_start(&lookup->lookup, pool->client->names, asked->host, asked->port,
			     pool_lookup_on_done);
}

void conn_pool_stop_lookups(struct conn_pool *pool)
{
	for (size_t i = 0; pool->lookups && i < pool->upstream->n_servers; i++) {
		struct pool_lookup *asked = &pool->lookups[i];

		if (asked->srv)
			srv_fini(asked->srv);
		else if (asked->running)
			lookup_cancel(&asked->lookup);
		free(asked->srv);
	}
	free(pool->lookups);
	pool->lookups = NULL;
	pool->n_lookups = 0;
}

/* Asks for what is due. True: a server's address should not be used, or (where nobody else is there)
 * cannot be, before that is answered. */
static bool conn_pool_look_up_due(struct conn_pool *pool, uint64_t now_ns)
{
	struct upstream *upstream = pool->upstream;
	bool old = false, unknown = false;

	for (size_t i = 0; i < upstream->n_servers; i++) {
		enum upstream_due due = upstream_due(upstream, i, now_ns);

		if (due != UPSTREAM_KNOWN)
			conn_pool_look_up(pool, i);
		old |= due == UPSTREAM_OLD;
		unknown |= due == UPSTREAM_UNKNOWN;
	}
	conn_pool_take_roster(pool);
	return old || (unknown && pool->balance.roster->n_seats == 0);
}

bool conn_pool_is_ready(struct conn_pool *pool)
{
	uint64_t now_ns = loop_now_ns(pool->client->loop);

	if (unlikely(now_ns >= upstream_due_ns(pool->upstream)))
		return !conn_pool_look_up_due(pool, now_ns);
	conn_pool_take_roster(pool);
	return true;
}

bool conn_pool_has_servers(struct conn_pool *pool)
{
	conn_pool_take_roster(pool);
	return pool->balance.roster->n_seats > 0;
}
