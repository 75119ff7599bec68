/* server/redis/redis_pool.c
 *
 * A server that cannot be reached is not tried again before a pause that grows: until then who asks
 * fails at once. Of its lanes the first that is not busy is taken, so that few connections carry
 * many commands at once; only when it is busy is the next one opened. */
#include "server/redis/redis_pool.h"
#include "core/base/backoff.h"
#include "core/base/memory.h"
#include "server/redis/redis_conn.h"
#include "server/redis/redis_finder.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	LANE_BUSY = 64, /* commands on a lane, above which the next is used */
	RETRY_FIRST_MS = 20,
	RETRY_MAX_MS = 2000,
};

/* ------------------------------------------------------------ nodes */

static struct redis_node *node_create(struct redis_pool *pool, struct str host, uint16_t port)
{
	struct redis_node *node = mem_zalloc(sizeof(*node) + host.len + 1);
	char *copy = (char *)(node + 1);

	memcpy(copy, host.ptr, host.len);
	node->pool = pool;
	node->server = (struct upstream_server){ .host = { copy, host.len }, .port = port };
	list_add(&pool->nodes, &node->link);
	return node;
}

static void node_close(struct redis_node *node)
{
	for (unsigned i = 0; i < REDIS_LANES_MAX; i++)
		if (node->conns[i])
			redis_conn_close(node->conns[i]);
}

static void node_destroy(struct redis_node *node)
{
	node_close(node);
	tls_memory_forget(&node->memory);
	list_remove(&node->link);
	free(node);
}

struct redis_node *redis_pool_node(struct redis_pool *pool, struct str host, uint16_t port)
{
	struct redis_node *node;
	size_t n_nodes = 0;

	list_each(node, &pool->nodes, struct redis_node, link) {
		if (!node->is_sentinel && node->server.port == port &&
		    str_eq(node->server.host, host))
			return node;
		n_nodes++;
	}
	if (n_nodes >= REDIS_NODES_MAX || host.len == 0 || host.len > NAMES_HOST_MAX)
		return NULL;
	return node_create(pool, host, port);
}

void redis_node_failed(struct redis_node *node, enum redis_error error, const char *problem)
{
	struct loop *loop = node->pool->rloop->loop;

	node->n_failed++;
	node->retry_at_ns =
		loop_now_ns(loop) + backoff_ns(RETRY_FIRST_MS, RETRY_MAX_MS, node->n_failed);
	node->error = error == REDIS_LOST ? REDIS_CONNECT_FAILED : error;
	snprintf(node->problem, sizeof(node->problem), "%s", problem);
	redis_set_problem(node->pool->redis, node->problem);
}

void redis_node_worked(struct redis_node *node)
{
	struct redis *redis = node->pool->redis;
	bool mended = node->n_failed > 0;

	node->n_failed = 0;
	node->retry_at_ns = 0;
	/* that one server of a cluster works says nothing of another */
	if (atomic_load_explicit(&redis->has_problem, memory_order_relaxed) &&
	    (mended || redis->mode != REDIS_CLUSTER) && !node->is_sentinel)
		redis_set_problem(redis, "");
}

/* One of its connections, perhaps a new one; NULL: it may not be tried, or has failed at once. */
static struct redis_conn *node_open(struct redis_node *node, unsigned lane)
{
	if (loop_now_ns(node->pool->rloop->loop) < node->retry_at_ns)
		return NULL;
	return redis_conn_open(node, lane);
}

static struct redis_conn *node_choose(struct redis_node *node)
{
	struct redis_conn *best = NULL;

	for (unsigned i = 0; i < node->pool->redis->n_lanes; i++) {
		struct redis_conn *conn = node->conns[i];

		if (!conn)
			conn = best && best->state != REDIS_CONN_READY ? NULL : node_open(node, i);
		if (conn && redis_conn_load(conn) < LANE_BUSY)
			return conn;
		if (conn && (!best || redis_conn_load(conn) < redis_conn_load(best)))
			best = conn;
	}
	return best;
}

