/* server/redis/redis_pool.h: one loop's connections to Redis servers.
 *
 *   redis_loop   all that a loop has; made with it
 *   redis_pool   of one entry of the configuration
 *   redis_node   one server of it, with a few connections, its lanes
 *
 * Everything runs on the loop; nothing is locked. Nothing is opened before somebody asks. */
#pragma once
#include "core/base/map.h"
#include "core/io/tls.h"
#include "server/redis/redis_call.h"

enum {
	REDIS_SCRATCH = 65536,
	REDIS_LANES_MAX = 16,
	REDIS_NODES_MAX = 1024,
};

struct names;
struct redis_conn;
struct redis_finder;

/* Who wants what a server says unasked: of a loop that is for subscriptions alone. */
struct redis_push {
	/* It has begun to say something: what to do with it. */
	void (*want)(struct redis_push *push, struct resp_want *ret_want);
	/* All of it is there. */
	void (*on_reply)(struct redis_push *push, const struct resp_reply *reply);
	/* A connection that worked is gone. */
	void (*on_lost)(struct redis_push *push, const char *problem);
};

struct redis_loop {
	struct loop *loop;
	struct names *names;
	struct list pools;
	struct map pools_by_redis; /* by the bytes of the pointer */
	char *scratch;             /* REDIS_SCRATCH bytes: what was just read; NULL at first */
	struct redis_push *push;   /* or NULL: whoever speaks unasked is cut */
};

struct redis_node {
	struct list link; /* in pool->nodes */
	struct redis_pool *pool;
	struct upstream_server server; /* its host is behind the struct */
	bool is_sentinel;
	bool is_seed;             /* of the configuration: never forgotten */
	bool is_named;            /* in the cluster's map */
	uint64_t asked_round;     /* of the finder */
	struct tls_memory memory; /* of the last connection with TLS */
	unsigned n_failed;        /* connections in a row */
	uint64_t retry_at_ns;     /* before that, no connection is tried */
	bool connected_before;
	enum redis_error error; /* why the last one failed */
	char problem[REDIS_PROBLEM_MAX];
	struct redis_conn *conns[REDIS_LANES_MAX];
};

struct redis_pool {
	struct list link; /* in rloop->pools */
	struct redis_loop *rloop;
	struct redis *redis; /* held */
	struct list nodes;
	struct list waiting; /* tickets whose server is not known yet */
	size_t n_waiting, waiting_bytes;
	struct redis_node *master;   /* of REDIS_SINGLE and REDIS_SENTINEL; NULL: not known */
	struct redis_node **slots;   /* of REDIS_CLUSTER; NULL: not known */
	struct redis_finder *finder; /* asks for these; NULL for REDIS_SINGLE */
};

/* `names` must live longer. */
struct redis_loop *redis_loop_create(struct loop *loop, struct names *names);
void redis_loop_destroy(
	struct redis_loop *rloop); /* no call may be in progress; NULL is accepted */

/* Sends PING over the connections that are open, without a ticket: the reply is said unasked. */
void redis_loop_ping(struct redis_loop *rloop);

/* Closes the connections of entries that nobody may ask any more; after a reload. */
void redis_loop_sweep(struct redis_loop *rloop);

struct redis_pool *redis_loop_pool(struct redis_loop *rloop, struct redis *redis);

/* To the server that is responsible, by and by. The ticket may be gone when it returns. */
void redis_pool_send(struct redis_ticket *ticket);

/* It was cancelled: it is freed, unless its replies have to be read first. */
void redis_pool_leave(struct redis_ticket *ticket);

/* The server has refused the ticket's command: sends it elsewhere, or again, if that may help.
 * False: it does not. */
bool redis_pool_move(struct redis_node *node, struct redis_ticket *ticket, struct str refused);

/* A server that was asked cannot be reached, or is not what it was: who is must be asked again. */
void redis_pool_doubt(struct redis_node *node);

/* Who is in charge is new: servers that have no part in it are closed when they have nothing to do, but for
 * `used`. */
void redis_pool_forget(struct redis_pool *pool, const struct redis_node *used);

/* Tickets that wait for the pool: it is known now whom to ask, or why not. */
void redis_pool_resume(struct redis_pool *pool);
void redis_pool_fail(struct redis_pool *pool, enum redis_error error, const char *problem);

struct redis_node *redis_pool_node(struct redis_pool *pool, struct str host, uint16_t port);
void redis_node_send(struct redis_node *node, struct redis_ticket *ticket);

/* For the connection: what came of the attempt. */
void redis_node_failed(struct redis_node *node, enum redis_error error, const char *problem);
void redis_node_worked(struct redis_node *node);
