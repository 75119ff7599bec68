/* server/client/client.h: what one loop's client holds. Internal to server/client. */
#pragma once
#include "core/io/tls.h"
#include "server/client/upstream.h"

enum {
	CLIENT_SCRATCH = 65536,
	CLIENT_UNNAMED_MAX = 1000,
	CLIENT_UNNAMED_MS = 60000, /* an unnamed upstream is forgotten when unused for so long */
};

/* The idle connections to one server, those used last in front. */
struct conn_pool_server {
	struct list idle;
	size_t n_idle;
	struct tls_memory memory; /* of the last connection with TLS */
};

/* One loop's connections to one upstream. */
struct conn_pool {
	struct list link; /* in client->pools */
	struct client *client;
	struct upstream *upstream; /* held */
	size_t n_calls;            /* in progress */
	size_t n_servers;
	struct conn_pool_server servers[];
};

struct client {
	struct loop *loop;
	struct names *names;
	struct records *records; /* NULL: nobody has asked for any yet */
	const char *dns_servers; /* NULL: those of /etc/resolv.conf */
	struct list pools;
	struct map pools_by_upstream; /* by the bytes of the pointer */
	struct list unnamed;          /* of struct client_unnamed, that used last in front */
	struct map unnamed_by_authority;
	struct timer sweep;
	uint64_t sweep_at_ns; /* while it runs */
	size_t n_calls;
	char scratch[CLIENT_SCRATCH]; /* what was just read; nothing is kept in it */
};

/* The loop's pool for an upstream that is called; made at the first call. */
struct conn_pool *client_pool(struct client *client, struct upstream *upstream);

/* client_sweep() runs at this time or before. */
void client_sweep_at(struct client *client, uint64_t due_ns);

/* Holds keep the memory, not the right to make calls. */
void upstream_hold(struct upstream *upstream);
void upstream_release(struct upstream *upstream);
bool upstream_is_called(const struct upstream *upstream); /* somebody may still make calls */

struct str upstream_authority(struct arena *arena, const struct upstream_server *server,
			      bool with_port);