void redis_node_send(struct redis_node *node, struct redis_ticket *ticket)
{
	struct redis_conn *conn;

	if (ticket->lane < 0)
		conn = node_choose(node);
	else if (node->conns[ticket->lane])
		conn = node->conns[ticket->lane];
	else
		conn = node_open(node, (unsigned)ticket->lane);
	if (conn)
		redis_conn_send(conn, ticket);
	else
		ticket_fail(ticket, node->error, node->problem);
}

/* ------------------------------------------------------------ pools */

static void pool_add_seeds(struct redis_pool *pool)
{
	const struct redis *redis = pool->redis;

	for (size_t i = 0; i < redis->n_servers; i++) {
		struct redis_node *node =
			node_create(pool, redis->servers[i].host, redis->servers[i].port);

		node->is_seed = true;
		node->is_sentinel = redis->mode == REDIS_SENTINEL;
		if (redis->mode == REDIS_SINGLE)
			pool->master = node;
	}
}

static struct redis_pool *pool_create(struct redis_loop *rloop, struct redis *redis)
{
	struct redis_pool *pool = mem_zalloc(sizeof(*pool));

	pool->rloop = rloop;
	pool->redis = redis;
	redis_hold(redis);
	list_init(&pool->nodes);
	list_init(&pool->waiting);
	pool_add_seeds(pool);
	if (redis->mode != REDIS_SINGLE)
		pool->finder = redis_finder_create(pool);
	list_add(&rloop->pools, &pool->link);
	map_set(&rloop->pools_by_redis,
		(struct str){ (const char *)&pool->redis, sizeof(pool->redis) }, pool);
	return pool;
}

static void pool_destroy(struct redis_pool *pool)
{
	struct redis_node *node;

	redis_finder_destroy(pool->finder);
	check(list_is_empty(&pool->waiting));
	list_each(node, &pool->nodes, struct redis_node, link)
		node_destroy(node);
	map_remove(&pool->rloop->pools_by_redis,
		   (struct str){ (const char *)&pool->redis, sizeof(pool->redis) });
	list_remove(&pool->link);
	free(pool->slots);
	redis_release(pool->redis);
	free(pool);
}

/* ------------------------------------------------------------ loops */

struct redis_loop *redis_loop_create(struct loop *loop, struct names *names)
{
	struct redis_loop *rloop = mem_zalloc(sizeof(*rloop));

	rloop->loop = loop;
	rloop->names = names;
	list_init(&rloop->pools);
	map_init(&rloop->pools_by_redis);
	return rloop;
}

void redis_loop_destroy(struct redis_loop *rloop)
{
	struct redis_pool *pool;

	if (!rloop)
		return;
	list_each(pool, &rloop->pools, struct redis_pool, link)
		pool_destroy(pool);
	map_fini(&rloop->pools_by_redis);
	free(rloop->scratch);
	free(rloop);
}

static void node_ping(struct redis_node *node)
{
	for (size_t i = 0; i < ARRAY_LEN(node->conns) && !node->is_sentinel; i++) {
		struct redis_conn *conn = node->conns[i];

		if (!conn || conn->state != REDIS_CONN_READY || conn->out.len > 0)
			continue;
		buf_add(&conn->out, STR("*1\r\n$4\r\nPING\r\n"));
		redis_conn_write(conn);
	}
}

static void pool_ping(struct redis_pool *pool)
{
	struct redis_node *node;

	list_each(node, &pool->nodes, struct redis_node, link)
		node_ping(node);
}

void redis_loop_ping(struct redis_loop *rloop)
{
	struct redis_pool *pool;

	list_each(pool, &rloop->pools, struct redis_pool, link)
		pool_ping(pool);
}

void redis_loop_sweep(struct redis_loop *rloop)
{
	struct redis_pool *pool;

	list_each(pool, &rloop->pools, struct redis_pool, link)
		if (!redis_is_called(pool->redis))
			pool_destroy(pool);
}

