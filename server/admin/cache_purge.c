/* server/admin/cache_purge.c: DELETE /v1/cache: what caches keep is forgotten, in memory and then in Redis. */
#include "core/base/memory.h"
#include "server/admin/admin.h"
#include "server/admin/status.h"
#include "server/cache/purge.h"
#include "server/cache/remote.h"

/* What Redis is asked, one server after the other, as long as the request waits. */
struct purging {
	struct cache_purge purge;
	struct request *request;
	struct cache_purge_ask *asks; /* each has a reference to its redis */
	size_t n_asks, n_asked;
	size_t n_caches, n_removed;
};

/* ------------------------------------------------------------ in memory */

/* The cache itself, and those of tasks in the route of that name. */
static bool cache_is_named(const struct cache *cache, struct str name)
{
	struct str own = str_of(cache->name);

	return !name.ptr || str_eq(own, name) ||
	       (str_starts_with(own, name) && str_starts_with(str_skip(own, name.len), STR(" > ")));
}

/* Answers that were chosen by fields of their requests stand behind a NUL. */
static size_t cache_purge_key(struct cache *cache, struct str key, struct arena *arena)
{
	struct str variants = arena_printf(arena, "%.*s%c", STR_ARG(key), '\0');

	return cache_store_remove(cache->store, key) +
	       (variants.ptr ? cache_store_remove_prefix(cache->store, variants) : 0);
}

/* ------------------------------------------------------------ in Redis */

static void purging_fini(struct purging *purging)
{
	for (size_t i = 0; i < purging->n_asks; i++)
		redis_unref(purging->asks[i].redis);
}

static void purging_reply(struct purging *purging)
{
	struct request *request = purging->request;

	purging_fini(purging);
	request_reply_json(request, 200,
			   arena_printf(&request->arena, "{\"caches\":%zu,\"removed\":%zu}",
					purging->n_caches, purging->n_removed));
}

static void purging_fail(struct purging *purging, const struct redis *redis)
{
	struct request *request = purging->request;
	struct reply reply = reply_problem(
		&request->arena, 502, STR("redis_error"), STR_NONE, STR_NONE,
		arena_printf(&request->arena,
			     "redis.%.*s: %s; %zu entries were removed, those in memory first",
			     STR_ARG(redis->name), purging->purge.detail, purging->n_removed));

	purging_fini(purging);
	request_reply(request, &reply);
}

static void purging_next(struct purging *purging);

static void purging_on_end(struct cache_purge *purge)
{
	struct purging *purging = purge->owner;

	purging->n_removed += purge->n_removed;
	if (purge->detail)
		purging_fail(purging, purging->asks[purging->n_asked - 1].redis);
	else
		purging_next(purging);
}

static void purging_next(struct purging *purging)
{
	struct request *request = purging->request;

	if (purging->n_asked == purging->n_asks) {
		purging_reply(purging);
		return;
	}
	purging->purge = (struct cache_purge){ .on_end = purging_on_end, .owner = purging };
	cache_purge_start(&purging->purge, request->context.redis, &request->arena,
			  &purging->asks[purging->n_asked++]);
}

static void purging_on_cancel(struct request *request)
{
	struct purging *purging = request->native;

	cache_purge_cancel(&purging->purge);
	purging_fini(purging);
	request_destroy(request);
}

/* ------------------------------------------------------------ the request */

static const struct cache_purge_ask *purging_find(const struct purging *purging,
						  const struct redis *redis)
{
	for (size_t i = 0; i < purging->n_asks; i++)
		if (purging->asks[i].redis == redis)
			return &purging->asks[i];
	return NULL;
}

/* All that is asked of that server, as one. False without memory. */
static bool purging_add(struct purging *purging, struct redis *redis,
			const struct cache_list *caches, struct str name, struct str key,
			bool prefixes)
{
	struct arena *arena = &purging->request->arena;
	struct str *targets = arena_alloc_array(arena, caches->n_caches, sizeof(*targets));
	size_t n_targets = 0;

	for (size_t i = 0; targets && i < caches->n_caches; i++) {
		if (caches->specs[i]->redis != redis || !cache_is_named(caches->caches[i], name))
			continue;
		targets[n_targets] = cache_remote_key(caches->specs[i], key, arena);
		if (!targets[n_targets++].ptr) /* it would be the beginning of all keys */
			return false;
	}
	if (!targets)
		return false;
	purging->asks[purging->n_asks++] = (struct cache_purge_ask){ .redis = redis_ref(redis),
								     .targets = targets,
								     .n_targets = n_targets,
								     .prefixes = prefixes };
	return true;
}

/* False without memory. */
static bool purging_begin(struct purging *purging, const struct cache_list *caches)
{
	struct request *request = purging->request;
	struct str name = request_query(request, STR("route"));
	struct str key = request_query(request, STR("key"));
	struct str prefix = request_query(request, STR("prefix"));
	bool ok = purging->asks != NULL;

	for (size_t i = 0; ok && i < caches->n_caches; i++) {
		struct cache *cache = caches->caches[i];
		struct redis *redis = caches->specs[i]->redis;

		if (!cache_is_named(cache, name))
			continue;
		purging->n_caches++;
		purging->n_removed += key.ptr ? cache_purge_key(cache, key, &request->arena)
					      : cache_store_remove_prefix(cache->store, prefix);
		if (redis && !purging_find(purging, redis))
			ok = purging_add(purging, redis, caches, name, key.ptr ? key : prefix,
					 !key.ptr);
	}
	return ok;
}

void admin_cache_purge(struct request *request)
{
	const struct cache_list *caches = &admin_server(request)->generation->caches;
	struct purging *purging = arena_zalloc(&request->arena, sizeof(*purging));
	bool ok = purging != NULL;

	if (ok) {
		purging->request = request;
		purging->asks = arena_alloc_array(&request->arena, caches->n_caches + 1,
						  sizeof(*purging->asks));
		ok = purging_begin(purging, caches);
	}
	if (!ok) {
		if (purging)
			purging_fini(purging);
		request_reply(request, reply_refusal(500));
	} else if (request_query(request, STR("route")).ptr && purging->n_caches == 0) {
		request_reply_json(request, 404, STR("{\"caches\":0,\"removed\":0}"));
	} else {
		request->native = purging;
		request->on_cancel = purging_on_cancel;
		purging_next(purging);
	}
}
