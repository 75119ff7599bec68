/* server/redis/redis.h: an entry of the section `redis:`: what all loops share of it.
 *
 * Fixed after it is made, but for its counters. Like an HTTP upstream it is carried over a reload
 * when its entry says the same, and its connections with it: they are each loop's own
 * (server/redis/redis_pool.h). `refs` says whether anybody may still ask, `n_holds` whether anybody
 * still looks at its memory. */
#pragma once
#include "core/base/arena.h"
#include "core/io/names.h"
#include "core/thread/lock.h"
#include "server/client/upstream.h"
#include <stdatomic.h>

enum {
	REDIS_SERVERS_MAX = 64,
	REDIS_PROBLEM_MAX = 96,
	REDIS_PORT = 6379,
	REDIS_SENTINEL_PORT = 26379,
};

enum redis_mode {
	REDIS_SINGLE,   /* one server */
	REDIS_SENTINEL, /* `servers` know who `master` is */
	REDIS_CLUSTER,  /* `servers` are some of it */
};

struct redis_login {
	struct str user, password; /* empty: none */
};

struct redis_stats {
	_Atomic uint64_t commands, errors, connects, reconnects;
	atomic_int connections, pipelined, waiting; /* over all loops */
};

struct redis {
	atomic_uint refs, n_holds;
	struct arena arena; /* of its texts */
	struct str name;
	enum redis_mode mode;
	struct str master;
	size_t n_servers;
	struct upstream_server servers[REDIS_SERVERS_MAX]; /* port 0: the path of a unix socket */
	struct redis_login login, sentinel_login;
	int64_t db;
	struct tls_client *tls; /* a reference; NULL: plain */
	struct str server_name; /* that certificates must have; empty: each its host */
	unsigned char tls_identity[UPSTREAM_IDENTITY_SIZE];
	uint64_t connect_ms, response_ms;
	unsigned n_lanes;   /* connections a loop and server */
	size_t waiting_max; /* commands, on each connection, that have no reply yet */
	size_t waiting_bytes;
	size_t reply_max;
	struct redis_stats stats;
	struct lock lock;
	atomic_bool has_problem;
	char problem[REDIS_PROBLEM_MAX]; /* why the last connection failed; guarded by lock */
};

struct redis *redis_create(struct str name);
struct redis *redis_ref(struct redis *redis);
void redis_unref(struct redis *redis); /* any thread; NULL is accepted */
bool redis_is_called(const struct redis *redis);

/* Keep the memory. */
void redis_hold(struct redis *redis);
void redis_release(struct redis *redis);

/* They say the same, so that one may stand for the other. */
bool redis_is_same(const struct redis *a, const struct redis *b);

void redis_set_problem(struct redis *redis,
		       const char *problem); /* "": there is none. Any thread */
void redis_problem(struct redis *redis, char ret_problem[REDIS_PROBLEM_MAX]);
const char *redis_mode_name(enum redis_mode mode);
