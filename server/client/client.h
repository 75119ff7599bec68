/* server/client/client.h: what one loop's client holds. Internal to server/client. */
#pragma once
#include "server/client/depot.h"
#include "server/client/upstream.h"

enum {
	CLIENT_SCRATCH = 65536,
	CLIENT_UNNAMED_MAX = 1000,
	CLIENT_UNNAMED_MS = 60000, /* an unnamed upstream is forgotten when unused for so long */
};

struct srv;

/* A look-up of the name of one server. */
struct pool_lookup {
	struct lookup lookup;
	struct srv *srv; /* of a service; NULL: it is none, or was not looked up yet */
	struct conn_pool *pool;
	size_t server;
	bool running;
};

/* One loop's view of one upstream: its servers now, and the connections to them. */
struct conn_pool {
	struct list link; /* in client->pools */
	struct client *client;
	struct upstream *upstream; /* held */
	struct depot *depot;
	struct balance balance;      /* has the roster */
	uint64_t roster_number;      /* of it */
	struct shelf **shelves;      /* of its seats */
	size_t n_calls;              /* in progress */
	struct list waiting;         /* of http_call.wait: for an address to be found */
	size_t n_lookups;            /* that run */
	struct pool_lookup *lookups; /* of each server; NULL: none was needed yet */
};

struct client {
	struct loop *loop;
	struct names *names;
	struct records *records; /* NULL: nobody has asked for any yet */
	const char *dns_servers; /* NULL: those of /etc/resolv.conf */
	struct list pools;
	struct map pools_by_upstream; /* by the bytes of the pointer */
	struct list depots;
	struct list checks;  /* of struct checks: upstreams that this loop checks */
	struct list unnamed; /* of struct client_unnamed, that used last in front */
	struct map unnamed_by_authority;
	struct timer sweep;
	uint64_t sweep_at_ns; /* while it runs */
	size_t n_calls;
	char scratch[CLIENT_SCRATCH]; /* what was just read; nothing is kept in it */
};

/* The loop's pool for an upstream that is called; made at the first call. */
struct conn_pool *client_pool(struct client *client, struct upstream *upstream);

/* Takes the newest roster, and has looked up what is due. False: there is no use in choosing a server
 * before a look-up that runs has ended; then pool->waiting is resumed (http_call_look_again()). */
bool conn_pool_is_ready(struct conn_pool *pool);
bool conn_pool_has_servers(struct conn_pool *pool); /* takes the newest roster */
void conn_pool_drop_shelves(struct conn_pool *pool);
void conn_pool_stop_lookups(struct conn_pool *pool);

/* client_sweep() runs at this time or before. */
void client_sweep_at(struct client *client, uint64_t due_ns);

/* Holds keep the memory, not the right to make calls. */
void upstream_hold(struct upstream *upstream);
void upstream_release(struct upstream *upstream);
bool upstream_is_called(const struct upstream *upstream); /* somebody may still make calls */

struct str upstream_authority(struct arena *arena, const struct upstream_server *server,
			      bool with_port);
