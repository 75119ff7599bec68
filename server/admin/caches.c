/* server/admin/caches.c: what caches keep, in figures, and purging it. */
#include "server/admin/status.h"
#include "server/cache/remote.h"
#include "server/expr/json.h"
#include <inttypes.h>

/* ------------------------------------------------------------ for people */

static void write_cache(struct buf *out, const struct cache *cache)
{
	const struct cache_counts *counts = &cache->counts;
	struct cache_store_stats stats;

	cache_store_stats(cache->store, &stats);
	buf_add(out, STR("{\"name\":"));
	json_write_text(str_of(cache->name), out);
	buf_printf(out,
		   ",\"entries\":%zu,\"bytes\":%zu,\"hits\":%" PRIu64 ",\"misses\":%" PRIu64
		   ",\"stale\":%" PRIu64 ",\"coalesced\":%" PRIu64 ",\"evicted\":%" PRIu64
		   ",\"filling\":%zu,\"waiting\":%zu}",
		   stats.n_entries, stats.n_bytes, atomic_load(&counts->hits),
		   atomic_load(&counts->misses), atomic_load(&counts->stale),
		   atomic_load(&counts->coalesced), stats.n_evicted, stats.n_fills,
		   stats.n_waiting);
}

void admin_write_caches(struct buf *out, const struct generation *generation)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < generation->caches.n_caches; i++) {
		if (i)
			buf_add_char(out, ',');
		write_cache(out, generation->caches.caches[i]);
	}
	buf_add_char(out, ']');
}

void admin_caches(struct request *request)
{
	struct buf json;

	buf_init_arena(&json, &request->arena);
	admin_write_caches(&json, admin_server(request)->generation);
	if (json.error)
		request_reply(request, reply_refusal(500));
	else
		request_reply_json(request, 200, buf_str(&json));
}

/* ------------------------------------------------------------ for Prometheus */

enum cache_metric { HITS, MISSES, STALE, COALESCED, EVICTED, BYTES, ENTRIES };

static uint64_t cache_metric(const struct cache *cache, enum cache_metric metric)
{
	const struct cache_counts *counts = &cache->counts;
	struct cache_store_stats stats;

	cache_store_stats(cache->store, &stats);
	switch (metric) {
	case HITS:
		return atomic_load(&counts->hits);
	case MISSES:
		return atomic_load(&counts->misses);
	case STALE:
		return atomic_load(&counts->stale);
	case COALESCED:
		return atomic_load(&counts->coalesced);
	case EVICTED:
		return stats.n_evicted;
	case BYTES:
		return stats.n_bytes;
	case ENTRIES:
		return stats.n_entries;
	}
	unreachable();
}

void admin_write_cache_metrics(const struct generation *generation, struct buf *out)
{
	static const char *const metrics[][3] = {
		[HITS] = { "leat_cache_hits_total", "counter",
			   "Answers from a cache, still fresh." },
		[MISSES] = { "leat_cache_misses_total", "counter",
			     "What was not there, and had to be made." },
		[STALE] = { "leat_cache_stale_total", "counter",
			    "Answers from a cache that were older than their time." },
		[COALESCED] = { "leat_cache_coalesced_total", "counter",
				"Those who waited for what somebody else made." },
		[EVICTED] = { "leat_cache_evicted_total", "counter",
			      "Entries that left as there was no room." },
		[BYTES] = { "leat_cache_bytes", "gauge", "Memory of entries, with their keys." },
		[ENTRIES] = { "leat_cache_entries", "gauge", "Entries." },
	};
	const struct cache_list *caches = &generation->caches;

	for (unsigned i = 0; caches->n_caches && i < ARRAY_LEN(metrics); i++) {
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metrics[i][0], metrics[i][2],
			   metrics[i][0], metrics[i][1]);
		for (size_t j = 0; j < caches->n_caches; j++) {
			buf_printf(out, "%s{cache=\"", metrics[i][0]);
			admin_write_label(str_of(caches->caches[j]->name), out);
			buf_printf(out, "\"} %" PRIu64 "\n", cache_metric(caches->caches[j], i));
		}
	}
}

/* ------------------------------------------------------------ purging */

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

/* Redis cannot find keys by how they begin without going over all that it has. */
static void cache_refuse_remote(struct request *request)
{
	struct reply reply = reply_problem(
		&request->arena, 400, STR_NONE, STR_NONE, STR_NONE,
		STR("a cache among these is in Redis, where keys are purged one by one: say key=, "
		    "or route= of another; what is in memory was purged"));

	request_reply(request, &reply);
}

void admin_cache_purge(struct request *request)
{
	const struct cache_list *caches = &admin_server(request)->generation->caches;
	struct str name = request_query(request, STR("route"));
	struct str key = request_query(request, STR("key"));
	struct str prefix = request_query(request, STR("prefix"));
	size_t n_caches = 0, n_removed = 0, n_remote = 0;

	for (size_t i = 0; i < caches->n_caches; i++) {
		struct cache *cache = caches->caches[i];

		if (!cache_is_named(cache, name))
			continue;
		n_caches++;
		n_remote += caches->specs[i]->redis != NULL;
		if (caches->specs[i]->redis && key.ptr)
			cache_remote_remove(&request->context, caches->specs[i], key);
		n_removed += key.ptr ? cache_purge_key(cache, key, &request->arena)
				     : cache_store_remove_prefix(cache->store, prefix);
	}
	if (n_remote && !key.ptr) {
		cache_refuse_remote(request);
		return;
	}
	request_reply_json(request, name.ptr && n_caches == 0 ? 404 : 200,
			   arena_printf(&request->arena, "{\"caches\":%zu,\"removed\":%zu}",
					n_caches, n_removed));
}