struct redis_pool *redis_loop_pool(struct redis_loop *rloop, struct redis *redis)
{
	struct redis_pool *pool = map_find(&rloop->pools_by_redis,
					   (struct str){ (const char *)&redis, sizeof(redis) });

	return pool ? pool : pool_create(rloop, redis);
}

/* ------------------------------------------------------------ whom to ask */

static void pool_add_waiting(struct redis_pool *pool, struct redis_ticket *ticket)
{
	list_add(&pool->waiting, &ticket->link);
	pool->n_waiting += ticket->n_commands;
	pool->waiting_bytes += ticket->size;
	atomic_fetch_add_explicit(&pool->redis->stats.waiting, (int)ticket->n_commands,
				  memory_order_relaxed);
}

static void pool_take_waiting(struct redis_pool *pool, struct redis_ticket *ticket)
{
	list_remove(&ticket->link);
	pool->n_waiting -= ticket->n_commands;
	pool->waiting_bytes -= ticket->size;
	atomic_fetch_sub_explicit(&pool->redis->stats.waiting, (int)ticket->n_commands,
				  memory_order_relaxed);
}

/* Until the finder has found out. */
static void pool_wait(struct redis_pool *pool, struct redis_ticket *ticket)
{
	const struct redis *redis = pool->redis;
	enum redis_error error;
	const char *problem;

	if (pool->n_waiting + ticket->n_commands > redis->waiting_max ||
	    pool->waiting_bytes + ticket->size > redis->waiting_bytes) {
		ticket_fail(ticket, REDIS_EXHAUSTED, "too many commands wait already");
		return;
	}
	if (redis_finder_is_pausing(pool->finder, &error, &problem)) {
		ticket_fail(ticket, error, problem);
		return;
	}
	pool_add_waiting(pool, ticket);
	redis_finder_start(pool->finder);
}

/* In a cluster, for a command without a key: any server will do. */
static struct redis_node *pool_any(struct redis_pool *pool)
{
	return pool->slots ? pool->slots[backoff_random(COMMAND_SLOTS)] : NULL;
}

static struct redis_node *pool_find(struct redis_pool *pool, int slot)
{
	if (pool->redis->mode != REDIS_CLUSTER)
		return pool->master;
	return slot < 0 ? pool_any(pool) : pool->slots ? pool->slots[slot] : NULL;
}

void redis_pool_send(struct redis_ticket *ticket)
{
	struct redis_node *node = pool_find(ticket->pool, ticket->slot);

	if (node)
		redis_node_send(node, ticket);
	else
		pool_wait(ticket->pool, ticket);
}

void redis_pool_leave(struct redis_ticket *ticket)
{
	if (ticket->conn) {
		redis_conn_leave(ticket->conn, ticket);
		return;
	}
	pool_take_waiting(ticket->pool, ticket);
	ticket_end(ticket);
}

/* All who wait, in their order. */
static void pool_take_all_waiting(struct redis_pool *pool, struct list *ret_waiting)
{
	struct redis_ticket *ticket;

	list_init(ret_waiting);
	list_each(ticket, &pool->waiting, struct redis_ticket, link) {
		pool_take_waiting(pool, ticket);
		list_add(ret_waiting, &ticket->link);
	}
}

void redis_pool_resume(struct redis_pool *pool)
{
	struct list waiting;
	struct redis_ticket *ticket;

	pool_take_all_waiting(pool, &waiting);
	list_each(ticket, &waiting, struct redis_ticket, link) {
		list_remove(&ticket->link);
		redis_pool_send(ticket);
	}
}

void redis_pool_fail(struct redis_pool *pool, enum redis_error error, const char *problem)
{
	struct list waiting;
	struct redis_ticket *ticket;

	pool_take_all_waiting(pool, &waiting);
	list_each(ticket, &waiting, struct redis_ticket, link) {
		list_remove(&ticket->link);
		ticket_fail(ticket, error, problem);
	}
}

