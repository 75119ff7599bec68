/* server/client/client.c: one loop's pools, its unnamed upstreams, and the sweep that forgets them.
 *
 * A pool lives as long as somebody may call its upstream, or a call of it is in progress. The
 * sweep runs when the oldest idle connection is due, and at least every SWEEP_MS while there is
 * a pool. */
#include "server/client/client.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/io/tls_client.h"
#include "core/thread/lock.h"
#include "server/client/checks.h"
#include "server/client/http_conn.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SWEEP_MS = 60000,
	HTTPS_LEN = 8,     /* of "https://" */
	SWEEP_MIN_MS = 20, /* between two sweeps: connections that are due one by one go together */
};

struct client_unnamed {
	struct list link; /* in client->unnamed */
	struct str key; /* "host:port" or "https://host:port" in lower case; the upstream's name */
	struct upstream *upstream;
	uint64_t used_ns;
};

static void client_on_sweep(struct timer *timer)
{
	client_sweep(container_of(timer, struct client, sweep));
}

int client_create(struct client **ret_client, struct loop *loop)
{
	struct client *client = malloc(sizeof(*client));
	int r;

	if (!client)
		return -ENOMEM;
	r = names_create(&client->names, loop);
	if (r < 0) {
		free(client);
		return r;
	}
	client->loop = loop;
	client->n_calls = 0;
	client->records = NULL;
	client->dns_servers = NULL;
	list_init(&client->pools);
	list_init(&client->depots);
	list_init(&client->checks);
	list_init(&client->unnamed);
	map_init(&client->pools_by_upstream);
	map_init(&client->unnamed_by_authority);
	timer_init(&client->sweep, loop, client_on_sweep);
	*ret_client = client;
	return 0;
}

struct loop *client_loop(const struct client *client)
{
	return client->loop;
}

struct names *client_names(const struct client *client)
{
	return client->names;
}

struct records *client_records(struct client *client)
{
	if (!client->records)
		client->records = records_create(client->loop, client->dns_servers);
	return client->records;
}

int client_set_dns_servers(struct client *client, const char *servers)
{
	client->dns_servers = servers;
	return names_set_servers(client->names, servers);
}

/* ------------------------------------------------------------ pools */

static struct str client_pool_key(struct upstream *const *upstream)
{
	return (struct str){ (const char *)upstream, sizeof(*upstream) };
}

static struct conn_pool *client_add_pool(struct client *client, struct upstream *upstream)
{
	struct conn_pool *pool = mem_zalloc(sizeof(*pool));

	pool->client = client;
	pool->upstream = upstream;
	pool->depot = depot_take(client, upstream->fleet);
	balance_init(&pool->balance);
	list_init(&pool->waiting);
	upstream_hold(upstream);
	list_add(&client->pools, &pool->link);
	map_set(&client->pools_by_upstream, client_pool_key(&pool->upstream), pool);
	client_sweep_at(client, loop_now_ns(client->loop) + SWEEP_MS * NS_PER_MS);
	return pool;
}

struct conn_pool *client_pool(struct client *client, struct upstream *upstream)
{
	struct conn_pool *pool = map_find(&client->pools_by_upstream, client_pool_key(&upstream));

	return pool ? pool : client_add_pool(client, upstream);
}

static void client_remove_pool(struct client *client, struct conn_pool *pool)
{
	check_that(pool->n_calls == 0, "n_calls=%zu", pool->n_calls);
	map_remove(&client->pools_by_upstream, client_pool_key(&pool->upstream));
	list_remove(&pool->link);
	conn_pool_stop_lookups(pool);
	conn_pool_drop_shelves(pool);
	balance_fini(&pool->balance);
	depot_leave(pool->depot);
	upstream_release(pool->upstream);
	free(pool);
}

/* ------------------------------------------------------------ the sweep */

void client_sweep_at(struct client *client, uint64_t due_ns)
{
	if (timer_is_running(&client->sweep) && client->sweep_at_ns <= due_ns)
		return;
	client->sweep_at_ns = due_ns;
	timer_start_at(&client->sweep, due_ns);
}

static void client_sweep_pools(struct client *client)
{
	struct conn_pool *pool;

	list_each(pool, &client->pools, struct conn_pool, link)
		if (pool->n_calls == 0 && !upstream_is_called(pool->upstream))
			client_remove_pool(client, pool);
}

/* Before the pools: their shelves stay for as long as they have connections. */
static uint64_t client_sweep_depots(struct client *client, uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX;
	struct depot *depot;

	list_each(depot, &client->depots, struct depot, link)
		next_ns = MIN(next_ns, depot_sweep(depot, now_ns));
	return next_ns;
}

static void client_forget(struct client *client, struct client_unnamed *unnamed)
{
	map_remove(&client->unnamed_by_authority, unnamed->key);
	list_remove(&unnamed->link);
	upstream_unref(unnamed->upstream);
	free(unnamed);
}

