/* server/admin/caches.c: what caches keep, in figures. */
#include "server/admin/status.h"
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