void redis_pool_doubt(struct redis_node *node)
{
	struct redis_pool *pool = node->pool;

	if (node->is_sentinel)
		return;
	if (pool->redis->mode == REDIS_SENTINEL && pool->master == node)
		pool->master = NULL;
	else if (pool->redis->mode == REDIS_CLUSTER &&
		 !redis_finder_is_pausing(pool->finder, NULL, NULL))
		redis_finder_start(pool->finder);
}

static bool node_is_busy(const struct redis_node *node)
{
	for (unsigned i = 0; i < REDIS_LANES_MAX; i++)
		if (node->conns[i] && redis_conn_load(node->conns[i]) > 0)
			return true;
	return false;
}

void redis_pool_forget(struct redis_pool *pool, const struct redis_node *used)
{
	struct redis_node *node;

	list_each(node, &pool->nodes, struct redis_node, link)
		node->is_named = false;
	for (size_t i = 0; pool->slots && i < COMMAND_SLOTS; i++)
		pool->slots[i]->is_named = true;
	if (pool->master)
		pool->master->is_named = true;
	list_each(node, &pool->nodes, struct redis_node, link)
		if (!node->is_named && !node->is_seed && node != used && !node_is_busy(node))
			node_destroy(node);
}

/* ------------------------------------------------------------ refusals */

/* "MOVED 3999 127.0.0.1:6381": the host may be empty, then it is the one that says so. */
static struct redis_node *pool_read_target(struct redis_node *node, struct str refused,
					   uint64_t *ret_slot)
{
	struct str word, slot, host;
	uint64_t port;
	size_t colon;

	str_next_part(&refused, ' ', &word);
	if (!str_next_part(&refused, ' ', &slot) || str_to_u64(slot, ret_slot) < 0 ||
	    *ret_slot >= COMMAND_SLOTS)
		return NULL;
	for (colon = refused.len; colon > 0 && refused.ptr[colon - 1] != ':'; colon--)
		;
	if (colon == 0 || str_to_u64(str_skip(refused, colon), &port) < 0 || port == 0 ||
	    port > UINT16_MAX)
		return NULL;
	host = str_first(refused, colon - 1);
	return redis_pool_node(node->pool, host.len ? host : node->server.host, (uint16_t)port);
}

static bool pool_redirect(struct redis_node *node, struct redis_ticket *ticket, struct str refused,
			  bool moved)
{
	struct redis_pool *pool = node->pool;
	uint64_t slot = 0;
	struct redis_node *target = pool_read_target(node, refused, &slot);

	if (!target || (ticket->transaction && !moved))
		return false;
	if (moved && pool->slots)
		pool->slots[slot] = target;
	if (moved)
		redis_pool_doubt(node);
	ticket->asking = !moved;
	ticket->slot = (int)slot;
	redis_node_send(target, ticket);
	return true;
}

static bool pool_send_script(struct redis_node *node, struct redis_ticket *ticket)
{
	if (!ticket->call || !ticket->call->request.script.len || ticket->evals)
		return false;
	ticket = ticket_with_script(ticket);
	if (ticket)
		redis_node_send(node, ticket);
	return true;
}

bool redis_pool_move(struct redis_node *node, struct redis_ticket *ticket, struct str refused)
{
	enum redis_mode mode = node->pool->redis->mode;
	struct str word = redis_error_word(refused);

	if (!ticket->call || ++ticket->n_moves > REDIS_MOVES_MAX)
		return false;
	if (str_eq(word, STR("NOSCRIPT")))
		return pool_send_script(node, ticket);
	if (mode == REDIS_CLUSTER && str_eq(word, STR("MOVED")))
		return pool_redirect(node, ticket, refused, true);
	if (mode == REDIS_CLUSTER && str_eq(word, STR("ASK")))
		return pool_redirect(node, ticket, refused, false);
	if (mode == REDIS_CLUSTER && str_eq(word, STR("CLUSTERDOWN")))
		redis_pool_doubt(node);
	if (mode == REDIS_SENTINEL && str_eq(word, STR("READONLY"))) {
		redis_pool_send(ticket);
		return true;
	}
	return false;
}
