/* server/redis/redis.c */
#include "server/redis/redis.h"
#include "core/base/check.h"
#include "core/base/memory.h"
#include "core/io/tls_client.h"
#include <stdio.h>
#include <stdlib.h>

struct redis *redis_create(struct str name)
{
	struct redis *redis = mem_zalloc(sizeof(*redis));

	atomic_init(&redis->refs, 1);
	atomic_init(&redis->n_holds, 1);
	lock_init(&redis->lock);
	arena_init_required(&redis->arena);
	redis->name = arena_str(&redis->arena, name);
	return redis;
}

struct redis *redis_ref(struct redis *redis)
{
	check(atomic_fetch_add(&redis->refs, 1) > 0);
	return redis;
}

void redis_unref(struct redis *redis)
{
	if (redis && atomic_fetch_sub(&redis->refs, 1) == 1)
		redis_release(redis);
}

bool redis_is_called(const struct redis *redis)
{
	return atomic_load(&redis->refs) > 0;
}

void redis_hold(struct redis *redis)
{
	atomic_fetch_add(&redis->n_holds, 1);
}

void redis_release(struct redis *redis)
{
	if (atomic_fetch_sub(&redis->n_holds, 1) != 1)
		return;
	tls_client_unref(redis->tls);
	lock_fini(&redis->lock);
	arena_fini(&redis->arena);
	free(redis);
}

static bool login_is_same(const struct redis_login *a, const struct redis_login *b)
{
	return str_eq(a->user, b->user) && str_eq(a->password, b->password);
}

static bool redis_servers_are_same(const struct redis *a, const struct redis *b)
{
	if (a->mode != b->mode || !str_eq(a->master, b->master) || a->n_servers != b->n_servers)
		return false;
	for (size_t i = 0; i < a->n_servers; i++)
		if (!str_eq(a->servers[i].host, b->servers[i].host) ||
		    a->servers[i].port != b->servers[i].port)
			return false;
	return true;
}

bool redis_is_same(const struct redis *a, const struct redis *b)
{
	return redis_servers_are_same(a, b) && login_is_same(&a->login, &b->login) &&
	       login_is_same(&a->sentinel_login, &b->sentinel_login) && a->db == b->db &&
	       !a->tls == !b->tls && str_eq(a->server_name, b->server_name) &&
	       memcmp(a->tls_identity, b->tls_identity, sizeof(a->tls_identity)) == 0 &&
	       a->connect_ms == b->connect_ms && a->response_ms == b->response_ms &&
	       a->n_lanes == b->n_lanes && a->waiting_max == b->waiting_max &&
	       a->waiting_bytes == b->waiting_bytes && a->reply_max == b->reply_max;
}

void redis_set_problem(struct redis *redis, const char *problem)
{
	lock_acquire(&redis->lock);
	snprintf(redis->problem, sizeof(redis->problem), "%s", problem);
	atomic_store_explicit(&redis->has_problem, problem[0] != '\0', memory_order_relaxed);
	lock_release(&redis->lock);
}

void redis_problem(struct redis *redis, char ret_problem[REDIS_PROBLEM_MAX])
{
	lock_acquire(&redis->lock);
	memcpy(ret_problem, redis->problem, REDIS_PROBLEM_MAX);
	lock_release(&redis->lock);
}

const char *redis_mode_name(enum redis_mode mode)
{
	switch (mode) {
	case REDIS_SINGLE:
		return "single";
	case REDIS_SENTINEL:
		return "sentinel";
	case REDIS_CLUSTER:
		return "cluster";
	}
	unreachable();
}
