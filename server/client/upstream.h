/* server/client/upstream.h: the servers that HTTP calls go to, and each loop's connections to
 * them.
 *
 * An upstream of the configuration is known by its name. One that says the same after a reload is
 * carried over as it is; one that says something else takes over its predecessor's fleet: the
 * counters, the permits, and the state of every server that is still listed. An absolute http:// URL
 * makes an unnamed one for its host and port, which is forgotten when it was unused for a while.
 *
 * `struct upstream` is shared by all loops: fixed after it is made, but for the addresses of its
 * servers, which are looked up again and again; what is known of them now is its roster. The
 * connections of a loop are in its `struct client` and are touched by that loop only. */
#pragma once
#include "core/base/arena.h"
#include "core/base/map.h"
#include "core/io/names.h"
#include "core/io/records.h"
#include "server/client/balance.h"
#include "server/flow/statuses.h"
#include <stdatomic.h>

enum {
	UPSTREAM_SERVERS_MAX = 64,
	UPSTREAM_IDENTITY_SIZE = 32,
	UPSTREAM_GROUP_NONE = 0,
	UPSTREAM_HEDGE_MAX = 3,
	UPSTREAM_RETRY_BUDGET = 20, /* per cent, when not said */
};

struct tls_client;

/* As the configuration says it. */
struct upstream_server {
	struct str host; /* name or number, without brackets */
	bool srv;        /* the name of a service: its SRV records are looked up, and `port` is 0 */
	uint16_t port;
	uint32_t weight; /* 1 to 1000 */
	uint16_t group;  /* UPSTREAM_GROUP_NONE: the group of all that have none */
	bool backup;
};

struct upstream_timeouts {
	uint64_t acquire_ms; /* for a permit to connect; default 5s */
	uint64_t connect_ms; /* name look-up and connect of one try; default 5s */
	uint64_t tls_ms;     /* the handshake; 0: within what is left of connect_ms */
	uint64_t
		first_byte_ms; /* from the request being sent to the head of the response; default 30s */
	uint64_t idle_ms; /* between two reads of a body, or two writes of a request; default 30s */
	uint64_t
		total_ms; /* of one call, retries by the call included; 0: only the flow's deadline */
};

struct upstream_pool {
	uint32_t max;           /* open connections of all loops; default 10000; 0: no bound */
	uint32_t waiters;       /* calls that may wait for one; default 1000 */
	uint64_t max_idle;      /* kept connections a loop and server; default 32 */
	uint64_t idle_close_ms; /* an unused connection is closed after; default 55s */
};

struct upstream_retry {
	uint32_t times;  /* tries after the first; 0: none */
	uint32_t budget; /* per cent of the calls */
	uint64_t wait_ms, wait_max_ms;
	uint64_t errors;          /* bits of enum http_call_error */
	struct statuses statuses; /* that are tried again, too */
};

/* A second try, beside one that is slow to answer; `max` of 0: none. */
struct upstream_hedge {
	uint64_t after_ms;
	bool p95;     /* after that of the upstream instead, once it is known */
	uint32_t max; /* tries beside the first */
};

/* Redirects that tasks follow; `max` of 0: none. */
struct upstream_follow {
	uint32_t max;
	bool allow_http; /* from https, too */
	size_t n_hosts;
	struct str *hosts; /* that may be gone to: location_is_at() */
};

/* The HTTP proxy that the servers are reached by. */
struct upstream_via {
	struct upstream_server proxy;
	struct str authorization; /* "Basic …", or empty */
};

/* Active checks; interval_ms of 0: none. */
struct upstream_health {
	struct str path;
	uint64_t interval_ms, timeout_ms;
	uint32_t rise, fall;
	struct statuses expected;
};

struct upstream_names; /* what is known of its servers' addresses: upstream_names.c */