/* Returns when the next one is due. */
static uint64_t client_sweep_unnamed(struct client *client, uint64_t now_ns)
{
	while (!list_is_empty(&client->unnamed)) {
		struct client_unnamed *unnamed =
			container_of(client->unnamed.prev, struct client_unnamed, link);

		if (unnamed->used_ns + CLIENT_UNNAMED_MS * NS_PER_MS > now_ns)
			return unnamed->used_ns + CLIENT_UNNAMED_MS * NS_PER_MS;
		client_forget(client, unnamed);
	}
	return UINT64_MAX;
}

void client_sweep(struct client *client)
{
	uint64_t now_ns = clock_monotonic_ns(), next_ns = now_ns + SWEEP_MS * NS_PER_MS;

	timer_stop(&client->sweep);
	next_ns = MIN(next_ns, client_sweep_unnamed(client, now_ns));
	next_ns = MIN(next_ns, client_sweep_depots(client, now_ns));
	client_sweep_checks(client);
	client_sweep_pools(client);
	if (!list_is_empty(&client->depots) || !list_is_empty(&client->unnamed))
		client_sweep_at(client, MAX(next_ns, now_ns + SWEEP_MIN_MS * NS_PER_MS));
}

void client_destroy(struct client *client)
{
	struct conn_pool *pool;
	struct depot *depot;

	if (!client)
		return;
	check_that(client->n_calls == 0, "n_calls=%zu", client->n_calls);
	timer_stop(&client->sweep);
	client_sweep_unnamed(client, UINT64_MAX);
	list_each(depot, &client->depots, struct depot, link)
		depot_close_all(depot);
	list_each(pool, &client->pools, struct conn_pool, link)
		client_remove_pool(client, pool);
	check(list_is_empty(&client->depots) && list_is_empty(&client->checks));
	map_fini(&client->pools_by_upstream);
	map_fini(&client->unnamed_by_authority);
	names_destroy(client->names);
	records_destroy(client->records);
	free(client);
}

/* ------------------------------------------------------------ unnamed upstreams */

struct tls_client *client_usual_tls(void)
{
	static struct lock lock = LOCK_INIT; /* guards `usual` while it is made */
	static struct tls_client *usual;     /* lives as long as the program */
	const struct tls_client_settings settings = { 0 };
	struct tls_client *made;
	struct tls_fault fault;

	lock_acquire(&lock);
	if (!usual)
		tls_client_create(&usual, &settings, &fault);
	made = usual;
	lock_release(&lock);
	return made;
}

static struct client_unnamed *client_remember(struct client *client, struct str key,
					      struct tls_client *tls)
{
	struct client_unnamed *unnamed = mem_zalloc(sizeof(*unnamed));

	if (client->unnamed_by_authority.n_items >= CLIENT_UNNAMED_MAX)
		client_forget(client,
			      container_of(client->unnamed.prev, struct client_unnamed, link));
	unnamed->upstream = upstream_create(key);
	if (tls)
		upstream_secure(unnamed->upstream, tls_client_ref(tls), STR(""));
	check(upstream_add_server(unnamed->upstream, str_skip(key, tls ? HTTPS_LEN : 0)) == 0);
	unnamed->key = unnamed->upstream->name;
	list_init(&unnamed->link);
	map_set(&client->unnamed_by_authority, unnamed->key, unnamed);
	client_sweep_at(client, loop_now_ns(client->loop) + SWEEP_MS * NS_PER_MS);
	return unnamed;
}

static struct upstream *client_find_upstream(struct client *client, struct str authority,
					     struct tls_client *tls)
{
	char key[NAMES_HOST_MAX + 24];
	struct upstream_server server;
	struct client_unnamed *unnamed;
	int len;

	if (upstream_read_address(authority, tls ? 443 : 80, &server) < 0)
		return NULL;
	len = snprintf(key, sizeof(key), str_has(server.host, ':') ? "%s[%.*s]:%u" : "%s%.*s:%u",
		       tls ? "https://" : "", STR_ARG(server.host), server.port);
	check(len > 0 && (size_t)len < sizeof(key));
	for (int i = 0; i < len; i++)
		key[i] = char_lower(key[i]);
	unnamed = map_find(&client->unnamed_by_authority, (struct str){ key, (size_t)len });
	if (!unnamed)
		unnamed = client_remember(client, (struct str){ key, (size_t)len }, tls);
	unnamed->used_ns = loop_now_ns(client->loop);
	list_remove(&unnamed->link);
	list_add_first(&client->unnamed, &unnamed->link);
	return upstream_ref(unnamed->upstream);
}

struct upstream *client_upstream(struct client *client, struct str authority)
{
	return client_find_upstream(client, authority, NULL);
}

struct upstream *client_secure_upstream(struct client *client, struct str authority)
{
	struct tls_client *tls = client_usual_tls();

	return tls ? client_find_upstream(client, authority, tls) : NULL;
}