/* The part that outlives a generation: same name, same settings. */
struct upstream {
	atomic_uint refs;     /* of those who make calls; at 0 it gets no new ones */
	atomic_uint n_holds;  /* of its memory: one of all refs together, and one of each client */
	struct arena arena;   /* of its texts; before it is shared, its maker may add to it */
	struct str name;      /* "users"; for an absolute URL "host:port" */
	struct str authority; /* what Host says: the first server's, or that of `url:` */
	struct str prefix; /* path that `url:` has before every request's path; never ends in '/' */
	struct tls_client *tls;   /* a reference; NULL: plain HTTP */
	struct upstream_via *via; /* in the arena, before it has servers; NULL: directly */
	struct str server_name;   /* that their certificates must have; empty: each its host */
	unsigned char tls_identity[UPSTREAM_IDENTITY_SIZE]; /* of the settings and files of `tls` */
	struct fleet *fleet;                                /* a reference */
	struct upstream_names *names;
	size_t n_servers;
	struct upstream_server servers[UPSTREAM_SERVERS_MAX];
	enum balance_policy balance;
	struct upstream_timeouts timeouts;
	struct upstream_pool pool;
	struct breaker_settings breaker;
	bool breaker_5xx; /* a status from 500 on is a failure of the server, too */
	struct upstream_retry retry;
	struct upstream_hedge hedge;
	struct upstream_follow follow;
	struct upstream_health health;
	uint64_t stale_ms;   /* addresses are used so long after their time; default 1h */
	size_t response_max; /* bytes of a response's body: past it too_large; default 8m */
};

/* "host", "host:port", "[ip6]:port" into slices of `address`. -EINVAL. */
int upstream_read_address(struct str address, uint16_t usual_port,
			  struct upstream_server *ret_server);

struct upstream *upstream_create(struct str name);
struct upstream *upstream_ref(struct upstream *upstream);
void upstream_unref(struct upstream *upstream); /* any thread */

/* Before it has servers: it speaks TLS with all of them. Takes the reference. */
void upstream_secure(struct upstream *upstream, struct tls_client *tls, struct str server_name);

/* "host", "host:port", "[::1]:80", "srv:_http._tcp.example.org"; port 80 when none is said, 443 with TLS. -EINVAL, -ENOSPC. The
 * server is upstream->servers[upstream->n_servers - 1] then. */
int upstream_add_server(struct upstream *upstream, struct str address);

/* Before the first call, with its servers: it takes over the fleet of `before`, and the addresses
 * that are known. */
void upstream_succeed(struct upstream *upstream, struct upstream *before);

/* The generation that names it is at work: from now on its bounds hold. Main thread. */
void upstream_apply(struct upstream *upstream);

/* Of what is known of the addresses now; a reference. */
struct roster *upstream_roster(struct upstream *upstream);

/* One loop's connections and resolver. */
struct client;
int client_create(struct client **ret_client, struct loop *loop);
void client_destroy(
	struct client *client); /* no call may be in progress; closes idle connections */
struct loop *client_loop(const struct client *client);
struct names *client_names(const struct client *client); /* its resolver; as long as it lives */
struct records *client_records(struct client *client);   /* the same, for records of any type */

/* As names_set_servers(), for both, before anything is asked; `servers` must stay. */
int client_set_dns_servers(struct client *client, const char *servers);

/* Closes idle connections to servers that have left and to those of upstreams that nobody calls
 * any more, and those that are too old; called by its own timer, and after a reload. */
void client_sweep(struct client *client);

/* What absolute https:// URLs use: the system's authorities are believed. Made at the first call,
 * which reads files: at load. NULL when OpenSSL does not make it. */
struct tls_client *client_usual_tls(void);

/* The unnamed upstream for the authority of an absolute URL ("host:port"); a reference that the
 * caller gives back. NULL when the authority is not valid. At most 1,000 a loop are remembered. */
struct upstream *client_upstream(struct client *client, struct str authority);

/* The same for https://; NULL also when there is no TLS (client_usual_tls()). */
struct upstream *client_secure_upstream(struct client *client, struct str authority);
